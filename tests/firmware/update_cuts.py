# ruff: noqa - runs under MicroPython only
"""Runs under MicroPython: an update of the program, cut at every operation on the flash in turn, LittleFS's own among them; then a start and a second try.

usage: update_cuts.py FOLDER    with old.romfs and new.romfs; prints how many cuts there were, and how many starts had the old and the new program
"""

import binascii
import hashlib
import os
import struct
import sys

import esp32
import reset

BLOCK, HALF, PIECE = 4096, 4, 1024
ROM, VFS, ROOM = 16, 16 + 2 * HALF, 16


class Accepts:
    """Stands in for ``firmware.ed25519``, which takes long and is tested for itself."""

    def __init__(self):
        self.verify = lambda *_: True


def entry(kind, subtype, first, blocks, label):
    return struct.pack("<2sBBII16sI", b"\xaa\x50", kind, subtype, first * BLOCK, blocks * BLOCK, label, 0)


def content(name):
    with open(sys.argv[1] + "/" + name + ".romfs", "rb") as file:
        return file.read()


def update(new):
    """Send it all; whoever goes on from an earlier try sends from there on."""
    updater = Updater(RomSlot(rom_partition(esp32), "/flash"), "/flash/update.json", b"", "0.1.0")
    told = {
        "version": "0.2.0",
        "size": len(new),
        "sha256": binascii.hexlify(hashlib.sha256(new).digest()).decode(),
        "signature": "00",
    }
    reply = updater.offer({"manifest": told})
    while "want" in reply:
        at = reply["want"]
        reply = updater.piece({"offset": at, "data": binascii.b2a_base64(new[at : at + PIECE])})


def started():
    """Return what the program that runs says of itself."""
    half = start("/flash")
    with open("/program/told.txt") as file:
        told = file.read()
    assert (told == "new") == (half == "b"), (told, half)
    vfs.umount("/program")
    return told


def mounted(memory):
    esp32.Partition.flash = esp32.Flash(memory)
    vfs.mount(vfs.VfsLfs2(esp32.Partition.find(esp32.Partition.TYPE_DATA, label="vfs")[0]), "/flash")


vfs = sys.modules["vfs"] = reset.Vfs(True)
sys.modules["firmware.ed25519"] = Accepts()
from firmware.program import start
from firmware.slots import RomSlot, rom_partition
from firmware.update import Updater

old, new = content("old"), content("new")
first = bytearray(b"\xff" * ((VFS + ROOM) * BLOCK))
table = entry(1, 0x8F, ROM, 2 * HALF, b"romfs") + entry(1, 0x81, VFS, ROOM, b"vfs")
first[0x8000 : 0x8000 + len(table)] = table
first[ROM * BLOCK : ROM * BLOCK + len(old)] = old
esp32.Partition.flash = esp32.Flash(first)
vfs.VfsLfs2.mkfs(esp32.Partition.find(1, label="vfs")[0])
cuts, found = 0, {"old": 0, "new": 0}
while True:
    memory = bytearray(first)
    mounted(memory)
    esp32.Partition.flash.cut_at = cuts
    try:
        update(new)
        whole = True
    except esp32.PowerCut:
        whole = False
    vfs.umount("/flash")
    mounted(memory)
    told = started()
    if told == "old":
        update(new)
        assert started() == "new"
    vfs.umount("/flash")
    if whole:
        break
    found[told] += 1
    cuts += 1
print(cuts, found["old"], found["new"])
