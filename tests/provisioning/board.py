# ruff: noqa: ANN001, ANN201, ANN204, PTH123, SIM115 - MicroPython
"""Runs under MicroPython: a board whose flash is a file. It mounts the file system, then does what a board does after a reset.

usage: board.py FLASH OFFSET SIZE [FAKES]    FAKES: folder with the stand-ins for ``machine``, ``network``, ``esp32`` (tests/firmware/board)
"""

import os
import sys

import vfs


class Flash:
    """A block device on a file, from `offset` on."""

    def __init__(self, path, offset, size):
        self._file, self._offset, self._blocks = open(path, "r+b"), offset, size // 4096

    def readblocks(self, block, buffer, offset=0):
        self._file.seek(self._offset + block * 4096 + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        self._file.seek(self._offset + block * 4096 + offset)
        self._file.write(buffer)

    def ioctl(self, op, _argument):
        if op == 3:
            self._file.flush()
        return {4: self._blocks, 5: 4096, 6: 0}.get(op)


def mount(path, offset, size, fakes):
    """Put the flash where a board has it, and the stand-ins for what is built into its interpreter at ``/host``."""
    flash = Flash(path, offset, size)
    vfs.umount("/")
    vfs.mount(vfs.VfsLfs2(flash), "/")
    sys.path[:] = ["", ".frozen", "/lib"]
    if fakes:
        vfs.mount(vfs.VfsPosix(fakes), "/host")
        sys.path.append("/host")
    os.chdir("/")


def start(names):
    """Run the board's start-up files one after the other."""
    for name in names:
        try:
            with open(name) as file:
                source = file.read()
        except OSError:
            continue
        try:
            exec(source, {"__name__": "__main__"})
        except SystemExit:
            pass
        except Exception as error:  # noqa: BLE001 - as the board's own start-up does
            sys.print_exception(error)


if __name__ == "__main__":
    mount(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else None)
    start(("boot.py", "main.py"))
