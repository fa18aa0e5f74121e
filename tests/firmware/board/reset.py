# ruff: noqa - runs under MicroPython only, and stands in for what a board does between its reset and the prompt
"""From the reset of a board to its prompt, on a flash that is a file: what MicroPython's port for the ESP32 does in C, and in its ``_boot.py``.

The file is mapped into memory, as the ESP32 maps its flash, so that byte code in it is executed in place and is not in the heap. Debian's MicroPython for
Unix has ``vfs.VfsRom`` but no ``vfs.rom_ioctl``; it is put in here. An interpreter without ROMFS, as those offered for the ESP32 are, is had by leaving out
both.
"""

import gc
import os
import sys
import vfs as _vfs


def mapped(path: str):
    """Return a host's file as memory that can be written."""
    import ffi
    import uctypes

    library = ffi.open("libc.so.6")
    size = os.stat(path)[6]
    address = library.func("P", "mmap", "PLiiil")(0, size, 3, 1, library.func("i", "open", "si")(path, 2), 0)
    for name in ("ffi", "uctypes"):
        sys.modules.pop(name, None)
    return uctypes.bytearray_at(address, size)


class Vfs:
    """The board's module ``vfs``."""

    def __init__(self, rom: bool) -> None:
        for name in ("mount", "umount", "VfsLfs2", "VfsFat") + (("VfsRom",) if rom else ()):
            setattr(self, name, getattr(_vfs, name))
        if rom:
            self.rom_ioctl = _rom_ioctl


def _rom_ioctl(operation: int, segment: int = 0):
    """Operations 1 (how many) and 2 (which): the partition named ``romfs``; the others are not used."""
    from esp32 import Partition

    found = Partition.find(Partition.TYPE_DATA, label="romfs")
    if operation == 1:
        return len(found)
    if operation != 2 or segment or not found:
        return -22
    return memoryview(Partition.flash.memory)[found[0].offset : found[0].offset + found[0].size]


def power_on(path: str, folder: str) -> None:
    """Make the board: the flash in the file `path`, its other state in `folder`, from here on ``/host``."""
    import asyncio  # a board has it too

    gc.collect()
    before = gc.mem_alloc()
    host, memory = _vfs.VfsPosix(folder), mapped(path)
    _vfs.umount("/")
    _vfs.mount(host, "/host")
    import esp32
    import machine
    import network

    esp32.Partition.flash = esp32.Flash(memory)
    vfs = sys.modules["vfs"] = Vfs("no_rom" not in os.listdir("/host"))
    gc.collect()
    stand_ins = gc.mem_alloc() - before  # on a board they are C code
    sys.path[:] = ["", ".frozen", "/board"]
    if hasattr(vfs, "rom_ioctl"):
        try:
            vfs.mount(vfs.VfsRom(vfs.rom_ioctl(2, 0)), "/rom")
            sys.path += ["/rom", "/rom/lib"]
        except (OSError, TypeError):
            pass  # MicroPython goes on without it
    sys.path.append("/lib")
    vfs.mount(esp32.Partition.find(esp32.Partition.TYPE_DATA, label="vfs")[0], "/")
    os.chdir("/")
    print("stand-ins", stand_ins)


def run() -> None:
    """Run the start-up files as a board does; what they raise is shown, and they are over."""
    for name in ("boot.py", "main.py"):
        try:
            os.stat(name)
        except OSError:
            continue
        try:
            execfile(name, {"__name__": "__main__"})
        except KeyboardInterrupt:
            return
        except Exception as error:
            sys.print_exception(error)
