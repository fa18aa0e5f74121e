"""A NOR flash chip as LittleFS sees it, for MicroPython's Unix port: it counts what wears it and can lose power at any operation.

Stands in for ``esp32.Partition``; the file system on it is MicroPython's own LittleFS.
"""

BLOCK = 4096


class PowerCutError(Exception):
    """The supply went away in the middle of an operation."""


_OFF = PowerCutError("the power is off")  # made once: MicroPython's collector closes files while nothing can be allocated


class Flash:
    """A chip of `blocks` blocks of 4 KiB.

    Attributes
    ----------
    erases : erases of each block so far
    operations : erases and programs so far
    cut_at : operation that is only half done before the power goes; ``None`` for never
    powered : false after the cut; then every operation fails
    """

    def __init__(self, blocks: int) -> None:
        self.data = bytearray(b"\xff" * (blocks * BLOCK))
        self.erases = [0] * blocks
        self.operations = 0
        self.cut_at: int | None = None
        self.powered = True

    def again(self) -> "Flash":
        """Return the same chip with the power back."""
        chip = Flash(len(self.erases))
        chip.data[:] = self.data
        return chip

    def readblocks(self, block: int, buffer: bytearray, offset: int = 0) -> None:
        """Read from `offset` in `block`."""
        if not self.powered:
            raise _OFF
        start = block * BLOCK + offset
        buffer[:] = self.data[start : start + len(buffer)]

    def writeblocks(self, block: int, buffer: bytes, offset: "int | None" = None) -> None:
        """Program; bits can only be cleared, as on the chip. Without an offset the block is erased first."""
        if not self.powered:
            raise _OFF
        if offset is None:
            self._erase(block)
            offset = 0
        start, length = block * BLOCK + offset, self._allowed(len(buffer))
        for i in range(length):
            self.data[start + i] &= buffer[i]
        self._end()

    def ioctl(self, operation: int, block: int) -> int:
        """Answer LittleFS: 4 number of blocks, 5 block size, 6 erase."""
        if operation == 4:
            return len(self.erases)
        if operation == 5:
            return BLOCK
        if operation == 6:
            self._erase(block)
        return 0

    def _erase(self, block: int) -> None:
        if not self.powered:
            raise _OFF
        length, start = self._allowed(BLOCK), block * BLOCK
        self.data[start : start + length] = b"\xff" * length
        self.erases[block] += 1
        self._end()

    def _allowed(self, length: int) -> int:
        """Return how much of an operation is done before the power goes."""
        if self.cut_at is None or self.operations < self.cut_at:
            return length
        return length // 2 if self.operations == self.cut_at else 0

    def _end(self) -> None:
        self.operations += 1
        if self.cut_at is not None and self.operations > self.cut_at:
            self.powered = False
            raise PowerCutError("power cut at operation " + str(self.operations))
