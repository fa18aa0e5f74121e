"""A fake: the serial side of an ESP32's ROM boot loader on a pty, for real esptool to talk to; there is no ESP32 on a test machine.

It speaks the documented protocol (Espressif, "Serial Protocol": SLIP frames, commands, sums), keeps the flash in memory, takes the stub for
loaded without running it, and misbehaves on demand. What it cannot show: a real chip's timing, its reset lines, its flash's own faults. Once the
flash was written and the port is opened again it does what a board does: it starts, in the real MicroPython, on the bytes it was given.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pty
import select
import struct
import subprocess
import tempfile
import threading
import time
import tty
import zlib
from pathlib import Path

from provisioning.image.layout import MIB
from tests.firmware.boards import ENVIRONMENT, command, stand_ins
from tests.provisioning.micropython import HEAP

# chip → the word at 0x40001000 by which esptool knows it; its registers for commands to the flash: command, second user register, data
CHIPS = {
    "ESP32": (0x00F01D83, 0x3FF42000, 0x3FF42024, 0x3FF42080),
    "ESP32-S2": (0x000007C6, 0x3F402000, 0x3F402020, 0x3F402058),
}
_MAGIC_AT = 0x40001000
# eFuse words of an ESP32 rev 3 with a MAC address, UART clock divider: what esptool reads when it connects.
_REGISTERS = {
    0x3FF5A004: 0xC4000001,
    0x3FF5A008: 0x0000240A,
    0x3FF5A00C: 0,
    0x3FF5A014: 0,
    0x3FF40014: 694,
    0x3FF6607C: 0,
    0x3FF5F06C: 0,
}
_JEDEC = {8 * MIB: 0x1740EF, 4 * MIB: 0x1640EF, 2 * MIB: 0x1540EF}  # what a Winbond W25Q64, W25Q32, W25Q16 says of itself
SYNC, READ_REG, WRITE_REG = 0x08, 0x0A, 0x09
MEM_BEGIN, MEM_END, MEM_DATA = 0x05, 0x06, 0x07
FLASH_BEGIN, FLASH_DATA, FLASH_END = 0x02, 0x03, 0x04
DEFLATE_BEGIN, DEFLATE_DATA, DEFLATE_END = 0x10, 0x11, 0x12
SPI_ATTACH, SPI_PARAMS, CHANGE_BAUD, MD5 = 0x0D, 0x0B, 0x0F, 0x13


class FakeRom:
    """One board.

    Parameters
    ----------
    chip : which word it shows
    flash_size : B
    silent : never answer
    corrupt_block : number of the data block in which one byte is written wrong
    silent_after_block : number of the data block after which it says nothing more
    unplug_after_block : number of the data block after which the cable is pulled
    """

    def __init__(
        self,
        *,
        chip: str = "ESP32",
        flash_size: int = 4 * MIB,
        silent: bool = False,
        corrupt_block: int | None = None,
        silent_after_block: int | None = None,
        unplug_after_block: int | None = None,
    ) -> None:
        self.flash = bytearray(b"\xff" * flash_size)
        self.blocks = 0
        self.commands: list[int] = []
        self.folder: Path | None = None  # of the board that starts after flashing
        self._silent, self._corrupt = silent, corrupt_block
        self._silent_after, self._unplug_after = silent_after_block, unplug_after_block
        magic, self._spi_command, self._spi_user2, self._spi_data = CHIPS[chip]
        self._registers = {**_REGISTERS, _MAGIC_AT: magic}
        self._stub = self._over = False
        self._sums = 0  # asked for; one a part, and there are two parts
        self._heard = time.monotonic()
        self._at, self._inflate = 0, zlib.decompressobj()
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        # A name of its own: the system gives the number of a terminal that was pulled out to the next one, which may be another test's.
        self._place = tempfile.TemporaryDirectory(prefix="board-")
        link = Path(self._place.name) / "ttyUSB0"
        link.symlink_to(os.ttyname(slave))
        self.port = str(link)
        os.close(slave)
        self._node: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over = True
        self._thread.join(5)
        self._place.cleanup()
        if self._node is not None:
            self._node.kill()
            self._node.wait()
        with contextlib.suppress(OSError):
            os.close(self._master)

    # -- the line -----------------------------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        frame: bytearray | None = None
        closed = True
        while not self._over:
            events = dict(poll.poll(50)).get(self._master, 0)
            if events & select.POLLHUP and not events & select.POLLIN:
                closed, frame = True, None
                time.sleep(0.01)
                continue
            # The port was closed after writing and is open again (or that went too fast to be seen): the board was restarted.
            if self._sums >= 2 and (closed or time.monotonic() > self._heard + 2):
                self._start()
                return
            closed = False
            if not events & select.POLLIN:
                continue
            self._heard = time.monotonic()
            try:
                data = os.read(self._master, 65536)
            except OSError:
                continue
            for byte in data:
                if byte != 0xC0:
                    if frame is not None:
                        frame.append(byte)
                elif frame:
                    try:
                        self._handle(bytes(frame).replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb"))
                    except OSError:
                        return  # unplugged
                    frame = None
                else:
                    frame = bytearray()

    def _start(self) -> None:
        if self.folder is None:
            return
        time.sleep(0.3)
        file = self.folder / "flash.bin"
        file.write_bytes(self.flash)
        stand_ins(self.folder)
        self._node = subprocess.Popen(
            command(file, self.folder, HEAP),
            stdin=subprocess.DEVNULL,
            stdout=self._master,
            stderr=self._master,
            env=ENVIRONMENT,
            cwd=self.folder,
        )

    def _send(self, packet: bytes) -> None:
        os.write(self._master, b"\xc0" + packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0")

    def _reply(self, command: int, value: int = 0, data: bytes = b"", error: int = 0) -> None:
        if self._silent:
            return
        status = bytes([1 if error else 0, error]) + (b"" if self._stub else b"\0\0")
        self._send(struct.pack("<BBHI", 1, command, len(data) + len(status), value) + data + status)

    # -- the commands -------------------------------------------------------------------------------------------------------------------

    def _handle(self, packet: bytes) -> None:
        if len(packet) < 8 or packet[0] != 0 or self._silent:
            return
        _, command, _, check = struct.unpack_from("<BBHI", packet)
        data = packet[8:]
        self.commands.append(command)
        if command == SYNC:
            for _ in range(1 if self._stub else 8):
                self._reply(SYNC, 0 if self._stub else 0x20120707)
        elif command == READ_REG:
            self._reply(command, self._registers.get(struct.unpack_from("<I", data)[0], 0))
        elif command == WRITE_REG:
            self._write_register(*struct.unpack_from("<II", data))
            self._reply(command)
        elif command == MEM_END:
            self._reply(command)
            if struct.unpack_from("<I", data)[0] == 0 and not self._silent:
                self._stub = True
                self._send(b"OHAI")
        elif command in {FLASH_BEGIN, DEFLATE_BEGIN}:
            size, _, _, self._at = struct.unpack_from("<IIII", data)
            self._inflate = zlib.decompressobj()
            end = -(-(self._at + size) // 4096) * 4096
            self.flash[self._at : end] = b"\xff" * (end - self._at)
            self._reply(command)
        elif command in {FLASH_DATA, DEFLATE_DATA}:
            self._block(command, data[16:], check)
        elif command == MD5:
            at, size = struct.unpack_from("<II", data)
            digest = hashlib.md5(bytes(self.flash[at : at + size]))
            self._reply(command, data=digest.digest() if self._stub else digest.hexdigest().encode())
            self._sums += 1
        elif command in {MEM_BEGIN, MEM_DATA, FLASH_END, DEFLATE_END, SPI_ATTACH, SPI_PARAMS, CHANGE_BAUD}:
            self._reply(command)
        else:
            self._reply(command, error=5)

    def _write_register(self, register: int, value: int) -> None:
        if register == self._spi_command and value & (1 << 18):  # a command to the flash chip itself
            asked = self._registers.get(self._spi_user2, 0) & 0xFF
            self._registers[self._spi_data] = _JEDEC[len(self.flash)] if asked == 0x9F else 0
            value = 0
        self._registers[register] = value

    def _block(self, command: int, content: bytes, check: int) -> None:
        total = 0xEF
        for byte in content:
            total ^= byte
        if total != check & 0xFF:
            self._reply(command, error=7)
            return
        self.blocks += 1
        data = bytearray(content if command == FLASH_DATA else self._inflate.decompress(content))
        if self.blocks == self._corrupt:
            data[len(data) // 2] ^= 0x01
        self.flash[self._at : self._at + len(data)] = data
        self._at += len(data)
        if self._unplug_after is not None and self.blocks >= self._unplug_after:
            Path(self.port).unlink()
            os.close(self._master)
            raise OSError("unplugged")
        if self._silent_after is not None and self.blocks >= self._silent_after:
            self._silent = True
        self._reply(command)
