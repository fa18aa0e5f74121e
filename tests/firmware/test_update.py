"""Updates: only what our key signed is installed, from any interruption, and it stays only if it proves itself."""

from __future__ import annotations

import base64
import gc
import hashlib
import random
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware import ed25519, slots
from firmware.build import rom
from firmware.romfs import RomFiles
from firmware.slots import BLOCK, PartitionSlot, RomSlot, choose, confirm, rom_partition
from firmware.update import PIECE, UpdateError, Updater, signed_text
from provisioning.image.layout import HALF, MIB, TABLE_AT, extended, known, write_table
from tests.provisioning.firmware_files import OTA

from .board import esp32
from .boards import ENVIRONMENT, stand_ins
from .test_micropython import MICROPYTHON, image  # noqa: F401 (a fixture)

SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SECRET.public_key().public_bytes_raw()


@dataclass
class Board:
    """A flash of 4 MB with two applications and the boot loader that chooses between them."""

    flash: esp32.Flash
    loader: esp32.Loader

    def start(self) -> int:
        """Switch the power on; return the application that the loader starts."""
        self.flash.powered, self.flash.cut_at = True, None
        return int(self.loader.start())

    def written(self, size: int, at: int = OTA[-1].offset) -> bytes:
        return bytes(self.flash.memory[at : at + size])


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    """Return a board on which an old image runs from the first partition."""
    memory = bytearray(b"\xff" * 4 * MIB)
    _, table = extended(write_table(list(OTA)), 4 * MIB)
    memory[TABLE_AT : TABLE_AT + len(table)] = table
    memory[0x10000 : 0x10000 + 13] = b"the old image"
    made = Board(esp32.Flash(memory), esp32.Loader(str(tmp_path)))
    monkeypatch.setattr(esp32.Partition, "flash", made.flash)
    monkeypatch.setattr(esp32.Partition, "loader", made.loader)
    assert made.start() == 0
    return made


def slot() -> PartitionSlot:
    """Return the slot as the node makes it (`firmware.rescue`)."""
    return PartitionSlot(esp32.Partition(esp32.Partition.RUNNING).get_next_update())


def manifest(content: bytes, version: str = "0.2.0", secret: Ed25519PrivateKey = SECRET) -> dict[str, Any]:
    sha256 = hashlib.sha256(content).hexdigest()
    signature = secret.sign(signed_text(version, len(content), sha256)).hex()
    return {"version": version, "size": len(content), "sha256": sha256, "signature": signature}


def send(updater: Updater, content: bytes, offer: dict[str, Any], stop_at: int = 1 << 60) -> dict[str, Any]:
    """Be the gateway: send what is wanted until it is installed, or the line breaks."""
    reply = updater.offer({"manifest": offer})
    while "want" in reply and reply["want"] < stop_at:
        at = reply["want"]
        reply = updater.piece({"offset": at, "data": base64.b64encode(content[at : at + PIECE]).decode()})
    return reply


@pytest.mark.parametrize(
    ("public", "message", "signature"),
    [  # RFC 8032, 7.1, tests 1 to 3
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ],
)
def test_the_published_signatures_hold_and_their_neighbours_do_not(public: str, message: str, signature: str) -> None:
    key, text, signed = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert ed25519.verify(key, text, signed)
    assert not ed25519.verify(key, text + b"x", signed)
    for at in (0, 31, 32, 63):
        wrong = bytearray(signed)
        wrong[at] ^= 1
        assert not ed25519.verify(key, text, bytes(wrong))
    assert not ed25519.verify(PUBLIC, text, signed)


@settings(max_examples=25, deadline=None)
@given(message=st.binary(max_size=300))
def test_our_check_agrees_with_a_real_library(message: bytes) -> None:
    assert ed25519.verify(PUBLIC, message, SECRET.sign(message))
    assert ed25519.plain_sha512(message) == hashlib.sha512(message).digest()


def test_signatures_of_wrong_form_are_refused() -> None:
    good = SECRET.sign(b"x")
    assert not ed25519.verify(PUBLIC[:31], b"x", good)
    assert not ed25519.verify(PUBLIC, b"x", good + b"\x00")
    assert not ed25519.verify(b"\xff" * 32, b"x", good)  # not on the curve's field
    assert not ed25519.verify(PUBLIC, b"x", good[:32] + b"\xff" * 32)  # s above the group's order: malleable


@pytest.mark.parametrize("size", [1, PIECE, BLOCK, BLOCK + 1, 5 * BLOCK - 7])
def test_an_image_is_installed_from_pieces(tmp_path: Path, board: Board, size: int) -> None:
    content = random.Random(size).randbytes(size)
    updater = Updater(slot(), str(tmp_path / "update.json"), PUBLIC, "0.1.0")
    assert send(updater, content, manifest(content)) == {"installed": "0.2.0"}
    assert board.written(size) == content
    assert board.start() == 1


def test_an_interrupted_transfer_goes_on_where_it_was_noted(tmp_path: Path, board: Board) -> None:
    content = random.Random(1).randbytes(30 * BLOCK + 100)
    path = str(tmp_path / "update.json")
    offer = manifest(content)
    for stop_at in (3 * PIECE, 10 * BLOCK, 25 * BLOCK):  # a new object each time: the node lost power
        send(Updater(slot(), path, PUBLIC, "0.1.0"), content, offer, stop_at)
    updater = Updater(slot(), path, PUBLIC, "0.1.0")
    assert updater.offer({"manifest": offer})["want"] == 16 * BLOCK
    assert send(updater, content, offer) == {"installed": "0.2.0"}
    assert board.written(len(content)) == content


@pytest.mark.slow
def test_a_power_cut_at_every_operation_on_the_flash_ends_in_the_old_or_the_whole_new_image(tmp_path: Path, board: Board) -> None:
    content, path = random.Random(3).randbytes(18 * BLOCK + 5), str(tmp_path / "update.json")
    offer, cuts = manifest(content), 0
    while True:
        Path(path).unlink(missing_ok=True)
        board.flash.memory[OTA[-1].offset : OTA[-1].end] = b"\xff" * OTA[-1].size
        board.loader.save({"boot": 0, "running": 0, "states": [esp32.VALID, esp32.EMPTY]})
        board.flash.operations, board.flash.cut_at = 0, cuts
        try:
            send(Updater(slot(), path, PUBLIC, "0.1.0"), content, offer)
        except esp32.PowerCut:
            pass
        else:
            break
        cuts += 1
        assert board.start() == 0  # half an image is never started
        assert send(Updater(slot(), path, PUBLIC, "0.1.0"), content, offer) == {"installed": "0.2.0"}
        assert board.written(len(content)) == content
        assert board.start() == 1
    assert cuts == 18 * 5 + 2  # an erase and four pieces a block; then one of each


def test_what_is_not_ours_newer_or_fitting_is_refused_before_anything_is_written(tmp_path: Path, board: Board) -> None:
    updater = Updater(slot(), str(tmp_path / "update.json"), PUBLIC, "0.2.0")
    content = b"x" * 100
    stranger = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
    for offer, reason in (
        (manifest(content, "0.3.0", stranger), "not of our key"),
        (manifest(content, "0.3.0") | {"size": 99}, "not of our key"),
        (manifest(content, "0.3.0") | {"version": "0.4.0"}, "not of our key"),
        (manifest(content, "0.2.0"), "not above the running 0.2.0"),
        (manifest(content, "0.1.9"), "not above"),
        (manifest(content, "latest"), "three numbers"),
        (manifest(b"x" * (OTA[-1].size + 1), "0.3.0"), "does not fit"),
        (manifest(b"", "0.3.0"), "does not fit"),
    ):
        with pytest.raises(UpdateError, match=reason):
            updater.offer({"manifest": offer})
    with pytest.raises(UpdateError, match="no update is under way"):
        updater.piece({"offset": 0, "data": ""})
    assert board.written(1) == b"\xff"
    assert board.start() == 0


def test_an_image_that_was_garbled_on_the_way_is_never_started(tmp_path: Path, board: Board) -> None:
    content = random.Random(2).randbytes(2 * BLOCK)
    updater = Updater(slot(), str(tmp_path / "update.json"), PUBLIC, "0.1.0")
    wrong = bytearray(content)
    wrong[5000] ^= 1
    with pytest.raises(UpdateError, match="not what was signed"):
        send(updater, bytes(wrong), manifest(content))
    assert board.start() == 0
    updater.offer({"manifest": manifest(content)})
    with pytest.raises(UpdateError, match="a piece of 3 B"):
        updater.piece({"offset": 0, "data": base64.b64encode(b"abc").decode()})
    assert send(updater, content, manifest(content)) == {"installed": "0.2.0"}


def test_the_boot_loader_goes_back_where_an_image_was_not_confirmed(tmp_path: Path, board: Board) -> None:
    content, path = b"image" * 100, str(tmp_path / "u.json")
    with pytest.raises(OSError, match="VALIDATE"):
        esp32.Partition(1).get_next_update().set_boot()  # nothing was written
    send(Updater(slot(), path, PUBLIC, "0.1.0"), content, manifest(content))
    assert board.start() == 1
    assert [board.start(), board.start()] == [0, 0]  # it crashed before a good publish
    assert board.loader.state()["states"][1] == esp32.ABORTED
    send(Updater(slot(), path, PUBLIC, "0.1.0"), content, manifest(content))
    assert board.start() == 1
    esp32.Partition.mark_app_valid_cancel_rollback()
    assert [board.start(), board.start()] == [1, 1]
    assert esp32.Partition(1).get_next_update().label == "ota_0"  # the next update goes where the old image is


ROM = known("ota", 4 * MIB).rom


def test_the_program_alone_is_updated_and_taken_back(tmp_path: Path, board: Board) -> None:
    root, path = str(tmp_path), str(tmp_path / "update.json")

    def updater() -> Updater:
        return Updater(RomSlot(rom_partition(esp32), root), path, PUBLIC, "0.1.0")

    content = b"\xd2\xcd\x31" + random.Random(4).randbytes(9 * BLOCK)
    assert choose(root) == "a"
    assert updater().offer({"manifest": manifest(content)}) == {"want": 0, "takes": "program"}
    assert send(updater(), content, manifest(content)) == {"installed": "0.2.0"}
    assert board.written(len(content), ROM + HALF) == content
    assert board.written(HALF, ROM) == b"\xff" * HALF
    assert [choose(root) for _ in range(slots.TRIALS + 2)] == ["b"] * slots.TRIALS + ["a", "a"]

    send(updater(), content, manifest(content))
    assert choose(root) == "b"
    confirm(root)
    assert [choose(root) for _ in range(5)] == ["b"] * 5
    later = b"\xd2\xcd\x31later"
    assert send(updater(), later, manifest(later)) == {"installed": "0.2.0"}
    assert board.written(len(later), ROM) == later  # where nothing runs
    assert board.written(len(content), ROM + HALF) == content


@pytest.mark.parametrize(
    "content", [b"no image at all", b"\xd2\xcd", b"\xd2\xcd\x31" + bytes(HALF)], ids=["other", "short", "long"]
)
def test_what_is_no_program_is_refused_and_the_old_one_stays(tmp_path: Path, board: Board, content: bytes) -> None:
    assert board.flash.powered
    updater = Updater(RomSlot(rom_partition(esp32), str(tmp_path)), str(tmp_path / "update.json"), PUBLIC, "0.1.0")
    with pytest.raises(ValueError, match=r"no program|does not fit"):
        send(updater, content, manifest(content))
    assert choose(str(tmp_path)) == "a"


NAMES = st.text("abcdefghij_0", min_size=1, max_size=8)


@settings(max_examples=50, deadline=None)
@given(
    files=st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map(tuple), st.binary(max_size=3 * BLOCK), max_size=8),
    half=st.sampled_from("ab"),
)
def test_a_program_is_read_as_it_was_written(files: dict[tuple[str, ...], bytes], half: str) -> None:
    files = {
        parts: code for parts, code in files.items() if not any(parts == other[: len(parts)] for other in files if other != parts)
    }
    with tempfile.TemporaryDirectory() as folder:
        for parts, code in files.items():
            path = Path(folder, *parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(code)
        content = rom(Path(folder))
    with patch.object(gc, "collect"):  # which takes long here, and is for the node's memory
        found = RomFiles(Halves(content, half), half)
    for parts, code in files.items():
        buffer = bytearray(len(code) + 1)
        assert found.open("/" + "/".join(parts), "rb").readinto(buffer) == len(code)
        assert buffer[:-1] == code
        assert found.stat("/".join(parts))[6] == len(code)
    assert sorted(name for name, _, _ in found.ilistdir("/")) == sorted({parts[0] for parts in files})
    for wrong in ("/none", "/" + "x" * 9):
        with pytest.raises(OSError, match="2"):
            found.stat(wrong)
    with pytest.raises(OSError, match="19"):
        RomFiles(Halves(content, half), "a" if half == "b" else "b")


class Halves:
    """A partition of 2 × 20 blocks with a program in one half."""

    def __init__(self, content: bytes, half: str) -> None:
        erased = b"\xff" * 20 * BLOCK
        whole = content + erased[len(content) :]
        self._memory = erased + whole if half == "b" else whole + erased

    def ioctl(self, operation: int, block: int, /) -> int:
        return len(self._memory) // BLOCK

    def readblocks(self, block: int, buffer: bytearray | memoryview, offset: int, /) -> None:
        at = block * BLOCK + offset
        assert offset + len(buffer) <= BLOCK
        buffer[:] = self._memory[at : at + len(buffer)]

    def writeblocks(self, *_: object) -> None:
        raise AssertionError("it is only read")

    def set_boot(self) -> None:
        raise AssertionError("it is only read")


@pytest.mark.slow
@pytest.mark.skipif(
    not MICROPYTHON.exists(), reason="LEFT OUT: no MicroPython here; run scripts/micropython_root.sh .micropython"
)
def test_a_power_cut_at_every_operation_of_a_programs_update_leaves_the_old_or_the_whole_new_one(
    image: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    """On LittleFS, which holds what is remembered, and in the half: `update_cuts.py`, under MicroPython."""
    for version in ("old", "new"):
        folder = tmp_path / version
        folder.mkdir()
        (folder / "told.txt").write_text(version)
        (folder / "more.bin").write_bytes(random.Random(version).randbytes(2 * BLOCK))
        (tmp_path / f"{version}.romfs").write_bytes(rom(folder))
    stand_ins(tmp_path)
    script = Path(__file__).with_name("update_cuts.py")
    done = subprocess.run(
        [MICROPYTHON, "-X", "heapsize=4M", script, tmp_path],
        env=ENVIRONMENT | {"MICROPYPATH": f"{image}:{Path(__file__).parent / 'board'}:.frozen"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cuts, old, new = map(int, done.stdout.splitlines()[-1].split())  # before it, what files say that are closed without power
    assert cuts == old + new > 20
    assert min(old, new) > 0


@pytest.mark.slow
@pytest.mark.skipif(
    not MICROPYTHON.exists(), reason="LEFT OUT: no MicroPython here; run scripts/micropython_root.sh .micropython"
)
def test_the_signature_is_checked_under_micropython_in_64_kb(image: Path) -> None:  # noqa: F811
    message = b"an update"
    program = (
        "from firmware.ed25519 import verify, sha512\n"
        f"assert verify({PUBLIC!r}, {message!r}, {SECRET.sign(message)!r})\n"
        f"assert not verify({PUBLIC!r}, {message!r}, {SECRET.sign(b'another')!r})\n"
        f"assert sha512(b'abc') == {hashlib.sha512(b'abc').digest()!r}\n"
        "print('held')\n"
    )
    done = subprocess.run(
        [MICROPYTHON, "-X", "heapsize=65536", "-c", program],
        env={"MICROPYPATH": f"{image}:.frozen"},
        cwd=image,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "held\n", done.stderr
