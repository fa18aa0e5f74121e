# ruff: noqa - runs under MicroPython and CPython, and stands in for a C module
"""Stands in for the ESP32's ``esp32``: two app partitions and the boot loader that chooses between them. The one fake of over-the-air updates.

As ESP-IDF documents it (Over The Air Updates, "App rollback", CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE): `set_boot` makes an image NEW; the loader starts
a NEW image as PENDING_VERIFY; one that is still PENDING_VERIFY at the next start becomes ABORTED, and the other is started; only
`mark_app_valid_cancel_rollback` makes it VALID. An image that is not sound is refused by `set_boot`. NOR flash clears bits; an erase sets them.
"""

import json
import os

BLOCK = 4096
BLOCKS = 32
NEW, PENDING, VALID, ABORTED, EMPTY = "new", "pending", "valid", "aborted", "empty"


class PowerCut(Exception):
    pass


class Loader:
    """The flash and the boot loader of one board, in a folder; `cut_at` is the operation in whose middle the power goes."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.operations, self.cut_at, self.powered = 0, None, True

    def image(self, slot: int) -> str:
        return self.folder + "/ota_" + str(slot)

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
        self.powered = True
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

    def program(self, slot: int, at: int, data: bytes, erase: bool) -> None:
        if not self.powered:
            raise PowerCut("the power is off")
        whole = self.cut_at is None or self.operations < self.cut_at
        data = data if whole else data[: len(data) // 2]
        try:
            file = open(self.image(slot), "r+b")
        except OSError:
            file = open(self.image(slot), "w+b")
        with file:
            file.seek(at)
            if not erase:
                old = file.read(len(data))
                old = old + b"\xff" * (len(data) - len(old))
                data = bytes([data[i] & old[i] for i in range(len(data))])
                file.seek(at)
            file.write(data)
        self.operations += 1
        if not whole:
            self.powered = False
            raise PowerCut("power cut")


class Partition:
    RUNNING = 1
    loader = Loader(os.getenv("BOARD") or "")

    def __init__(self, which: int, slot: "int | None" = None) -> None:
        self.slot = self.loader.state()["running"] if slot is None else slot

    def get_next_update(self) -> "Partition":
        return Partition(0, 1 - self.slot)

    def ioctl(self, operation: int, block: int) -> int:
        if operation == 6:
            self.loader.program(self.slot, block * BLOCK, b"\xff" * BLOCK, True)
        return BLOCKS if operation == 4 else 0

    def readblocks(self, block: int, buffer: bytearray, offset: int = 0) -> None:
        try:
            with open(self.loader.image(self.slot), "rb") as file:
                file.seek(block * BLOCK + offset)
                found = file.read(len(buffer))
        except OSError:
            found = b""  # never written
        buffer[:] = found + b"\xff" * (len(buffer) - len(found))

    def writeblocks(self, block: int, data: bytes, offset: int = 0) -> None:
        self.loader.program(self.slot, block * BLOCK + offset, bytes(data), False)

    def set_boot(self) -> None:
        head = bytearray(3)
        self.readblocks(0, head)
        if head == b"\xff\xff\xff":
            raise OSError(-0x1503, "ESP_ERR_OTA_VALIDATE_FAILED")
        state = self.loader.state()
        state["boot"], state["states"][self.slot] = self.slot, NEW
        self.loader.save(state)

    @classmethod
    def mark_app_valid_cancel_rollback(cls) -> None:
        state = cls.loader.state()
        if state["states"][state["running"]] != VALID:
            state["states"][state["running"]] = VALID
            cls.loader.save(state)
