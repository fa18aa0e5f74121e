# ruff: noqa: T201 - standard output is how the test sees it
"""Runs under MicroPython: a life of the queue on LittleFS, cut at every single erase and program of the flash, remounted and looked at.

Prints ``cuts N`` at the end; anything lost or wrong ends it with an AssertionError.
"""

import gc
import sys

import vfs

from firmware.queue import FlashQueue
from hardware.flash import Flash, PowerCutError

BLOCKS = 24
FIRST, SECOND = 0xAAAAAAAA, 0x55555555


def mount(flash: Flash) -> FlashQueue:
    vfs.mount(vfs.VfsLfs2(flash), "/flash")
    return FlashQueue("/flash/queue", segment_bytes=512, max_bytes=32 * 512)


def life(queue: FlashQueue, told: dict) -> None:
    """Store, acknowledge, restart; `told` says at every moment what the queue has promised to keep."""
    for boot in (FIRST, SECOND):
        queue.begin(boot)
        told[boot] = [0, 0]
        for seq in range(1, 41):
            told["asked"] = (boot, seq)
            queue.append(boot, seq, seq * 60, 0, {"do": seq, "ph": -seq})
            told[boot][1] = seq
            if seq % 5 == 0:
                told[boot][0] = seq - 2
                queue.ack(boot, seq - 2)


def look(queue: FlashQueue, told: dict, cut: int) -> None:
    """Everything promised and not acknowledged is there and sound."""
    for boot in (FIRST, SECOND):
        if boot not in told:
            continue
        acked, last = told[boot]
        found = []
        after = 0
        while True:
            records = queue.records(boot, after, 5)
            if not records:
                break
            for record in records:
                assert record.values == {"do": record.seq, "ph": -record.seq}, ("values", cut, boot, record.seq)
                found.append(record.seq)
            after = records[-1].seq
        assert found == sorted(set(found)), ("order", cut, found)
        for seq in range(acked + 1, last + 1):
            assert seq in found, ("lost", cut, boot, seq, found, told)
        for seq in found:  # nothing that was never asked for; the one under way may or may not be there
            assert seq <= last or (boot, seq) == told["asked"], ("invented", cut, boot, seq)


start, count = int(sys.argv[1]), int(sys.argv[2])
flash = Flash(BLOCKS)
vfs.VfsLfs2.mkfs(flash)
empty = flash
flash = empty.again()
life(mount(flash), {})
vfs.umount("/flash")
total = flash.operations
print("operations", total)
cuts = 0
for cut in range(start, min(total, start + count)):
    flash = empty.again()
    flash.cut_at = cut
    told = {}
    try:
        life(mount(flash), told)
    except PowerCutError:
        cuts += 1
    vfs.umount("/flash")
    flash = flash.again()
    queue = mount(flash)
    look(queue, told, cut)
    queue.begin(3)  # and life goes on
    for seq in range(1, 4):
        queue.append(3, seq, seq, 0, {"do": seq})
    vfs.umount("/flash")
    queue = mount(flash)
    look(queue, told, cut)
    assert [r.seq for r in queue.records(3, 0, 9)] == [1, 2, 3], ("after", cut)
    vfs.umount("/flash")
    gc.collect()
print("cuts", cuts)
