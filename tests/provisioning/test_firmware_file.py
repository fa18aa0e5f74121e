"""What is refused before a board is touched, and ports that cannot be used."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from serial import SerialException

from provisioning.board import port
from provisioning.failure import Failure
from tests.provisioning import firmware_files
from tests.provisioning.conftest import Vuong


def _flash(vuong: Vuong, file: Path, *more: str) -> str:
    done = vuong("node", "flash", "/dev/no-such-port", "--firmware", file, "--json", *more)
    assert done.code in {1, 2}
    assert "Traceback" not in done.err
    return str(done.json["failure"])


def test_unknown_firmware_must_be_vouched_for_once(vuong: Vuong, tmp_path: Path) -> None:
    file = firmware_files.write(tmp_path / "a.bin")
    assert _flash(vuong, file) == "firmware_unknown"
    assert _flash(vuong, file, "--sha256", "0" * 64) == "firmware_sum"
    assert _flash(vuong, file, "--sha256", hashlib.sha256(file.read_bytes()).hexdigest()) == "port_gone"
    assert _flash(vuong, file) == "port_gone"  # known from now on
    file.write_bytes(file.read_bytes() + b"\0")
    assert _flash(vuong, file) == "firmware_unknown"


@pytest.mark.parametrize(
    ("chip", "version", "failure"),
    [
        (firmware_files.ESP32_C3, "v1.26.1", "firmware_chip"),
        (firmware_files.ESP32, "v1.25.0", "firmware_old"),
        (firmware_files.ESP32, "no version", "firmware_garbage"),
    ],
)
def test_wrong_files(vuong: Vuong, tmp_path: Path, chip: int, version: str, failure: str) -> None:
    assert _flash(vuong, firmware_files.write(tmp_path / "a.bin", chip=chip, version=version)) == failure


def test_garbage_and_missing_files(vuong: Vuong, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<html>not found")
    assert _flash(vuong, tmp_path / "page.html") == "firmware_garbage"
    assert _flash(vuong, tmp_path / "missing.bin") == "file_unreadable"


@dataclass
class Listed:
    device: str
    vid: int | None


def test_the_one_port_with_a_board_is_found() -> None:
    listed = [Listed("/dev/ttyS0", None), Listed("/dev/ttyUSB0", 0x10C4)]
    assert port.choose(listed) == "/dev/ttyUSB0"
    with pytest.raises(Failure, match="No board"):
        port.choose(listed[:1])
    with pytest.raises(Failure, match="several boards: /dev/ttyACM0, /dev/ttyUSB0"):
        port.choose([*listed, Listed("/dev/ttyACM0", 0x303A)])


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (
            SerialException(13, "could not open port /dev/ttyUSB0: [Errno 13] Permission denied: '/dev/ttyUSB0'"),
            "port_permission",
        ),
        (SerialException(2, "could not open port"), "port_gone"),
        (SerialException("[Errno 16] Device or resource busy"), "port_busy"),
        (OSError(5, "Input/output error"), "port_broken"),
    ],
)
def test_ports_that_cannot_be_used(error: Exception, key: str) -> None:
    assert port.failure("/dev/ttyUSB0", error).key == key
