"""Stand-ins for MicroPython's firmware file: its headers, partition table and banner around noise; the real one cannot be had here."""

from __future__ import annotations

import random
import struct
from pathlib import Path

NVS = (1, 2, 0x9000, 0x6000, b"nvs")
STANDARD = (NVS, (0, 0, 0x10000, 0x1F0000, b"factory"))
OTA = (NVS, (0, 0x10, 0x10000, 0x180000, b"ota_0"), (0, 0x11, 0x190000, 0x180000, b"ota_1"))
ESP32, ESP32_S3, ESP32_C3 = 0, 9, 5


def table(entries: tuple[tuple[int, int, int, int, bytes], ...]) -> bytes:
    return b"".join(struct.pack("<2sBBII16sI", b"\xaa\x50", *entry, 0) for entry in entries)


def write(
    path: Path,
    *,
    chip: int = ESP32,
    version: str = "v1.26.1",
    entries: tuple[tuple[int, int, int, int, bytes], ...] = STANDARD,
    size: int = 120_000,
) -> Path:
    """Write a file; noise, because what compresses well makes too few blocks for a fault in the middle."""
    header = bytearray(24)
    header[0], header[1] = 0xE9, 3
    struct.pack_into("<H", header, 12, chip)
    content = bytearray(header + random.Random(1).randbytes(size - len(header)))
    at = 0x8000 - (0x1000 if chip == ESP32 else 0)
    content[at : at + 0xC00] = table(entries).ljust(0xC00, b"\xff")
    banner = f"MicroPython {version} on 2025-09-11; Generic ESP32 module with ESP32\0".encode()
    content[-len(banner) - 64 : -64] = banner
    path.write_bytes(content)
    return path
