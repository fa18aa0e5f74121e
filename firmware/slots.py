"""Where an update goes: the other one of two slots, taken into use at the next start, kept only once it has proved itself.

`PartitionSlot` is a whole image in the ESP32's other app partition; the boot loader itself goes back if nobody confirms. `FolderSlot` is the small
case: the Python files alone, in folders ``a`` and ``b`` of the file system; ``boot.py`` asks `choose_folder` which one to run.
"""

import os

from firmware import files

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.boundaries import Partition

BLOCK = 4096
# Starts that a new set of files gets to prove itself.
TRIALS = 2


class PartitionSlot:
    """The other app partition: ``esp32.Partition(esp32.Partition.RUNNING).get_next_update()``."""

    def __init__(self, partition: "Partition") -> None:
        self._partition = partition
        self.capacity = partition.ioctl(4, 0) * BLOCK

    def write(self, offset: int, data: bytes) -> None:
        """Write a piece that does not cross a block; the first of a block erases it."""
        block, within = offset // BLOCK, offset % BLOCK
        if within == 0:
            self._partition.ioctl(6, block)
        self._partition.writeblocks(block, data, within)

    def read(self, offset: int, size: int) -> bytes:
        """Return what was written; `size` bytes that do not cross a block."""
        buffer = bytearray(size)
        self._partition.readblocks(offset // BLOCK, buffer, offset % BLOCK)
        return bytes(buffer)

    def activate(self, size: int) -> None:  # noqa: ARG002 (the image knows its own length)
        """Run it from the next start on."""
        self._partition.set_boot()


class FolderSlot:
    """The folder that is not running; what arrives is an archive of entries ``path NEWLINE size NEWLINE bytes``.

    Parameters
    ----------
    root : folder that holds ``a``, ``b`` and the state
    capacity : largest archive, B
    """

    def __init__(self, root: str, capacity: int = 262144) -> None:
        self._root, self.capacity = root, capacity
        self._archive = root + "/update.bin"

    def write(self, offset: int, data: bytes) -> None:
        """Append a piece; going back to an earlier offset cuts what lies behind it."""
        with open(self._archive, "r+b" if offset else "wb") as file:
            file.seek(offset)
            file.write(data)

    def read(self, offset: int, size: int) -> bytes:
        """Return what was written."""
        with open(self._archive, "rb") as file:
            file.seek(offset)
            return file.read(size)

    def activate(self, size: int) -> None:
        """Unpack into the idle folder and try it at the next start.

        Raises
        ------
        ValueError
            if an entry leads out of the folder or the archive is malformed; then nothing changes
        """
        state = files.load(self._root + "/slots.json")
        running = state.get("active", "a")
        idle = "b" if running == "a" else "a"
        remove_tree(self._root + "/" + idle)
        with open(self._archive, "rb") as file:
            while file.tell() < size:
                path, length = str(file.readline().strip(), "utf-8"), int(file.readline())
                if path.startswith("/") or ".." in path or not path or length < 0 or file.tell() + length > size:
                    raise ValueError(f"the archive has an entry {path!r} of {length} B that does not fit")
                target = self._root + "/" + idle + "/" + path
                make_folders(target)
                with open(target, "wb") as out:
                    while length:
                        piece = file.read(min(512, length))
                        out.write(piece)
                        length -= len(piece)
        files.save(self._root + "/slots.json", {"active": idle, "previous": running, "trials": TRIALS})
        os.remove(self._archive)


def choose_folder(root: str) -> str:
    """Return the folder to run, ``a`` or ``b``; an update that was not confirmed in its trials is taken back.

    For ``boot.py``: it puts ``root/<folder>`` first on ``sys.path``.
    """
    state = files.load(root + "/slots.json")
    active = str(state.get("active", "a"))
    trials = state.get("trials")
    if trials is None:
        return active
    if trials <= 0:
        previous = str(state.get("previous", "a"))
        files.save(root + "/slots.json", {"active": previous, "taken_back": active})
        return previous
    state["trials"] = trials - 1
    files.save(root + "/slots.json", state)
    return active


def confirm_folder(root: str) -> None:
    """Keep the running folder: the update has proved itself."""
    state = files.load(root + "/slots.json")
    if "trials" in state:
        files.save(root + "/slots.json", {"active": state["active"]})


def end_trials(root: str) -> None:
    """Have the running folder taken back at the next start, where it is on trial: it had its time and did not prove itself."""
    state = files.load(root + "/slots.json")
    if "trials" in state:
        state["trials"] = 0
        files.save(root + "/slots.json", state)


def make_folders(path: str) -> None:
    """Make the folders in which `path` lies."""
    parts = path.split("/")
    for i in range(1, len(parts)):
        try:
            os.mkdir("/".join(parts[:i]))
        except OSError:
            pass  # there already; a real failure shows when the file is opened


def remove_tree(path: str) -> None:
    """Remove a file or folder with all in it; nothing where there is none."""
    try:
        names = os.listdir(path)
    except OSError:
        try:
            os.remove(path)
        except OSError:
            pass
        return
    for name in names:
        remove_tree(path + "/" + name)
    try:
        os.rmdir(path)
    except OSError:
        pass
