"""One stored sample as bytes: boot, sequence, uptime, UTC (0 while unknown), acknowledged sequence, scaled integers by quantity, CRC."""

import binascii
import struct

from vuong.quantities import QUANTITIES

# length of the record, boot, seq, uptime, time, acked
_HEAD = "<BIIIII"
_HEAD_SIZE = 21
_VALUE = "<Hi"
_VALUE_SIZE = 6
_CRC_SIZE = 4
MAX_VALUES = 32
LARGEST = _HEAD_SIZE + _VALUE_SIZE * MAX_VALUES + _CRC_SIZE


class QueueError(Exception):
    """The flash could not take a sample."""


def quantity_code(name: str) -> int:
    """Return the 16-bit code of a quantity on flash: a hash of its name, so that a record needs no table to be read by a later firmware."""
    return binascii.crc32(name.encode()) & 0xFFFF


_NAMES = {quantity_code(name): name for name in QUANTITIES}


def pack_record(boot: int, seq: int, uptime: int, time: int, acked: int, values: "dict[str, int]") -> bytes:
    """Return one record as bytes; `time` is 0 while the clock is not known.

    Raises
    ------
    QueueError
        if there are more than `MAX_VALUES` values or one does not fit 32 bits
    """
    size = _HEAD_SIZE + _VALUE_SIZE * len(values) + _CRC_SIZE
    if len(values) > MAX_VALUES:
        raise QueueError(f"a sample has {len(values)} values; a record takes {MAX_VALUES}")
    record = bytearray(size)
    struct.pack_into(_HEAD, record, 0, size, boot, seq, uptime, time, acked)
    at = _HEAD_SIZE
    for name, value in values.items():
        if not -0x80000000 <= value <= 0x7FFFFFFF:
            raise QueueError(f"value {value} of {name!r} does not fit 32 bits")
        struct.pack_into(_VALUE, record, at, quantity_code(name), value)
        at += _VALUE_SIZE
    struct.pack_into("<I", record, at, binascii.crc32(memoryview(record)[:at]) & 0xFFFFFFFF)
    return bytes(record)


def record_size(buffer: "bytearray | bytes", at: int, end: int) -> int:
    """Return the size of the sound record at `at` in ``buffer[:end]``, 0 where there is none."""
    size = buffer[at]
    spare = size - _HEAD_SIZE - _CRC_SIZE
    if spare < 0 or spare % _VALUE_SIZE or spare > _VALUE_SIZE * MAX_VALUES or at + size > end:
        return 0
    stop = at + size - _CRC_SIZE
    crc = struct.unpack_from("<I", buffer, stop)[0]
    return size if binascii.crc32(memoryview(buffer)[at:stop]) & 0xFFFFFFFF == crc else 0


class Record:
    """One stored sample; `values` maps quantity name to scaled integer, `time` is 0 where the clock was not known."""

    def __init__(self, buffer: "bytearray | bytes", at: int, size: int) -> None:
        head = struct.unpack_from(_HEAD, buffer, at)
        self.boot, self.seq, self.uptime, self.time, self.acked = head[1:]
        self.values: "dict[str, int]" = {}
        for offset in range(at + _HEAD_SIZE, at + size - _CRC_SIZE, _VALUE_SIZE):
            code, value = struct.unpack_from(_VALUE, buffer, offset)
            name = _NAMES.get(code)
            if name is not None:  # else a quantity that this firmware no longer knows
                self.values[name] = value
