"""MicroPython's ROMFS read in Python, for a MicroPython without it: the files of a program's half, through ``esp32.Partition``.

A user file system (MicroPython, "Working with filesystems"). Format: MicroPython, "ROMFS image format": records of kind, length (both in 7-bit
groups, the highest first) and payload; folders and files begin with their name, a file goes on with its data. Our images use no pointers to data.
"""

import gc
import io

from firmware.slots import BLOCK

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware.boundaries import Partition

_DATA, _FOLDER, _FILE = 2, 4, 5
_MAGIC = b"\xd2\xcd\x31"


class RomFiles:
    """The read-only files of the half ``a`` or ``b`` of a partition.

    Raises
    ------
    OSError
        ENODEV where there is no ROMFS image
    """

    def __init__(self, partition: "Partition", half: str) -> None:
        self._partition = partition
        blocks = partition.ioctl(4, 0) // 2
        self._first, self.size = blocks * BLOCK if half == "b" else 0, blocks * BLOCK
        if self.read(0, 3) != _MAGIC:
            raise OSError(19)
        self._files: "dict[str, tuple[int, int]]" = {}
        self._folders = [""]
        at, size = self._number(3)
        if at + size > self.size:
            raise OSError(19)
        self._walk(at, at + size, "")

    def read(self, at: int, size: int) -> bytes:
        """Return bytes of the half; they may cross blocks."""
        buffer = bytearray(min(size, self.size - at))
        view, done = memoryview(buffer), 0
        while done < len(buffer):
            place = self._first + at + done
            step = min(len(buffer) - done, BLOCK - place % BLOCK)
            self._partition.readblocks(place // BLOCK, view[done : done + step], place % BLOCK)
            done += step
        return bytes(buffer)

    def _number(self, at: int) -> "tuple[int, int]":
        """Return where a number ends, and the number."""
        value = 0
        for byte in self.read(at, 5):
            at, value = at + 1, value << 7 | byte & 0x7F
            if byte < 0x80:
                return at, value
        raise OSError(19)

    def _walk(self, at: int, end: int, path: str) -> None:
        while at < end:
            at, kind = self._number(at)
            at, size = self._number(at)
            if kind in (_FOLDER, _FILE):
                name_at, length = self._number(at)
                name = path + "/" + str(self.read(name_at, length), "utf-8")
                if kind == _FOLDER:
                    self._folders.append(name)
                    self._walk(name_at + length, at + size, name)
                else:
                    self._content(name_at + length, at + size, name)
            at += size

    def _content(self, at: int, end: int, name: str) -> None:
        while at < end:
            at, kind = self._number(at)
            at, size = self._number(at)
            if kind == _DATA:
                gc.collect()  # the entries stay for ever: they must not lie between what is forgotten at once
                self._files[name] = (at, size)
            at += size

    # -- what MicroPython asks of a file system -----------------------------------------------------------------------------------------

    def mount(self, readonly: bool, mkfs: bool) -> None:
        """Do nothing."""

    def umount(self) -> None:
        """Do nothing."""

    def chdir(self, path: str) -> None:
        """Do nothing."""

    def stat(self, path: str) -> "tuple[int, ...]":
        """Return type and size; ENOENT where there is none."""
        path = _clean(path)
        if path in self._files:
            return (0x8000, 0, 0, 0, 0, 0, self._files[path][1], 0, 0, 0)
        if path in self._folders:
            return (0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        raise OSError(2)

    def ilistdir(self, path: str) -> "Iterator[tuple[str, int, int]]":
        """Return an iterator over name, type, 0 of what lies in a folder."""
        inside = _clean(path) + "/"
        for kind, names in ((0x4000, self._folders), (0x8000, self._files)):
            for name in names:
                if name.startswith(inside) and len(name) > len(inside) and "/" not in name[len(inside) :]:
                    yield name[len(inside) :], kind, 0

    def open(self, path: str, mode: str) -> "RomFile":
        """Return a file to read its bytes; ENOENT where there is none, EROFS for writing."""
        if "w" in mode or "a" in mode or "+" in mode:
            raise OSError(30)
        found = self._files.get(_clean(path))
        if found is None:
            raise OSError(2)
        return RomFile(self, found[0], found[1])


def _clean(path: str) -> str:
    path = path.rstrip("/")
    return path if not path or path.startswith("/") else "/" + path


class RomFile(io.IOBase):
    """One file, from its beginning to its end."""

    def __init__(self, rom: RomFiles, at: int, size: int) -> None:
        self._rom, self._at, self._end = rom, at, at + size

    def readinto(self, buffer: "bytearray | memoryview") -> int:
        """Fill a buffer as far as the file goes; return how far."""
        found = self._rom.read(self._at, min(len(buffer), self._end - self._at))
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def ioctl(self, operation: int, argument: int) -> int:  # noqa: ARG002 (MicroPython's)
        """Answer close with success, the size of the reader's buffer with a larger one, all else with EINVAL."""
        return 0 if operation == 4 else 256 if operation == 11 else -22
