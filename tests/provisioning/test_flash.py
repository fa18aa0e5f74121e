"""esptool itself against a board that is a fake (`fake_rom`); what it wrote is mounted and booted by the real MicroPython."""

from __future__ import annotations

import errno
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from provisioning.failure import Failure
from provisioning.image import layout
from provisioning.session import Session
from provisioning.workspace import Workspace
from tests.provisioning import firmware_files
from tests.provisioning.conftest import Vuong
from tests.provisioning.fake_rom import FakeRom
from tests.provisioning.micropython import needs_micropython

pytestmark = pytest.mark.slow
MakeBoard = Callable[..., FakeRom]


@pytest.fixture
def make_board(tmp_path: Path) -> Iterator[MakeBoard]:
    made: list[FakeRom] = []

    def make(**options: Any) -> FakeRom:  # noqa: ANN401 - FakeRom's own
        made.append(FakeRom(**options))
        made[-1].folder = tmp_path
        return made[-1]

    yield make
    for board in made:
        board.close()


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    return firmware_files.write(tmp_path / "ESP32_GENERIC.bin")


@needs_micropython
@pytest.mark.parametrize("name", ["standard", "ota"])
def test_a_bare_board_is_written_verified_booted_and_says_that_it_is_well(
    vuong: Vuong, make_board: MakeBoard, tmp_path: Path, name: str
) -> None:
    entries = firmware_files.STANDARD if name == "standard" else firmware_files.OTA
    file = firmware_files.write(tmp_path / "micropython.bin", entries=entries)
    board = make_board()
    done = vuong("node", "flash", board.port, "--firmware", file, "--trust", "--json")
    assert done.code == 0, done.err
    assert done.json["chip"] == "ESP32"
    assert done.json["flash_size"] == 4 * layout.MIB
    assert done.json["image"]["layout"] == name
    assert done.json["self_test"]["parts"]["storage"] == "ok"
    content = file.read_bytes()
    table, behind = slice(layout.TABLE_AT, layout.TABLE_AT + layout.TABLE_SIZE), layout.TABLE_AT + layout.TABLE_SIZE
    assert board.flash[0x1000 : layout.TABLE_AT] == content[: layout.TABLE_AT - 0x1000]
    assert board.flash[behind : 0x1000 + len(content)] == content[behind - 0x1000 :]
    assert set(board.flash[0:0x1000]) == {0xFF}
    room = layout.known(name, 4 * layout.MIB)
    listed = layout.read_table(bytes(board.flash[table]))
    assert tuple(listed[: len(entries)]) == entries
    assert [(p.label, p.offset, p.size) for p in listed[len(entries) :]] == [
        (b"romfs", room.rom, 256 * 1024),
        (b"vfs", room.offset, 4 * layout.MIB - room.offset),
    ]
    assert done.json["in_place"] is done.json["self_test"]["in_place"] is True


@needs_micropython
def test_a_micropython_without_romfs_is_told_of_and_runs_too(vuong: Vuong, make_board: MakeBoard, tmp_path: Path) -> None:
    board = make_board()
    (tmp_path / "no_rom").touch()
    file = firmware_files.write(tmp_path / "micropython.bin", rom=False)
    done = vuong("node", "flash", board.port, "--firmware", file, "--trust")
    assert done.code == 0, done.err
    assert "built without ROMFS" in done.out + done.err
    assert "self-test: well" in done.out


def test_a_large_flash_is_used_as_far_as_the_firmwares_header_states(vuong: Vuong, make_board: MakeBoard, firmware: Path) -> None:
    """The boot loader refuses a table that goes beyond it."""
    done = vuong(
        "node", "flash", make_board(flash_size=8 * layout.MIB).port, "--firmware", firmware, "--trust", "--dry-run", "--json"
    )
    assert done.json["flash_size"] == 8 * layout.MIB
    assert done.json["image"]["offset"] + done.json["image"]["size"] == 4 * layout.MIB


def test_dry_run_writes_nothing(vuong: Vuong, make_board: MakeBoard, firmware: Path) -> None:
    board = make_board()
    done = vuong("node", "flash", board.port, "--firmware", firmware, "--trust", "--dry-run", "--json")
    assert done.code == 0, done.err
    assert done.json["written"] is False
    assert board.blocks == 0
    assert set(board.flash) == {0xFF}


@pytest.mark.parametrize(
    ("fault", "failure", "said"),
    [
        ({"corrupt_block": 3}, "verify", "another cable"),
        ({"silent": True}, "boot_mode", "BOOT"),
        ({"silent_after_block": 4}, "cable", "run this again"),
        ({"unplug_after_block": 4}, "cable", "Plug the cable"),
        ({"chip": "ESP32-S2"}, "chip", "Take MicroPython's file for ESP32-S2"),
    ],
)
def test_faults_of_board_and_cable(
    vuong: Vuong, make_board: MakeBoard, firmware: Path, fault: dict[str, Any], failure: str, said: str
) -> None:
    done = vuong("node", "flash", make_board(**fault).port, "--firmware", firmware, "--trust", "--json")
    assert done.code == 1
    assert done.json["failure"] == failure
    assert said in done.err
    assert "Traceback" not in done.err
    if failure == "cable":
        assert 0 < int(done.json["message"].split(" % ")[0].split()[-1]) < 100


def test_a_cable_lost_at_a_third_is_told_so(vuong: Vuong, make_board: MakeBoard, firmware: Path) -> None:
    done = vuong("node", "flash", make_board(unplug_after_block=10).port, "--firmware", firmware, "--trust", "--json")
    assert (done.code, done.json["failure"]) == (1, "cable")
    percent = int(done.json["message"].split(" % ")[0].split()[-1])
    assert 30 <= percent <= 50, done.json["message"]
    assert "the board is not harmed" in done.json["remedy"]


@pytest.mark.parametrize(
    ("error", "failure", "said"),
    [
        (errno.EACCES, "port_permission", "sudo usermod -aG dialout $USER"),
        (errno.EBUSY, "port_busy", "Close"),
    ],
)
def test_a_port_that_the_system_does_not_give(
    vuong: Vuong, firmware: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: int, failure: str, said: str
) -> None:
    """Whoever runs the tests may be root, to whom no port is refused: the system's own answer is put in its place."""
    port, own = tmp_path / "ttyUSB0", os.open
    port.touch()

    def refused(path: Any, *more: Any, **named: Any) -> int:  # noqa: ANN401 - os.open's own
        if str(path) == str(port):
            raise OSError(error, os.strerror(error), str(port))
        return own(path, *more, **named)

    monkeypatch.setattr(os, "open", refused)
    done = vuong("node", "flash", port, "--firmware", firmware, "--trust", "--json")
    assert (done.code, done.json["failure"]) == (1, failure)
    assert said in done.json["remedy"]


def test_no_board_at_any_port(vuong: Vuong, firmware: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serial.tools.list_ports.comports", list)
    done = vuong("node", "flash", "--firmware", firmware, "--trust", "--json")
    assert (done.code, done.json["failure"]) == (1, "port_none")
    assert "only charge" in done.json["remedy"]


def test_readings_that_do_not_fit(vuong: Vuong, make_board: MakeBoard, tmp_path: Path) -> None:
    """A MicroPython whose application leaves room for the program and a few readings."""
    behind = 2 * layout.HALF + 0x10000
    entries = (firmware_files.NVS, layout.Partition(0, 0, 0x10000, 4 * layout.MIB - 0x10000 - behind, b"factory"))
    file = firmware_files.write(tmp_path / "large.bin", entries=entries)
    board = make_board()
    done = vuong("node", "flash", board.port, "--firmware", file, "--trust", "--json")
    assert (done.code, done.json["failure"], board.blocks) == (1, "table", 0)
    assert "leaves no room" in done.json["message"]


# Issue: "every failure has a sentence and a remedy".
@pytest.mark.parametrize(
    "key",
    ["port_none", "port_permission", "chip", "boot_mode", "cable", "verify", "image_large", "firmware_unknown"],
)
def test_every_failure_has_a_sentence_and_a_remedy_of_its_own_in_each_language(key: str) -> None:
    numbers = dict.fromkeys(("port", "found", "wanted", "file", "problem", "percent", "size", "room", "version", "sha256"), "7")
    failure = Failure(key, **numbers)
    said = {text for language in ("vi", "en", "km") for text in (failure.sentence(language), failure.remedy(language))}
    assert len(said) == 6


def test_progress_tells_the_time_that_is_left(tmp_path: Path) -> None:
    screen = io.StringIO()
    errors = Console(file=screen, force_terminal=True, width=100)
    session = Session("en", as_json=False, workspace=Workspace(tmp_path), errors=errors)
    with session.progress("flash.writing", 100) as report:
        for percent in (10, 20, 40):
            time.sleep(0.15)
            report(percent, 100)
    shown = screen.getvalue()
    assert "40%" in shown
    assert "0:00:0" in shown


def test_a_flash_that_is_too_small(vuong: Vuong, make_board: MakeBoard, firmware: Path) -> None:
    board = make_board(flash_size=2 * layout.MIB)
    done = vuong("node", "flash", board.port, "--firmware", firmware, "--trust", "--json")
    assert (done.code, done.json["failure"]) == (1, "table")
    assert board.blocks == 0


def test_label_shows_the_node(tmp_path: Path) -> None:
    from provisioning.board import label

    for name in ("label.png", "label.pdf"):
        label.write("70b3d57ed0001a2b", "ao-1", tmp_path / name)
    assert (tmp_path / "label.pdf").read_bytes().startswith(b"%PDF")
    with Image.open(tmp_path / "label.png") as picture:
        assert picture.size == (620, 300)
