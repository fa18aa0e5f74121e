"""MicroPython's own file: which chip it is for, which version it is, and whether it is one that somebody has vouched for.

Formats: ESP-IDF, "Firmware Image Format" (magic 0xE9, chip id at 12), and the banner that MicroPython carries. A file from the download page
begins with the boot loader and ends with the application; it goes to the flash at the boot loader's place.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioning.failure import Failure, WrongCall
from provisioning.image.layout import MIB, TABLE_AT, TABLE_SIZE
from provisioning.workspace import read_json, write_json

_MAGIC: Final = 0xE9
# chip id of the image header → esptool's name of the chip, first byte in flash
CHIPS: Final = {0: ("ESP32", 0x1000), 9: ("ESP32-S3", 0x0)}
OLDEST: Final = (1, 26, 0)
_BANNER: Final = re.compile(rb"v(\d+)\.(\d+)\.(\d+)[\w.-]* on \d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Firmware:
    """A firmware file; `offset` is where it goes, `table` the partition table in it."""

    path: Path
    content: bytes
    chip: str
    offset: int
    version: tuple[int, ...]
    sha256: str

    @property
    def table(self) -> bytes:
        """Return the partition table, as long as it may be."""
        return self.content[TABLE_AT - self.offset : TABLE_AT - self.offset + TABLE_SIZE]

    @property
    def flash_size(self) -> int:
        """Return the size that the header states, B; the boot loader refuses a partition table that goes beyond it."""
        return MIB << (self.content[3] >> 4)

    @property
    def in_place(self) -> bool:
        """Return whether this MicroPython was built with ROMFS, and so runs byte code where it lies in flash."""
        return b"VfsRom" in self.content and b"rom_ioctl" in self.content

    def with_table(self, table: bytes) -> bytes:
        """Return the file with another partition table."""
        at = TABLE_AT - self.offset
        return self.content[:at] + table + self.content[at + len(table) :]

    @property
    def version_text(self) -> str:
        """Return the version as people write it."""
        return ".".join(map(str, self.version))


def read(path: Path) -> Firmware:
    """Read a firmware file.

    Raises
    ------
    WrongCall
        if it cannot be read
    Failure
        if it is no image, for a chip that no node has, or older than `OLDEST`
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WrongCall("file_unreadable", file=path, problem=error.strerror or error) from None
    if len(content) < 24 or content[0] != _MAGIC:
        raise Failure("firmware_garbage", file=path)
    chip_id = struct.unpack_from("<H", content, 12)[0]
    if chip_id not in CHIPS:
        raise Failure("firmware_chip", file=path, chip=chip_id, known=", ".join(name for name, _ in CHIPS.values()))
    chip, offset = CHIPS[chip_id]
    banner = _BANNER.search(content)
    if banner is None:
        raise Failure("firmware_garbage", file=path)
    version = tuple(int(part) for part in banner.groups())
    if version < OLDEST:
        raise Failure("firmware_old", file=path, version=".".join(map(str, version)), oldest=".".join(map(str, OLDEST)))
    return Firmware(path, content, chip, offset, version, hashlib.sha256(content).hexdigest())


def check_pin(firmware: Firmware, pins: Path, *, given: str | None = None, trust: bool = False) -> None:
    """Refuse a file that nobody has vouched for.

    Parameters
    ----------
    pins : the workspace's list: sha256 → chip and version
    given : the sum that the caller expects, from the maker's page
    trust : enter the file in the list

    Raises
    ------
    Failure
        if the file has another sum, or is not in the list
    """
    if given is not None and given.lower() != firmware.sha256:
        raise Failure("firmware_sum", file=firmware.path, found=firmware.sha256, expected=given.lower())
    known = read_json(pins)
    if firmware.sha256 in known:
        return
    if given is None and not trust:
        raise Failure("firmware_unknown", file=firmware.path, sha256=firmware.sha256, version=firmware.version_text)
    known[firmware.sha256] = {"chip": firmware.chip, "version": firmware.version_text, "file": firmware.path.name}
    write_json(pins, known, 0o644)
