# ruff: noqa: BLE001, E402, F401, PTH116, T201 - MicroPython has no pathlib, and standard output is how the test sees it
"""Runs under MicroPython: starts the node from images that are executed in place, as code in a board's flash is.

The images are MicroPython's own ROMFS, mapped into memory: their byte code is not in the heap. Arguments: the node's image, that of the board's
modules (C code on a board), ``config.json``.
"""

import os
import sys

import vfs


def mount(path: str, where: str) -> None:
    """Map an image and put it on the path."""
    import ffi
    import uctypes

    library = ffi.open("libc.so.6")
    file = library.func("i", "open", "si")(path, 0)
    address = library.func("P", "mmap", "PLiiil")(0, os.stat(path)[6], 1, 2, file, 0)
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(address, os.stat(path)[6])), where)
    sys.path.insert(0, where)


mount(sys.argv[2], "/board")
mount(sys.argv[1], "/node")
del mount
config = sys.argv[3]
for name in ("ffi", "uctypes", "vfs"):
    sys.modules.pop(name, None)
import asyncio
import gc

gc.collect()
before = gc.mem_alloc()
import esp32
import machine
import network

gc.collect()
print("stand-ins", gc.mem_alloc() - before)  # on a board they are C code

try:
    import firmware.main

    firmware.main.run(config)
except Exception as error:
    print("panic", repr(error))
    machine.reset()  # what the board does after a panic
