# ruff: noqa - runs under MicroPython only
"""Runs under MicroPython: starts a board on a flash that is a file (`board/reset.py`); where its program ends, its prompt is served if it has one.

usage: start.py FLASH FOLDER [prompt|only-prompt]    FOLDER: holds board.romfs (`boards.py`) and what else a board keeps
"""

import sys

import ffi
import os
import uctypes
import vfs


def mount(path):
    """Map the stand-ins for what is C code on a board, so that their byte code is not in the heap either."""
    library = ffi.open("libc.so.6")
    size = os.stat(path)[6]
    address = library.func("P", "mmap", "PLiiil")(0, size, 1, 2, library.func("i", "open", "si")(path, 0), 0)
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(address, size)), "/board")


mount(sys.argv[2] + "/board.romfs")
del mount, ffi, uctypes, vfs
sys.path.insert(0, "/board")
import reset

reset.power_on(sys.argv[1], sys.argv[2])
if len(sys.argv) < 4 or sys.argv[3] == "prompt":
    reset.run()
if len(sys.argv) > 3:
    import raw_repl

    raw_repl.forever()
