"""The image: same input, same bytes; read by littlefs and booted by the real MicroPython; too large is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from littlefs import LittleFS

from provisioning.failure import Failure
from provisioning.image import build, layout
from tests.provisioning.conftest import Vuong
from tests.provisioning.micropython import boot, needs_micropython

FILES = {"a/firmware/x.mpy": bytes(range(256)) * 40, "boot.py": b"", "tls/ca.der": b"certificate"}


@pytest.mark.parametrize("name", ["standard", "ota"])
@pytest.mark.parametrize("flash", layout.FLASH_SIZES)
def test_the_same_files_give_the_same_bytes_which_littlefs_reads(name: str, flash: int) -> None:
    chosen = layout.known(name, flash)
    image = build.pack(FILES, chosen)
    assert image.content == build.pack(dict(reversed(FILES.items())), chosen).content
    assert len(image.content) == chosen.size == flash - {"standard": 0x200000, "ota": 0x310000}[name]
    system = LittleFS(block_size=4096, block_count=chosen.blocks, mount=False)
    system.context.buffer[:] = image.content
    system.mount()
    for path, content in FILES.items():
        with system.open(path, "rb") as file:
            assert file.read() == content
    assert system.fs_stat().disk_version == build.DISK_VERSION
    assert image.used + image.free == chosen.size
    assert image.used == system.used_block_count * 4096


def test_too_large_is_refused() -> None:
    with pytest.raises(Failure, match="too large"):
        build.pack({"big": bytes(200_000)}, layout.Layout("tiny", 0, 16 * 4096))


def _entry(kind: int, subtype: int, offset: int, size: int, label: bytes) -> bytes:
    return struct.pack("<2sBBII16sI", b"\xaa\x50", kind, subtype, offset, size, label, 0)


NVS = _entry(1, 2, 0x9000, 0x6000, b"nvs")
FACTORY = _entry(0, 0, 0x10000, 0x1F0000, b"factory")
SLOTS = _entry(0, 0x10, 0x10000, 0x180000, b"ota_0") + _entry(0, 0x11, 0x190000, 0x180000, b"ota_1")


@pytest.mark.parametrize(
    ("table", "flash", "expected"),
    [
        (NVS + FACTORY, 4, layout.Layout("standard", 0x200000, 0x200000)),
        (NVS + FACTORY, 16, layout.Layout("standard", 0x200000, 0xE00000)),
        (NVS + SLOTS, 4, layout.Layout("ota", 0x310000, 0xF0000)),
        (NVS + FACTORY + _entry(1, 0x81, 0x200000, 0x100000, b"vfs"), 4, layout.Layout("listed", 0x200000, 0x100000)),
        (b"\xff" * 96, 4, None),
        (NVS + SLOTS, 3, None),
    ],
)
def test_layout_from_the_partition_table(table: bytes, flash: int, expected: layout.Layout | None) -> None:
    assert layout.read_table(table + b"\xff" * 32, flash * layout.MIB) == expected


def test_command_writes_the_image_and_says_what_is_left(vuong: Vuong, tmp_path: Path) -> None:
    first = vuong("node", "build", "--out", tmp_path / "one.littlefs", "--json")
    second = vuong("node", "build", "--out", tmp_path / "two.littlefs", "--json")
    assert first.code == second.code == 0
    assert first.json["sha256"] == second.json["sha256"]
    assert first.json["free"] + first.json["used"] == 0x200000
    assert (tmp_path / "one.littlefs").stat().st_size == 0x200000
    told = vuong("node", "build", "--out", tmp_path / "three.littlefs", "--lang", "vi")
    assert "cho số đo" in told.out
    assert "0x200000" in told.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--node", "70b3d57ed0001a2b"), 2, "Run first: vuong node provision"),
        (("--out", "/dev/null/image"), 1, "cannot be written"),
    ],
)
def test_failures_have_a_sentence_and_a_remedy(vuong: Vuong, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = vuong("node", "build", *arguments)
    assert done.code == code
    assert "→" in done.err
    assert said in done.err
    assert "Traceback" not in done.err


@needs_micropython
@pytest.mark.parametrize("name", ["standard", "ota"])
def test_the_real_micropython_boots_it(tmp_path: Path, name: str) -> None:
    chosen = layout.known(name, 4 * layout.MIB)
    flash = tmp_path / "flash"
    flash.write_bytes(b"\xff" * chosen.offset + build.pack(build.contents(None), chosen).content)
    found = boot(flash, chosen.offset, chosen.size)
    assert found["parts"]["program"] == found["parts"]["storage"] == "ok"
    assert found["parts"]["certificate"] == "/tls/ca.der is missing"
    assert found["firmware"]
