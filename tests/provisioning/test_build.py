"""The image: same input, same bytes; read by littlefs and booted by the real MicroPython; too large is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from littlefs import LittleFS

from provisioning.failure import Failure
from provisioning.image import build, layout
from provisioning.image.layout import HALF, MIB, Partition
from tests.provisioning import firmware_files
from tests.provisioning.conftest import Vuong
from tests.provisioning.micropython import boot, needs_micropython

FILES = {"recovery/firmware/x.mpy": bytes(range(256)) * 40, "boot.py": b"", "tls/ca.der": b"certificate"}


@pytest.mark.parametrize("name", ["standard", "ota"])
@pytest.mark.parametrize("flash", layout.FLASH_SIZES)
def test_the_same_files_give_the_same_bytes_which_littlefs_reads(name: str, flash: int) -> None:
    chosen = layout.known(name, flash)
    image = build.pack(FILES, b"program", chosen)
    assert image.content == build.pack(dict(reversed(FILES.items())), b"program", chosen).content
    assert len(image.content) == flash - {"standard": 0x200000, "ota": 0x310000}[name]
    assert image.content[: 2 * HALF] == b"program".ljust(2 * HALF, b"\xff")
    system = LittleFS(block_size=4096, block_count=chosen.blocks, mount=False)
    system.context.buffer[:] = image.content[2 * HALF :]
    system.mount()
    for path, content in FILES.items():
        with system.open(path, "rb") as file:
            assert file.read() == content
    assert system.fs_stat().disk_version == build.DISK_VERSION
    assert image.used + image.free == chosen.size
    assert image.used == system.used_block_count * 4096


def test_too_large_is_refused() -> None:
    with pytest.raises(Failure, match="too large"):
        build.pack({"big": bytes(200_000)}, b"", layout.Layout("tiny", 0, 0, 16 * 4096))
    with pytest.raises(Failure, match="too large"):
        build.program({"big": bytes(HALF)})


STANDARD, OTA = list(firmware_files.STANDARD), list(firmware_files.OTA)
S3_OTA = [*OTA[:3], Partition(0, 0x10, 0x10000, 0x1D8000, b"ota_0"), Partition(0, 0x11, 0x1E8000, 0x1D8000, b"ota_1")]


@pytest.mark.parametrize(
    ("entries", "flash", "expected"),
    [
        (STANDARD, 4, layout.Layout("standard", 0x200000, 0x240000, 0x1C0000)),
        (STANDARD, 16, layout.Layout("standard", 0x200000, 0x240000, 0xDC0000)),
        (OTA, 4, layout.Layout("ota", 0x310000, 0x350000, 0xB0000)),
        (S3_OTA, 8, layout.Layout("own", 0x3C0000, 0x400000, 0x400000)),
    ],
)
def test_the_partition_table_is_extended(entries: list[Partition], flash: int, expected: layout.Layout) -> None:
    found, table = layout.extended(layout.write_table(entries), flash * MIB)
    assert found == expected
    assert len(table) == layout.TABLE_SIZE
    listed = layout.read_table(table)
    assert listed[: len(entries)] == entries
    rom, vfs = listed[len(entries) :]
    assert rom == Partition(
        1, 0x8F, expected.rom, 256 * 1024, b"romfs"
    )  # the subtype as in MicroPython's partitions-4MiB-romfs.csv
    assert vfs == Partition(1, 0x81, rom.end, flash * MIB - rom.end, b"vfs")
    assert rom.offset % 0x10000 == 0
    assert rom.offset >= max(entry.end for entry in entries)


@pytest.mark.parametrize(
    ("table", "flash", "failure"),
    [
        (b"\xff" * 96, 4, "table"),
        (layout.write_table(STANDARD[:2]), 4, "table"),
        (layout.write_table(OTA), 3, "table"),
        (layout.write_table([*STANDARD, Partition(1, 0x81, 0x200000, 0x100000, b"vfs")]), 4, "table_listed"),
        (layout.write_table([*STANDARD, Partition(1, 0x8F, 0x200000, 0x20000, b"romfs")]), 4, "table_listed"),
        (layout.write_table([*STANDARD, Partition(1, 0x40, 0x1F0000, 0x20000, b"more")]), 4, "table_broken"),
        (layout.write_table(STANDARD).replace(b"factory", b"factorx"), 4, "table_broken"),
    ],
)
def test_a_partition_table_that_cannot_be_extended_is_refused(table: bytes, flash: int, failure: str) -> None:
    with pytest.raises(Failure) as refused:
        layout.extended(table, flash * MIB)
    assert refused.value.key == failure


@given(
    st.lists(
        st.builds(
            Partition,
            st.integers(0, 255),
            st.integers(0, 255),
            st.integers(0, 2**32 - 1),
            st.integers(0, 2**32 - 1),
            st.binary(min_size=1, max_size=15).map(lambda label: label.rstrip(b"\0") or b"x"),
            st.integers(0, 2**32 - 1),
        ),
        max_size=95,
    )
)
def test_a_partition_table_is_read_as_it_was_written(entries: list[Partition]) -> None:
    assert layout.read_table(layout.write_table(entries)) == entries


@pytest.mark.slow
def test_command_writes_the_image_and_says_what_is_left(vuong: Vuong, tmp_path: Path) -> None:
    first = vuong("node", "build", "--out", tmp_path / "one.image", "--json")
    second = vuong("node", "build", "--out", tmp_path / "two.image", "--json")
    assert first.code == second.code == 0
    assert first.json["sha256"] == second.json["sha256"]
    assert first.json["free"] + first.json["used"] == 0x1C0000
    assert (tmp_path / "one.image").stat().st_size == 0x200000
    told = vuong("node", "build", "--out", tmp_path / "three.image", "--lang", "vi")
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


@pytest.mark.slow
@needs_micropython
@pytest.mark.parametrize("name", ["standard", "ota"])
def test_the_real_micropython_boots_it(tmp_path: Path, name: str) -> None:
    entries = firmware_files.STANDARD if name == "standard" else firmware_files.OTA
    flash = tmp_path / "flash"
    flash.write_bytes(firmware_files.flash(build.made(None, layout.known(name, 4 * MIB)), entries))
    found = boot(flash, tmp_path)
    assert found["parts"]["program"] == found["parts"]["storage"] == "ok"
    assert found["parts"]["certificate"] == "/tls/ca.der is missing"
    assert found["firmware"]
