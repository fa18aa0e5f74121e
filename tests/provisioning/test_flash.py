"""esptool itself against a board that is a fake (`fake_rom`); what it wrote is mounted and booted by the real MicroPython."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from provisioning.image import layout
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
    board.room = layout.known(name, 4 * layout.MIB)
    done = vuong("node", "flash", board.port, "--firmware", file, "--trust", "--json")
    assert done.code == 0, done.err
    assert done.json["chip"] == "ESP32"
    assert done.json["flash_size"] == 4 * layout.MIB
    assert done.json["image"]["layout"] == name
    assert done.json["self_test"]["parts"]["storage"] == "ok"
    content = file.read_bytes()
    assert board.flash[0x1000 : 0x1000 + len(content)] == content
    assert set(board.flash[0:0x1000]) == {0xFF}


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
