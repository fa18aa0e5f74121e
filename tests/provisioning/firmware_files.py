"""Stand-ins for MicroPython's firmware file: its headers, partition table and banner around noise; the real one cannot be had here."""

from __future__ import annotations

import random
import struct
from pathlib import Path

from provisioning.image.build import Image
from provisioning.image.layout import MIB, TABLE_AT, Partition, extended, write_table

# MicroPython's own tables: partitions-4MiB.csv, partitions-4MiB-ota.csv.
NVS = Partition(1, 2, 0x9000, 0x6000, b"nvs")
STANDARD = (NVS, Partition(1, 1, 0xF000, 0x1000, b"phy_init"), Partition(0, 0, 0x10000, 0x1F0000, b"factory"))
OTA = (
    Partition(1, 2, 0x9000, 0x4000, b"nvs"),
    Partition(1, 0, 0xD000, 0x2000, b"otadata"),
    Partition(1, 1, 0xF000, 0x1000, b"phy_init"),
    Partition(0, 0x10, 0x10000, 0x180000, b"ota_0"),
    Partition(0, 0x11, 0x190000, 0x180000, b"ota_1"),
)
ESP32, ESP32_S3, ESP32_C3 = 0, 9, 5
_STATED = {2 * MIB: 1, 4 * MIB: 2, 8 * MIB: 3, 16 * MIB: 4}


def flash(image: Image, entries: tuple[Partition, ...] = STANDARD) -> bytes:
    """Return a flash of 4 MiB as ``vuong node flash`` leaves it, but for MicroPython itself."""
    found, listed = extended(write_table(list(entries)), 4 * MIB)
    assert found == image.layout
    content = bytearray(b"\xff" * 4 * MIB)
    content[TABLE_AT : TABLE_AT + len(listed)] = listed
    content[found.rom :] = image.content
    return bytes(content)


def write(
    path: Path,
    *,
    chip: int = ESP32,
    version: str = "v1.26.1",
    entries: tuple[Partition, ...] = STANDARD,
    size: int = 120_000,
    stated: int = 4 * MIB,
    rom: bool = True,
) -> Path:
    """Write a file; noise, because what compresses well makes too few blocks for a fault in the middle.

    `stated` is the flash size in its header, `rom` whether it was built with ROMFS.
    """
    header = bytearray(24)
    header[0], header[1], header[3] = 0xE9, 3, _STATED[stated] << 4
    struct.pack_into("<H", header, 12, chip)
    content = bytearray(header + random.Random(1).randbytes(size - len(header)))
    at = 0x8000 - (0x1000 if chip == ESP32 else 0)
    content[at : at + 0xC00] = write_table(list(entries))
    banner = f"MicroPython {version} on 2025-09-11; Generic ESP32 module with ESP32\0".encode()
    banner += b"VfsRom\0rom_ioctl\0" if rom else b""
    content[-len(banner) - 64 : -64] = banner
    path.write_bytes(content)
    return path
