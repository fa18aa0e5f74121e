"""Where an update goes: the other one of two slots, taken into use at the next start, kept only once it has proved itself.

`RomSlot` is the program alone, a ROMFS image in the half of the flash partition ``romfs`` that is not running; `firmware.program` asks `choose` which
half to run. `PartitionSlot` is a whole MicroPython in the ESP32's other app partition; the boot loader itself goes back if nobody confirms.
"""

from firmware import files

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.boundaries import Module, Partition

BLOCK = 4096
LABEL = "romfs"  # the partition that MicroPython for the ESP32 maps into memory
# Starts that a new program gets to prove itself.
TRIALS = 2
_STATE = "/slots.json"


class PartitionSlot:
    """A partition, or `blocks` of it from block `first` on; ``esp32.Partition(esp32.Partition.RUNNING).get_next_update()`` for the whole image.

    Attributes
    ----------
    takes : what is written here, as the offer's reply says it
    """

    takes = "image"

    def __init__(self, partition: "Partition", first: int = 0, blocks: "int | None" = None) -> None:
        self._partition, self._first = partition, first
        self.capacity = (partition.ioctl(4, 0) if blocks is None else blocks) * BLOCK

    def write(self, offset: int, data: bytes) -> None:
        """Write a piece that does not cross a block; the first of a block erases it."""
        block, within = self._first + offset // BLOCK, offset % BLOCK
        if within == 0:
            self._partition.ioctl(6, block)
        self._partition.writeblocks(block, data, within)

    def read(self, offset: int, size: int) -> bytes:
        """Return what was written; `size` bytes that do not cross a block."""
        buffer = bytearray(size)
        self._partition.readblocks(self._first + offset // BLOCK, buffer, offset % BLOCK)
        return bytes(buffer)

    def activate(self, size: int) -> None:  # noqa: ARG002 (the image knows its own length)
        """Run it from the next start on."""
        self._partition.set_boot()


class RomSlot(PartitionSlot):
    """The half that is not running.

    Parameters
    ----------
    partition : both halves (`rom_partition`)
    root : folder that holds the state
    """

    takes = "program"

    def __init__(self, partition: "Partition", root: str) -> None:
        self._root, self._half = root, other(active(root))
        blocks = partition.ioctl(4, 0) // 2
        PartitionSlot.__init__(self, partition, blocks if self._half == "b" else 0, blocks)

    def activate(self, size: int) -> None:
        """Try it at the next start.

        Raises
        ------
        ValueError
            if it is no ROMFS image; then nothing changes
        """
        if size < 4 or self.read(0, 3) != b"\xd2\xcd\x31":
            raise ValueError("what was sent is no program (ROMFS image)")
        files.save(self._root + _STATE, {"active": self._half, "previous": other(self._half), "trials": TRIALS})


def rom_partition(esp32: "Module") -> "Partition":
    """Return the partition with both halves; OSError (ENODEV) where the board was flashed without one."""
    found: "list[Partition]" = esp32.Partition.find(esp32.Partition.TYPE_DATA, label=LABEL)
    if not found:
        raise OSError(19)
    return found[0]


def other(half: str) -> str:
    """Return the other half."""
    return "b" if half == "a" else "a"


def active(root: str) -> str:
    """Return the half that runs, ``a`` or ``b``."""
    return "b" if files.load(root + _STATE).get("active") == "b" else "a"


def choose(root: str) -> str:
    """Return the half to run, for the start of the board; an update that was not confirmed in its trials is taken back."""
    state = files.load(root + _STATE)
    half, trials = active(root), state.get("trials")
    if trials is None:
        return half
    if trials <= 0:
        return take_back(root, half)
    state["trials"] = trials - 1
    files.save(root + _STATE, state)
    return half


def take_back(root: str, half: str) -> str:
    """Go back from a half that did not prove itself or cannot be read; return the other one."""
    files.save(root + _STATE, {"active": other(half), "taken_back": half})
    return other(half)


def confirm(root: str) -> None:
    """Keep the running half: the update has proved itself."""
    if "trials" in files.load(root + _STATE):
        files.save(root + _STATE, {"active": active(root)})


def end_trials(root: str) -> None:
    """Have the running half taken back at the next start, where it is on trial: it had its time and did not prove itself."""
    state = files.load(root + _STATE)
    if "trials" in state:
        state["trials"] = 0
        files.save(root + _STATE, state)
