"""Updates: only what our key signed is installed, from any interruption, and it stays only if it proves itself."""

from __future__ import annotations

import base64
import hashlib
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware import ed25519, slots
from firmware.slots import BLOCK, FolderSlot, PartitionSlot, choose_folder, confirm_folder
from firmware.update import PIECE, UpdateError, Updater, signed_text

from .board import esp32
from .test_micropython import MICROPYTHON, image  # noqa: F401 (a fixture)

SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SECRET.public_key().public_bytes_raw()


@pytest.fixture
def flash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> esp32.Loader:
    """Return two app partitions with their boot loader; an old image runs from the first."""
    loader = esp32.Loader(str(tmp_path))
    Path(loader.image(0)).write_bytes(b"the old image")
    assert loader.start() == 0
    monkeypatch.setattr(esp32.Partition, "loader", loader)
    return loader


def slot() -> PartitionSlot:
    """Return the slot as the node makes it (`firmware.rescue`)."""
    return PartitionSlot(esp32.Partition(esp32.Partition.RUNNING).get_next_update())


def written(flash: esp32.Loader, size: int) -> bytes:
    path = Path(flash.image(1))
    return path.read_bytes()[:size] if path.exists() else b""


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
def test_an_image_is_installed_from_pieces(tmp_path: Path, flash: esp32.Loader, size: int) -> None:
    content = random.Random(size).randbytes(size)
    updater = Updater(slot(), str(tmp_path / "update.json"), PUBLIC, "0.1.0")
    assert send(updater, content, manifest(content)) == {"installed": "0.2.0"}
    assert written(flash, size) == content
    assert flash.start() == 1


def test_an_interrupted_transfer_goes_on_where_it_was_noted(tmp_path: Path, flash: esp32.Loader) -> None:
    content = random.Random(1).randbytes(30 * BLOCK + 100)
    path = str(tmp_path / "update.json")
    offer = manifest(content)
    for stop_at in (3 * PIECE, 10 * BLOCK, 25 * BLOCK):  # a new object each time: the node lost power
        send(Updater(slot(), path, PUBLIC, "0.1.0"), content, offer, stop_at)
    updater = Updater(slot(), path, PUBLIC, "0.1.0")
    assert updater.offer({"manifest": offer})["want"] == 16 * BLOCK
    assert send(updater, content, offer) == {"installed": "0.2.0"}
    assert written(flash, len(content)) == content


@pytest.mark.slow
def test_a_power_cut_at_every_operation_on_the_flash_ends_in_the_old_or_the_whole_new_image(
    tmp_path: Path, flash: esp32.Loader
) -> None:
    content, path = random.Random(3).randbytes(18 * BLOCK + 5), str(tmp_path / "update.json")
    offer, cuts = manifest(content), 0
    while True:
        Path(path).unlink(missing_ok=True)
        Path(flash.image(1)).unlink(missing_ok=True)
        flash.save({"boot": 0, "running": 0, "states": [esp32.VALID, esp32.EMPTY]})
        flash.operations, flash.cut_at = 0, cuts
        try:
            send(Updater(slot(), path, PUBLIC, "0.1.0"), content, offer)
        except esp32.PowerCut:
            pass
        else:
            break
        cuts, flash.cut_at = cuts + 1, None
        assert flash.start() == 0  # half an image is never started
        assert send(Updater(slot(), path, PUBLIC, "0.1.0"), content, offer) == {"installed": "0.2.0"}
        assert written(flash, len(content)) == content
        assert flash.start() == 1
    assert cuts == 18 * 5 + 2  # an erase and four pieces a block; then one of each


def test_what_is_not_ours_newer_or_fitting_is_refused_before_anything_is_written(tmp_path: Path, flash: esp32.Loader) -> None:
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
        (manifest(b"x" * (esp32.BLOCKS * BLOCK + 1), "0.3.0"), "does not fit"),
        (manifest(b"", "0.3.0"), "does not fit"),
    ):
        with pytest.raises(UpdateError, match=reason):
            updater.offer({"manifest": offer})
    with pytest.raises(UpdateError, match="no update is under way"):
        updater.piece({"offset": 0, "data": ""})
    assert not written(flash, 1)
    assert flash.start() == 0


def test_an_image_that_was_garbled_on_the_way_is_never_started(tmp_path: Path, flash: esp32.Loader) -> None:
    content = random.Random(2).randbytes(2 * BLOCK)
    updater = Updater(slot(), str(tmp_path / "update.json"), PUBLIC, "0.1.0")
    wrong = bytearray(content)
    wrong[5000] ^= 1
    with pytest.raises(UpdateError, match="not what was signed"):
        send(updater, bytes(wrong), manifest(content))
    assert flash.start() == 0
    updater.offer({"manifest": manifest(content)})
    with pytest.raises(UpdateError, match="a piece of 3 B"):
        updater.piece({"offset": 0, "data": base64.b64encode(b"abc").decode()})
    assert send(updater, content, manifest(content)) == {"installed": "0.2.0"}


def test_the_boot_loader_goes_back_where_an_image_was_not_confirmed(tmp_path: Path, flash: esp32.Loader) -> None:
    content, path = b"image" * 100, str(tmp_path / "u.json")
    with pytest.raises(OSError, match="VALIDATE"):
        esp32.Partition(1).get_next_update().set_boot()  # nothing was written
    send(Updater(slot(), path, PUBLIC, "0.1.0"), content, manifest(content))
    assert flash.start() == 1
    assert [flash.start(), flash.start()] == [0, 0]  # it crashed before a good publish
    assert flash.state()["states"][1] == esp32.ABORTED
    send(Updater(slot(), path, PUBLIC, "0.1.0"), content, manifest(content))
    assert flash.start() == 1
    esp32.Partition.mark_app_valid_cancel_rollback()
    assert [flash.start(), flash.start()] == [1, 1]
    assert esp32.Partition(1).get_next_update().slot == 0  # the next update goes where the old image is


def archive(entries: dict[str, bytes]) -> bytes:
    return b"".join(f"{path}\n{len(data)}\n".encode() + data for path, data in entries.items())


def test_python_files_alone_are_updated_and_taken_back(tmp_path: Path) -> None:
    root = str(tmp_path)
    (tmp_path / "a" / "firmware").mkdir(parents=True)
    (tmp_path / "a" / "firmware" / "node.mpy").write_bytes(b"old")
    content = archive({"firmware/node.mpy": b"new\nwith\n\nlines", "vuong/contract/topics.mpy": b"", "main.py": b"x" * 3000})
    updater = Updater(FolderSlot(root), str(tmp_path / "update.json"), PUBLIC, "0.1.0")
    assert choose_folder(root) == "a"
    assert send(updater, content, manifest(content)) == {"installed": "0.2.0"}
    assert (tmp_path / "b" / "firmware" / "node.mpy").read_bytes() == b"new\nwith\n\nlines"
    assert (tmp_path / "b" / "main.py").read_bytes() == b"x" * 3000
    assert (tmp_path / "a" / "firmware" / "node.mpy").read_bytes() == b"old"
    assert [choose_folder(root) for _ in range(slots.TRIALS + 2)] == ["b"] * slots.TRIALS + ["a", "a"]

    send(Updater(FolderSlot(root), str(tmp_path / "update.json"), PUBLIC, "0.1.0"), content, manifest(content))
    assert choose_folder(root) == "b"
    confirm_folder(root)
    assert [choose_folder(root) for _ in range(5)] == ["b"] * 5


@pytest.mark.parametrize("path", ["/etc/passwd", "../boot.py", ""])
def test_an_archive_cannot_leave_its_folder(tmp_path: Path, path: str) -> None:
    content = archive({path: b"x"})
    updater = Updater(FolderSlot(str(tmp_path)), str(tmp_path / "update.json"), PUBLIC, "0.1.0")
    with pytest.raises(ValueError, match="does not fit"):
        send(updater, content, manifest(content))
    assert choose_folder(str(tmp_path)) == "a"


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
