"""Where a board's file system lies: read from the firmware file's own partition table, or from the table of known layouts.

MicroPython from 1.26 on registers its file system behind the last application partition, up to the end of the flash, without an entry in the
partition table; older ones list it as ``vfs``. Format of the table: ESP-IDF, "Partition Tables" (magic 0x50AA, 32 bytes an entry, at 0x8000).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

BLOCK: Final = 4096
MIB: Final = 1024 * 1024
TABLE_AT: Final = 0x8000
_ENTRY: Final = struct.Struct("<2sBBII16sI")
_APP, _DATA = 0, 1


@dataclass(frozen=True, slots=True)
class Layout:
    """A file system in flash: name of the layout, first byte and bytes."""

    name: str
    offset: int
    size: int

    @property
    def blocks(self) -> int:
        """Return the blocks of 4096 B."""
        return self.size // BLOCK


OFFSETS: Final = {"standard": 0x200000, "ota": 0x310000}
FLASH_SIZES: Final = (4 * MIB, 8 * MIB, 16 * MIB)


def known(name: str, flash_size: int) -> Layout:
    """Return the file system of a known layout on a flash of `flash_size` bytes."""
    return Layout(name, OFFSETS[name], flash_size - OFFSETS[name])


def read_table(table: bytes, flash_size: int) -> Layout | None:
    """Return the file system that a partition table leaves room for.

    Parameters
    ----------
    table : bytes of the firmware that go to 0x8000
    flash_size : of the board, B

    Returns
    -------
    The layout, ``None`` where there is no table or no room.
    """
    end, name = 0, "standard"
    for at in range(0, min(len(table), 0xC00) - _ENTRY.size + 1, _ENTRY.size):
        magic, kind, subtype, offset, size, label, _ = _ENTRY.unpack_from(table, at)
        if magic != b"\xaa\x50":
            break
        if kind == _DATA and label.rstrip(b"\0") in {b"vfs", b"ffat"}:
            return Layout("listed", offset, size)
        if kind == _APP:
            end = max(end, offset + size)
            if 0x10 <= subtype < 0x20:
                name = "ota"
    if not end or end + 2 * BLOCK > flash_size:
        return None
    offset = -(-end // BLOCK) * BLOCK
    return Layout(name if OFFSETS.get(name) == offset else "own", offset, flash_size - offset)
