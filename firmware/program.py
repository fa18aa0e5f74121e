"""The start of the program out of its half of the flash (`firmware.slots`), for ``boot.py``. Lies beside it in LittleFS and is never updated.

Where MicroPython was built with ROMFS (``MICROPY_VFS_ROM``), the half is mounted as it lies in flash and its byte code runs in place. The builds that
are offered for download for the ESP32 lack it: there `firmware.romfs` reads the same image, and the byte code lies in the heap.
"""

import sys

from firmware import slots

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.boundaries import Module

PATH = "/program"


def start(root: str, counted: bool = True) -> str:
    """Mount the half to run and put it first on the path; return it.

    Parameters
    ----------
    root : folder that holds the state of the halves
    counted : whether this start is one of an update's trials

    Raises
    ------
    OSError
        if neither half can be mounted
    """
    half = slots.choose(root) if counted else slots.active(root)
    try:
        _mount(half)
    except OSError:
        _mount(slots.other(half))
        half = slots.take_back(root, half)
    sys.path[:] = [PATH] + [path for path in sys.path if path not in (PATH, "/recovery") and not path.startswith("/rom")]
    return half


def _mount(half: str) -> None:
    import vfs as module  # noqa: PLC0415 (only the board has it)

    vfs: "Module" = module
    if hasattr(vfs, "rom_ioctl"):
        found = vfs.rom_ioctl(2, 0)  # a buffer; a negative number where there is no such partition
        if type(found) is int:
            raise OSError(-found)
        whole = memoryview(found)
        size = len(whole) // 2
        vfs.mount(vfs.VfsRom(whole[size:] if half == "b" else whole[:size]), PATH)
        return
    import esp32  # type: ignore[import-not-found]  # noqa: PLC0415 (as above)

    from firmware.romfs import RomFiles  # noqa: PLC0415 (its memory)

    vfs.mount(RomFiles(slots.rom_partition(esp32), half), PATH)
