"""Taking a gateway's batch in: unpack, check, write in one transaction. See `vuong.contract.batch` for what a batch is."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
import zstandard
from sqlalchemy import Connection, Engine, select

from cloud.alerts.intake import take_alarms, take_statuses
from cloud.farms.stays import Stays
from cloud.farms.tables import Pond
from cloud.telemetry.mirror import enqueue
from cloud.telemetry.received import receive
from cloud.telemetry.retention import line
from cloud.telemetry.rollups import add_late, hour_of, mark_stale
from cloud.telemetry.store import advance_latest, insert_samples, upsert
from cloud.telemetry.tables import Quarantined
from cloud.telemetry.validation import Refusal, Samples, StructureError, check_samples
from vuong.contract.batch import VERSION

COMPRESSED_LIMIT: Final = 8 * 2**20
UNPACKED_LIMIT: Final = 64 * 2**20
# zstd packs at most 128 KiB into a few bytes a block: a step of this size unpacks to less than 50 MiB, so that a bomb ends early.
_ZSTD_STEP: Final = 1024


class BatchError(Exception):
    """A batch that cannot be taken at all, with the HTTP status that says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Sender:
    """The gateway that is known by the token of a request."""

    gateway: str
    cooperative: str


def _gunzip(body: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        body = inflater.decompress(body, UNPACKED_LIMIT + 1)
    except zlib.error:
        raise BatchError(400, "the body is not gzip, though Content-Encoding says so") from None
    if not inflater.eof and len(body) <= UNPACKED_LIMIT:
        raise BatchError(400, "the gzip body ends early; send it again")
    return body


def _unzstd(body: bytes) -> bytes:
    # A frame may ask for a window of gigabytes; RFC 9659 limits it to 8 MiB for HTTP.
    inflater = zstandard.ZstdDecompressor(max_window_size=2**23).decompressobj()
    unpacked = bytearray()
    try:
        for start in range(0, len(body), _ZSTD_STEP):
            unpacked += inflater.decompress(body[start : start + _ZSTD_STEP])
            if inflater.eof or len(unpacked) > UNPACKED_LIMIT:
                break
    except zstandard.ZstdError:
        raise BatchError(400, "the body is not zstd, though Content-Encoding says so") from None
    if not inflater.eof and len(unpacked) <= UNPACKED_LIMIT:
        raise BatchError(400, "the zstd body ends early; send it again")
    return bytes(unpacked)


_ENCODINGS: Final[dict[str, Callable[[bytes], bytes]]] = {"gzip": _gunzip, "zstd": _unzstd, "": bytes, "identity": bytes}


def unpack(body: bytes, encoding: str) -> dict[str, Any]:
    """Return the document of a request body.

    Raises
    ------
    BatchError
        415 for another encoding than gzip and zstd, 400 for bytes that are not of that encoding or no JSON, 413 for more than `UNPACKED_LIMIT`
        bytes, 422 for JSON that is no object
    """
    if encoding not in _ENCODINGS:
        raise BatchError(415, f"Content-Encoding is {encoding!r:.60}; send gzip or zstd")
    body = _ENCODINGS[encoding](body)
    if len(body) > UNPACKED_LIMIT:
        raise BatchError(413, f"the body unpacks to more than {UNPACKED_LIMIT} bytes; send smaller batches")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BatchError(400, f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BatchError(422, f"the batch is {type(document).__name__}; send an object")
    return document


def _check_head(document: dict[str, Any], sender: Sender, idempotency_key: str | None) -> int:
    if document.get("version") != VERSION:
        raise BatchError(422, f"version is {document.get('version')!r:.60}; this cloud takes {VERSION}")
    if document.get("gateway") != sender.gateway:
        raise BatchError(422, f"gateway is {document.get('gateway')!r:.60}; the token belongs to {sender.gateway!r}")
    first, last = document.get("first"), document.get("last")
    if type(first) is not int or type(last) is not int or not 0 <= first <= last < 2**63:
        raise BatchError(422, f"first and last are {first!r:.30} and {last!r:.30}; send integers, the first not above the last")
    if idempotency_key is not None:
        parts = idempotency_key.split("/")
        if len(parts) != 3 or parts[0] != sender.gateway or parts[2] != f"{first}-{last}":
            raise BatchError(400, f"Idempotency-Key is {idempotency_key!r:.120}; send {sender.gateway}/<stream>/{first}-{last}")
    for part in ("alarms", "statuses"):
        if not isinstance(document.get(part, []), list):
            raise BatchError(422, f"{part} is {type(document[part]).__name__}; send a list")
    return last


def _keep(connection: Connection, refusals: list[Refusal], sender: Sender, received: int) -> None:
    rows = {}
    for refusal in refusals:
        record = refusal.record
        try:
            identity = orjson.dumps([sender.gateway, refusal.part, record], option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:  # nested deeper than can be written back
            record = repr(record)[:4000]
            identity = orjson.dumps([sender.gateway, refusal.part, record])
        digest = hashlib.sha256(identity).hexdigest()
        rows[digest] = {
            "digest": digest,
            "gateway_id": sender.gateway,
            "cooperative_id": sender.cooperative,
            "part": refusal.part,
            "reason": refusal.reason,
            "record": record,
            "received": received,
        }
    connection.execute(upsert(connection, Quarantined.__table__).on_conflict_do_nothing(), [rows[key] for key in sorted(rows)])


def _store(connection: Connection, samples: Samples, *, mirror: bool, now: float) -> None:
    """Write the samples that were never stored before; those whose time retention has let go only add to their hour."""
    edge = line(connection)
    new = receive(connection, samples)
    if not new.node_id:
        return
    if edge and min(new.time) < edge:
        add_late(connection, new, [row for row, time in enumerate(new.time) if time < edge])
        kept = new.chosen([row for row, time in enumerate(new.time) if time >= edge])
    else:
        kept = new
    insert_samples(connection, kept)
    mark_stale(connection, set(zip(kept.node_id, map(hour_of, kept.time), strict=True)))
    advance_latest(connection, new)
    if mirror:
        enqueue(connection, new, now)


def take(
    engine: Engine,
    body: bytes,
    encoding: str,
    *,
    sender: Sender,
    idempotency_key: str | None,
    now: float,
    mirror: bool = False,
) -> dict[str, Any]:
    """Store a batch and return the reply; any number of times, in any order, with one effect.

    Parameters
    ----------
    engine : the store
    body, encoding : the request's bytes and its Content-Encoding
    sender : whose token it was; only its co-op's nodes and ponds are written
    idempotency_key : the header, checked against the document where it is given
    now : UTC seconds
    mirror : whether new samples shall also go to the mirror (`cloud.telemetry.mirror`)

    Raises
    ------
    BatchError
        if the batch as a whole cannot be read; a single bad record is quarantined and the rest goes on
    """
    document = unpack(body, encoding)
    last = _check_head(document, sender, idempotency_key)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        stays = Stays.of(connection, sender.cooperative)
        refusals: list[Refusal] = []
        if "samples" in document:
            try:
                samples = check_samples(document["samples"], stays.newest, now)
            except StructureError as error:
                raise BatchError(422, str(error)) from None
            samples.node_id = stays.at(samples.node_id, samples.time)
            _store(connection, samples, mirror=mirror, now=now)
            refusals += samples.refusals
        if document.get("alarms"):
            ponds = set(connection.scalars(select(Pond.id).where(Pond.cooperative_id == sender.cooperative)))
            refusals += take_alarms(connection, document["alarms"], sender.cooperative, ponds)
        if document.get("statuses"):
            refusals += take_statuses(connection, document["statuses"], sender.cooperative, stays.newest)
        if refusals:
            _keep(connection, refusals, sender, int(now))
    return {"accepted": last, "quarantined": [refusal.reply() for refusal in refusals]}
