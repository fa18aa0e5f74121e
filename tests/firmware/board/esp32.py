# ruff: noqa - runs under MicroPython only, and stands in for a C module
"""Stands in for the ESP32's ``esp32``: the other app partition is a file, and the boot loader's choice another."""

import os

_BOARD = os.getenv("BOARD")


class Partition:
    RUNNING = 1

    def __init__(self, which: int) -> None:
        pass

    def get_next_update(self) -> "Partition":
        return self

    def ioctl(self, operation: int, block: int) -> int:
        return 64 if operation == 4 else 0

    def _open(self):
        try:
            return open(_BOARD + "/ota.bin", "r+b")
        except OSError:
            return open(_BOARD + "/ota.bin", "w+b")

    def readblocks(self, block: int, buffer: bytearray, offset: int) -> None:
        with self._open() as file:
            file.seek(block * 4096 + offset)
            file.readinto(buffer)

    def writeblocks(self, block: int, data: bytes, offset: int) -> None:
        with self._open() as file:
            file.seek(block * 4096 + offset)
            file.write(data)

    def set_boot(self) -> None:
        with open(_BOARD + "/pending", "w") as file:
            file.write("1")

    @staticmethod
    def mark_app_valid_cancel_rollback() -> None:
        try:
            os.remove(_BOARD + "/pending")
        except OSError:
            pass
