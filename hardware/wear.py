# ruff: noqa: T201 - it prints
"""How long the flash lasts and how much it holds: the node's queue on LittleFS in the partition ``vfs`` of a 4 MB part, measured.

Runs under MicroPython: ``MICROPYPATH=.:.frozen .micropython/micropython -X heapsize=8M hardware/wear.py [SAMPLES [BLOCKS]]``. It stores SAMPLES
samples of four quantities (default 11,520: 120 days at 15 min), once with the link up (each acknowledged) and once with none, and counts erases.
BLOCKS: 448 (default) with MicroPython's ordinary file, 176 with the one that has two applications.

Endurance: 100,000 erases a block is what makers of SPI NOR flash guarantee (Winbond W25Q32JV data sheet, features). LittleFS levels wear dynamically:
the mean over all blocks is the estimate, the worst block is printed beside it.
"""

import sys

import vfs

from firmware.queue import FlashQueue
from hardware.flash import Flash

ENDURANCE = 100000
BLOCKS = 448  # 0x240000 to the end of a 4 MB part: provisioning/image/layout.py
A_DAY = 96
VALUES = {"temperature": 2874, "do": 512, "ph": 780, "salinity": 1520}


def measure(samples: int, acknowledged: bool, blocks: int) -> "tuple[Flash, FlashQueue]":
    """Store `samples` samples on a fresh chip; return both."""
    flash = Flash(blocks)
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), "/flash")
    queue = FlashQueue("/flash/queue")
    queue.begin(7)
    flash.erases = [0] * blocks
    for seq in range(1, samples + 1):
        queue.append(7, seq, seq * 900, 1790000000 + seq * 900, VALUES)
        if acknowledged:
            queue.ack(7, seq)
    vfs.umount("/flash")
    return flash, queue


def report(samples: int, blocks: int) -> None:
    """Print capacity and life."""
    for acknowledged in (True, False):
        flash, queue = measure(samples, acknowledged, blocks)
        held, total = queue.held(), sum(flash.erases)
        mean, worst = total / blocks, max(flash.erases)
        print("link up" if acknowledged else "no link")
        print("  samples stored", samples, "held", held, "given up", queue.dropped)
        print("  erases a sample", total / samples)
        print("  erases a block: mean", mean, "worst", worst)
        days = samples / A_DAY
        print("  years until the mean block has", ENDURANCE, "erases:", days * ENDURANCE / mean / 365)
        print("  years until the worst block has:", days * ENDURANCE / max(1, worst) / 365)


if __name__ == "__main__":
    report(int(sys.argv[1]) if len(sys.argv) > 1 else 11520, int(sys.argv[2]) if len(sys.argv) > 2 else BLOCKS)
