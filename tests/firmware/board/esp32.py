# ruff: noqa - runs under MicroPython and CPython, and stands in for a C module
"""Stands in for the ESP32's ``esp32``: the flash with the partitions that its own table lists, and the boot loader. The one fake of both.

The flash is memory that the caller gives, a file mapped by `reset.py` or a test's bytes; NOR flash clears bits; an erase sets them.

The boot loader as ESP-IDF documents it (Over The Air Updates, "App rollback", CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE): `set_boot` makes an image NEW; the
loader starts a NEW image as PENDING_VERIFY; one that is still PENDING_VERIFY at the next start becomes ABORTED, and the other is started; only
`mark_app_valid_cancel_rollback` makes it VALID. An image that is not sound is refused by `set_boot`.
"""

import json
import os
import struct

BLOCK = 4096
_TABLE = 0x8000
NEW, PENDING, VALID, ABORTED, EMPTY = "new", "pending", "valid", "aborted", "empty"


class PowerCut(Exception):
    pass


class Flash:
    """`cut_at` is the operation in whose middle the power goes."""

    def __init__(self, memory) -> None:
        self.memory = memory
        self.operations, self.cut_at, self.powered = 0, None, True

    def program(self, at: int, data) -> None:
        """Clear bits; erase a block where there is no data."""
        if not self.powered:
            raise PowerCut("the power is off")
        whole = self.cut_at is None or self.operations < self.cut_at
        size = BLOCK if data is None else len(data)
        end = at + (size if whole else size // 2)
        memory, begin = memoryview(self.memory), at
        while at < end:
            step = min(len(_ERASED), end - at)
            if data is None:
                memory[at : at + step] = _ERASED[:step]
            elif memory[at : at + step] == _ERASED[:step]:
                memory[at : at + step] = memoryview(data)[at - begin : at - begin + step]
            else:
                for i in range(at, at + step):
                    memory[i] &= data[i - begin]
            at += step
        self.operations += 1
        if not whole:
            self.powered = False
            raise PowerCut("power cut")


_ERASED = memoryview(b"\xff" * 256)


class Loader:
    """The boot loader of one board; its ``otadata`` is a file in a folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def state(self) -> dict:
        try:
            with open(self.folder + "/otadata") as file:
                return json.load(file)
        except OSError:
            return {"boot": 0, "running": 0, "states": [VALID, EMPTY]}

    def save(self, state: dict) -> None:
        with open(self.folder + "/otadata", "w") as file:
            file.write(json.dumps(state))

    def start(self) -> int:
        """Return the slot that the boot loader starts."""
        state = self.state()
        slot, states = state["boot"], state["states"]
        if states[slot] == NEW:
            states[slot] = PENDING
        elif states[slot] != VALID:
            states[slot] = ABORTED
            slot = state["boot"] = 1 - slot
        state["running"] = slot
        self.save(state)
        return slot


class Partition:
    TYPE_APP, TYPE_DATA, RUNNING = 0, 1, 1
    flash = None
    loader = Loader(os.getenv("BOARD") or "")

    def __init__(self, which) -> None:
        """An entry of the table, or a number for the running one."""
        if which == self.RUNNING:
            which = self._app(self.loader.state()["running"])
        _, _, self.offset, self.size, self.label, _ = self._info = which

    @classmethod
    def _table(cls):
        memory = memoryview(cls.flash.memory)
        for at in range(_TABLE, _TABLE + 0xC00, 32):
            if bytes(memory[at : at + 2]) != b"\xaa\x50":
                return
            kind, subtype, offset, size, label, _ = struct.unpack("<BBII16sI", memory[at + 2 : at + 32])
            yield kind, subtype, offset, size, label.rstrip(b"\x00").decode(), False

    @classmethod
    def find(cls, type: int = 0, subtype: int = 0xFF, label=None) -> list:
        return [
            cls(entry) for entry in cls._table() if entry[0] == type and subtype in (0xFF, entry[1]) and label in (None, entry[4])
        ]

    @classmethod
    def _app(cls, slot: int):
        apps = [entry for entry in cls._table() if entry[0] == 0]
        return apps[slot]

    def info(self):
        return self._info

    def get_next_update(self) -> "Partition":
        return Partition(self._app(1 - (self._info[1] & 1)))

    def ioctl(self, operation: int, block: int) -> int:
        if operation == 6:
            self.flash.program(self.offset + block * BLOCK, None)
        return {4: self.size // BLOCK, 5: BLOCK}.get(operation, 0)

    def readblocks(self, block: int, buffer, offset: int = 0) -> None:
        at = self.offset + block * BLOCK + offset
        buffer[:] = memoryview(self.flash.memory)[at : at + len(buffer)]

    def writeblocks(self, block: int, data: bytes, offset=None) -> None:
        if offset is None:
            for i in range(0, len(data), BLOCK):
                self.ioctl(6, block + i // BLOCK)
        at = self.offset + block * BLOCK + (offset or 0)
        if at + len(data) > self.offset + self.size:
            raise OSError(-0x104, "ESP_ERR_INVALID_SIZE")
        self.flash.program(at, data)

    def set_boot(self) -> None:
        head = bytearray(3)
        self.readblocks(0, head)
        if head == b"\xff\xff\xff":
            raise OSError(-0x1503, "ESP_ERR_OTA_VALIDATE_FAILED")
        state, slot = self.loader.state(), self._info[1] & 1
        state["boot"], state["states"][slot] = slot, NEW
        self.loader.save(state)

    @classmethod
    def mark_app_valid_cancel_rollback(cls) -> None:
        if not any(entry[0] == 1 and entry[1] == 0 for entry in cls._table()):
            raise OSError(-0x105, "ESP_ERR_NOT_FOUND")  # no otadata: there is no second application
        state = cls.loader.state()
        if state["states"][state["running"]] != VALID:
            state["states"][state["running"]] = VALID
            cls.loader.save(state)
