"""What one cycle hands to the next through the memory that survives deep sleep, with a CRC: boot, sequence, acknowledged sequence, clock origin."""

import binascii
import struct

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.boundaries import Module

    State = tuple[int, int, int, int]

_LAYOUT = "<IIIq"


def load(rtc: "Module") -> "State | None":
    """Return what was saved, ``None`` where nothing sound is there."""
    memory = bytes(rtc.memory())
    size = struct.calcsize(_LAYOUT)
    if len(memory) != size + 4 or binascii.crc32(memory[:size]) & 0xFFFFFFFF != struct.unpack_from("<I", memory, size)[0]:
        return None
    boot, seq, acked, origin = struct.unpack_from(_LAYOUT, memory)
    return boot, seq, acked, origin


def save(rtc: "Module", boot: int, seq: int, acked: int, origin: int) -> None:
    """Save for the next cycle."""
    head = struct.pack(_LAYOUT, boot, seq, acked, origin)
    rtc.memory(head + struct.pack("<I", binascii.crc32(head) & 0xFFFFFFFF))
