"""A mirror for co-ops that keep a time-series database: InfluxDB 2 or 3, or VictoriaMetrics. It is a sink, not the record.

What shall go there is written to an outbox in the transaction that stores it, and leaves the outbox when the mirror has taken it: a mirror that is
down for a day misses nothing. A line is repeated after a crash between the two; its series and time are the same, so it says the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import urlsplit

import zstandard
from sqlalchemy import Connection, Engine, delete, func, insert, select

from cloud.farms.tables import Node
from cloud.telemetry.tables import MirrorParcel
from cloud.telemetry.validation import Samples
from vuong.flags import Flag

MEASUREMENT: Final = "water"
_PARCELS: Final = 20  # a round: bounded, so that others get their turn


class MirrorError(Exception):
    """The mirror did not take a parcel; it stays in the outbox."""


class Sink(Protocol):
    """Where line protocol goes."""

    def write(self, lines: str) -> None:
        """Write lines with times in seconds.

        Raises
        ------
        MirrorError
            if they were not taken
        """


@dataclass(frozen=True, slots=True)
class InfluxSink:
    """InfluxDB's write API, which VictoriaMetrics speaks too.

    Attributes
    ----------
    url : ``http://host:8086``, or VictoriaMetrics' ``http://host:8428``
    token, organisation, bucket : InfluxDB's; VictoriaMetrics takes any
    """

    url: str
    token: str = field(default="", repr=False)
    organisation: str = "vuong"
    bucket: str = "vuong"

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"mirror {self.url!r:.100} is no address; give http://host:port")

    def write(self, lines: str) -> None:
        """Write lines with times in seconds."""
        from influxdb_client.client.influxdb_client import InfluxDBClient  # noqa: PLC0415 - half a second that only a mirror costs
        from influxdb_client.client.write_api import SYNCHRONOUS  # noqa: PLC0415
        from influxdb_client.rest import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            with InfluxDBClient(self.url, self.token, org=self.organisation, timeout=10_000) as client:
                client.write_api(write_options=SYNCHRONOUS).write(self.bucket, record=lines, write_precision="s")
        except (ApiException, HTTPError, OSError) as error:
            raise MirrorError(f"{self.url}: {type(error).__name__}: {str(error).splitlines()[0]:.200}") from None


def lines_of(samples: Samples, names: dict[int, tuple[str, str]]) -> str:
    """Return samples as line protocol: a line a sample, tagged with pond and node.

    VictoriaMetrics drops texts and takes malformed lines with 204: only numbers are sent, and `influxdb-client` writes them. Two samples of
    one node in one second are one point there: the later line stays.
    """
    from influxdb_client.client.write.point import Point  # noqa: PLC0415 - half a second that only a mirror costs

    lines = []
    for row, (node, time) in enumerate(zip(samples.node_id, samples.time, strict=True)):
        eui, pond = names[node]
        fields: dict[str, float] = {}
        for name, values in samples.values.items():
            value = values[row]
            if value is not None:
                flags = samples.flags.get(name)
                fields[name] = float(value)
                fields[f"{name}_flag"] = float((flags[row] if flags else None) or Flag.NOT_EVALUATED)
        if fields:
            point = {"measurement": MEASUREMENT, "tags": {"node": eui, "pond": pond}, "fields": fields, "time": time}
            lines.append(Point.from_dict(point, "s").to_line_protocol())  # type: ignore[arg-type]  # constants are texts
    return "\n".join(lines)


def enqueue(connection: Connection, samples: Samples, now: float) -> None:
    """Put new or corrected samples in the outbox, in the transaction that stores them."""
    found = connection.execute(select(Node.id, Node.eui, Node.pond_id).where(Node.id.in_(set(samples.node_id))))
    lines = lines_of(samples, {row.id: (row.eui, row.pond_id) for row in found})
    if lines:
        packed = zstandard.compress(lines.encode(), 1)
        connection.execute(insert(MirrorParcel).values(created=int(now), lines=packed))


def waiting(connection: Connection) -> tuple[int, int | None]:
    """Return how many parcels wait, and since when the oldest does."""
    count, oldest = connection.execute(select(func.count(MirrorParcel.id), func.min(MirrorParcel.created))).one()
    return int(count), oldest


def forward(engine: Engine, sink: Sink, *, parcels: int = _PARCELS, sent: Callable[[int], None] | None = None) -> int:
    """Send the oldest parcels, in order; return how many were taken.

    Raises
    ------
    MirrorError
        at the first parcel that is not taken; those before it are gone from the outbox
    """
    count = 0
    while count < parcels:
        with engine.connect() as connection:
            row = connection.execute(select(MirrorParcel.id, MirrorParcel.lines).order_by(MirrorParcel.id).limit(1)).first()
        if row is None:
            break
        sink.write(zstandard.decompress(row.lines).decode())
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            connection.execute(delete(MirrorParcel).where(MirrorParcel.id == row.id))
        count += 1
        if sent:
            sent(count)
    return count
