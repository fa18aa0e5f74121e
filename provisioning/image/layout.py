"""Where a board's program and its file system lie: MicroPython's own partition table, and two entries more.

From 1.26 on MicroPython's files for the ESP32 list no file system: it takes what lies behind the last application partition, up to the end of the
flash, without an entry. Here that room is listed: ``romfs``, which MicroPython looks for by this label (two halves, `firmware.slots`), and ``vfs``.
Format of the table: ESP-IDF, "Partition Tables": at 0x8000, 32 bytes an entry, magic 0x50AA; behind the last one an entry with magic 0xEBEB and the
MD5 sum of all others. The boot loader refuses a table that goes beyond the flash size that its own header states.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from provisioning.failure import Failure

BLOCK: Final = 4096
MIB: Final = 1024 * 1024
TABLE_AT: Final = 0x8000
TABLE_SIZE: Final = 0xC00
# Two of these are the partition ``romfs``.
HALF: Final = 128 * 1024
# 30 days at 15 min are 64 blocks of readings (hardware/wear.py prints it); the rest is for LittleFS, identity and settings.
LEAST: Final = 96 * BLOCK
_ALIGNED: Final = 64 * 1024  # the memory unit maps flash in pages of this size
_ENTRY: Final = struct.Struct("<2sBBII16sI")
_MAGIC, _MD5_MAGIC = b"\xaa\x50", b"\xeb\xeb" + b"\xff" * 14
_APP, _DATA = 0, 1
_FAT, _ROMFS = 0x81, 0x8F  # subtypes as in MicroPython's own tables


@dataclass(frozen=True, slots=True)
class Layout:
    """Name of the layout, first byte of ``romfs`` in flash, and of ``vfs``, which follows it, with its size in bytes."""

    name: str
    rom: int
    offset: int
    size: int

    @property
    def blocks(self) -> int:
        """Return the blocks of 4096 B of the file system."""
        return self.size // BLOCK


class Partition(NamedTuple):
    """An entry of the table; `offset` and `size` in bytes."""

    kind: int
    subtype: int
    offset: int
    size: int
    label: bytes
    flags: int = 0

    @property
    def end(self) -> int:
        """Return the first byte behind it."""
        return self.offset + self.size


ROMS: Final = {"standard": 0x200000, "ota": 0x310000}
FLASH_SIZES: Final = (4 * MIB, 8 * MIB, 16 * MIB)


def _layout(name: str, rom: int, flash_size: int) -> Layout:
    return Layout(name, rom, rom + 2 * HALF, flash_size - rom - 2 * HALF)


def known(name: str, flash_size: int) -> Layout:
    """Return a known layout on a flash of `flash_size` bytes."""
    return _layout(name, ROMS[name], flash_size)


def read_table(table: bytes) -> list[Partition]:
    """Return the entries of a partition table; empty where there is none.

    Raises
    ------
    Failure
        ``table_broken`` where its MD5 sum is wrong
    """
    found: list[Partition] = []
    for at in range(0, min(len(table), TABLE_SIZE) - _ENTRY.size + 1, _ENTRY.size):
        magic, kind, subtype, offset, size, label, flags = _ENTRY.unpack_from(table, at)
        if table[at : at + 16] == _MD5_MAGIC and table[at + 16 : at + 32] != hashlib.md5(table[:at]).digest():  # noqa: S324 (ESP-IDF's)
            raise Failure("table_broken", problem="MD5")
        if magic != _MAGIC:
            break
        found.append(Partition(kind, subtype, offset, size, label.rstrip(b"\0"), flags))
    return found


def write_table(entries: list[Partition]) -> bytes:
    """Return a partition table of `TABLE_SIZE` bytes.

    Raises
    ------
    Failure
        ``table_broken`` where there are too many entries
    """
    listed = b"".join(_ENTRY.pack(_MAGIC, *entry) for entry in entries)
    if len(listed) + _ENTRY.size > TABLE_SIZE:
        raise Failure("table_broken", problem=f"{len(entries)} > {TABLE_SIZE // _ENTRY.size - 1}")
    return (listed + _MD5_MAGIC + hashlib.md5(listed).digest()).ljust(TABLE_SIZE, b"\xff")  # noqa: S324 (as above)


def extended(table: bytes, flash_size: int) -> tuple[Layout, bytes]:
    """Return the layout that a partition table leaves room for, and the table with ``romfs`` and ``vfs`` behind its own entries.

    Parameters
    ----------
    table : bytes of the firmware that go to 0x8000
    flash_size : of the board, and at most what the firmware's header states, B

    Raises
    ------
    Failure
        ``table`` where there is no application or too little room behind it, ``table_listed`` where the firmware brings a file system of its own,
        ``table_broken`` where the MD5 sum is wrong or entries overlap
    """
    entries = read_table(table)
    for entry in entries:
        if entry.label in {b"vfs", b"ffat", b"romfs"}:
            raise Failure("table_listed", label=entry.label.decode())
    ordered = sorted(entries, key=lambda entry: entry.offset)
    for before, after in pairwise(ordered):
        if after.offset < before.end:
            raise Failure("table_broken", problem=f"{before.label.decode()} / {after.label.decode()}")
    if not any(entry.kind == _APP for entry in entries):
        raise Failure("table", size=flash_size // MIB)
    rom = -(-ordered[-1].end // _ALIGNED) * _ALIGNED
    name = "ota" if any(entry.kind == _APP and 0x10 <= entry.subtype < 0x20 for entry in entries) else "standard"
    layout = _layout(name if ROMS[name] == rom else "own", rom, flash_size // BLOCK * BLOCK)
    if layout.size < LEAST:
        raise Failure("table", size=flash_size // MIB)
    listed = [
        *entries,
        Partition(_DATA, _ROMFS, layout.rom, 2 * HALF, b"romfs"),
        Partition(_DATA, _FAT, layout.offset, layout.size, b"vfs"),
    ]
    return layout, write_table(listed)
