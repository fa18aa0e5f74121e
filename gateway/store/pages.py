"""Rows straight from the pages of a database file whose upper levels are damaged (sqlite.org/fileformat2.html)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PAGE: Final = 4096  # SQLite's default, and ours
_LEAF: Final = 13
_WAL_HEADER, _FRAME_HEADER = 32, 24
_SIZES: Final = (0, 1, 2, 3, 4, 6, 8)

Row = tuple[int, list[object]]  # rowid, columns


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for count in range(9):
        byte = data[at + count]
        if count == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 127
        if byte < 128:
            return value, at + count + 1
    raise AssertionError


def _column(kind: int, data: bytes, at: int) -> tuple[object, int]:
    if kind == 0:
        return None, at
    if kind < 7:
        size = _SIZES[kind]
        return int.from_bytes(data[at : at + size], "big", signed=True), at + size
    if kind == 7:
        return struct.unpack_from(">d", data, at)[0], at + 8
    if kind < 10:
        return kind - 8, at
    if kind < 12:
        raise ValueError("a kind that is not in use")
    size = (kind - 12) // 2
    if at + size > len(data):
        raise ValueError("runs over the page")
    content = data[at : at + size]
    return (content.decode() if kind % 2 else content), at + size


def _cell(page: bytes, at: int) -> Row:
    size, at = _varint(page, at)
    rowid, at = _varint(page, at)
    if size > PAGE - 35:
        raise ValueError("goes on in other pages")
    record = page[at : at + size]
    header, place = _varint(record, 0)
    kinds, columns = [], []
    while place < header:
        kind, place = _varint(record, place)
        kinds.append(kind)
    for kind in kinds:
        value, place = _column(kind, record, place)
        columns.append(value)
    return rowid, columns


def _rows_of(page: bytes, start: int = 0) -> Iterator[Row]:
    if page[start] != _LEAF:
        return
    (cells,) = struct.unpack_from(">H", page, start + 3)
    for number in range(min(cells, PAGE // 4)):
        try:
            (at,) = struct.unpack_from(">H", page, start + 8 + 2 * number)
            yield _cell(page, at)
        except (ValueError, IndexError, struct.error, UnicodeDecodeError):
            continue  # a cell that was written over; its neighbours may be whole


def _log(path: Path) -> dict[int, bytes]:
    """Return the newest committed version of each page in the write-ahead log."""
    try:
        data = path.read_bytes()
    except OSError:
        return {}
    pages: dict[int, bytes] = {}
    waiting: dict[int, bytes] = {}
    salts = data[16:24]
    for at in range(_WAL_HEADER, len(data) - _FRAME_HEADER - PAGE + 1, _FRAME_HEADER + PAGE):
        number, size = struct.unpack_from(">II", data, at)
        if data[at + 8 : at + 16] != salts:
            break  # left over from before the log was begun anew
        waiting[number] = data[at + _FRAME_HEADER : at + _FRAME_HEADER + PAGE]
        if size:
            pages |= waiting
            waiting = {}
    return pages


def rows(path: Path) -> Iterator[Row]:
    """Yield every row of every table that can be read, whatever table it is of; what was deleted may be among them.

    Parameters
    ----------
    path : the database file; its log lies beside it
    """
    log = _log(path.with_name(path.name + "-wal"))
    with path.open("rb") as file:
        number = 0
        while page := file.read(PAGE):
            number += 1
            if len(page) == PAGE and number not in log:
                yield from _rows_of(page, 100 if number == 1 else 0)
    for number, page in log.items():
        yield from _rows_of(page, 100 if number == 1 else 0)
