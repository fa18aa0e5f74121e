"""A pond's samples of any range as CSV, Parquet or Excel, streamed: what is in memory is one piece, however long the range."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import chain, islice
from typing import Any, Final

from sqlalchemy import select

from cloud.farms.tables import Node, Pond
from cloud.telemetry.tables import NAMES, Sample
from cloud.tenancy import ScopedSession
from vuong.quantities import QUANTITIES

Piece = Sequence[Sequence[Any]]  # rows: EUI-64, time, values, flags

_ROWS: Final = 5000
_SHORTEST: Final = 3600  # seconds asked for at once
_SHEET: Final = 1_000_000  # rows; Excel takes 1,048,576
_BLOCK: Final = 2**18
_VIETNAM: Final = timezone(timedelta(hours=7))
COLUMNS: Final = ("node", "time", *NAMES, *(f"{name}_flag" for name in NAMES))


def pieces(session: ScopedSession, pond: Pond, start: int, end: int) -> Iterator[Piece]:
    """Yield a pond's samples from `start` (inclusive) to `end` (exclusive) in order of time, some thousand rows a piece."""
    rows = chain.from_iterable(_stretches(session, pond, start, end))
    while piece := list(islice(rows, _ROWS)):
        yield piece


def _stretches(session: ScopedSession, pond: Pond, start: int, end: int) -> Iterator[Sequence[Sequence[Any]]]:
    """Yield the rows of stretches of some thousand: asked for at once, SQLite would sort the whole range in memory."""
    columns = Sample.__table__.c
    statement = (
        select(Node.eui, columns.time, *(columns[name] for name in COLUMNS[2:]))
        .select_from(Sample)
        .join(Node, Node.id == columns.node_id)
        .order_by(columns.time, Node.eui, columns.seq)
    )
    nodes, long = list(session.scalars(select(Node.id).where(Node.pond_id == pond.id))), _SHORTEST
    # The first sample is looked for anew each time, so that years without one cost nothing.
    while (first := _first(session, nodes, start, end)) is not None:
        start = min(first + long, end)
        within = (columns.node_id.in_(nodes), columns.time >= first, columns.time < start)
        found = session.execute(statement.where(*within)).all()
        yield found
        if len(found) < _ROWS:
            long *= 2
        elif len(found) > 2 * _ROWS and long > _SHORTEST:
            long //= 2


def _first(session: ScopedSession, nodes: list[int], start: int, end: int) -> int | None:
    time, node = Sample.__table__.c.time, Sample.__table__.c.node_id
    statement = select(time).select_from(Sample).order_by(time).limit(1).where(time >= start, time < end)
    times = (session.scalar(statement.where(node == one)) for one in nodes)
    return min((found for found in times if found is not None), default=None)


def as_csv(rows: Iterator[Piece]) -> Iterator[bytes]:
    """Yield CSV (RFC 4180): times in UTC, ISO 8601; an empty field is no reading."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for piece in rows:
        writer.writerows((eui, f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}", *rest) for eui, time, *rest in piece)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


class _Pipe(io.RawIOBase):
    """A file that hands on what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        self._written.append(bytes(data))
        return len(self._written[-1])

    def taken(self) -> bytes:
        """Return what was written since the last call."""
        data, self._written = b"".join(self._written), []
        return data


def as_parquet(rows: Iterator[Piece]) -> Iterator[bytes]:
    """Yield Parquet, zstd-compressed, a row group a piece; each quantity's field carries its unit."""
    import pyarrow as pa  # noqa: PLC0415 - large, and few ask for it
    from pyarrow import parquet  # noqa: PLC0415

    schema = pa.schema(
        [
            pa.field("node", pa.dictionary(pa.int32(), pa.string())),
            pa.field("time", pa.timestamp("s", tz="UTC")),
            *(pa.field(name, pa.float64(), metadata={"unit": QUANTITIES[name].unit}) for name in NAMES),
            *(pa.field(f"{name}_flag", pa.int8()) for name in NAMES),
        ]
    )
    pipe = _Pipe()
    with parquet.ParquetWriter(pipe, schema, compression="zstd") as writer:
        for piece in rows:
            columns = [pa.array(column, field.type) for column, field in zip(zip(*piece, strict=True), schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            yield pipe.taken()
    yield pipe.taken()


def as_excel(rows: Iterator[Piece]) -> Iterator[bytes]:
    """Yield an Excel workbook, a sheet a million rows, times by Vietnam's clock; a workbook can only be read whole, so it is built on disk first."""
    import xlsxwriter  # noqa: PLC0415 - large, and few ask for it

    heads = ["node", "time (UTC+7)", *(f"{name} ({QUANTITIES[name].unit})" for name in NAMES), *COLUMNS[2 + len(NAMES) :]]
    with tempfile.TemporaryFile() as file:
        with xlsxwriter.Workbook(file, {"constant_memory": True, "default_date_format": "yyyy-mm-dd hh:mm:ss"}) as book:
            bold, line, sheet = book.add_format({"bold": True}), _SHEET, None
            for piece in rows:
                for eui, time, *rest in piece:
                    if line >= _SHEET or sheet is None:
                        sheet, line = book.add_worksheet(), 1
                        sheet.write_row(0, 0, heads, bold)
                        sheet.freeze_panes(1, 2)
                        sheet.set_column(0, 1, 20)
                    sheet.write_string(line, 0, eui)
                    sheet.write_datetime(line, 1, datetime.fromtimestamp(time, _VIETNAM).replace(tzinfo=None))
                    for column, value in enumerate(rest, 2):
                        if value is not None:
                            sheet.write_number(line, column, value)
                    line += 1
            if sheet is None:
                book.add_worksheet().write_row(0, 0, heads, bold)
        file.seek(0)
        while block := file.read(_BLOCK):
            yield block


FORMATS: Final[dict[str, tuple[str, Callable[[Iterator[Piece]], Iterator[bytes]]]]] = {
    "csv": ("text/csv; charset=utf-8", as_csv),
    "parquet": ("application/vnd.apache.parquet", as_parquet),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", as_excel),
}
