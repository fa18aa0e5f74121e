"""Files on a node over its cable: the real mpremote with the real MicroPython on a flash image, behind a pty."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from littlefs import LittleFS

from provisioning.image import build, layout
from tests.firmware.boards import ENVIRONMENT, command, stand_ins
from tests.provisioning import firmware_files
from tests.provisioning.conftest import Vuong
from tests.provisioning.micropython import HEAP, needs_micropython

NODE = "70b3d57ed0001a2b"
WIFI = "cơm tấm sườn"
ROOM = layout.known("standard", 4 * layout.MIB)
pytestmark = [
    pytest.mark.slow,
    needs_micropython,
    pytest.mark.skipif(shutil.which("socat") is None, reason="LEFT OUT: socat is not installed: scripts/install_test_system.sh"),
]


@pytest.fixture
def flash(vuong: Vuong, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Flash of a provisioned node that holds readings."""
    monkeypatch.setenv("VUONG_CA_PASSPHRASE", "four words to remember")
    monkeypatch.setenv("VUONG_WIFI_PASSWORD", WIFI)
    assert vuong("fleet", "init", "--name", "HTX").code == 0
    done = vuong("node", "provision", NODE, "--pond", "ao-1", "--gateway", "vuong.local", "--wifi", "Ao1")
    assert done.code == 0, done.err
    files = build.contents(workspace / "nodes" / NODE) | {"queue/00000001": b"readings"}
    path = tmp_path / "flash"
    path.write_bytes(firmware_files.flash(build.pack(files, build.program(build.compiled()), ROOM)))
    return path


@contextmanager
def _node(flash: Path, folder: Path) -> Iterator[str]:
    """Run a board's prompt under MicroPython behind a pty; yield its port."""
    script, link = folder / "node.sh", folder / "ttyNODE"
    stand_ins(folder, raw_repl=Path(__file__).with_name("raw_repl.py").read_text(encoding="utf-8"))
    environment = " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())
    script.write_text(f"#!/bin/sh\nexport {environment}\nexec {' '.join(command(flash, folder, HEAP, 'only-prompt'))}\n")
    script.chmod(0o755)
    socat = subprocess.Popen(["socat", f"PTY,link={link},raw,echo=0", f"EXEC:{script},pty,raw,echo=0,stderr"])
    deadline = time.monotonic() + 10
    while not link.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield str(link)
    socat.terminate()
    socat.wait(10)


@pytest.fixture
def port(flash: Path, tmp_path: Path) -> Iterator[str]:
    """Port of a node whose prompt answers."""
    with _node(flash, tmp_path) as found:
        yield found


def _files(flash: Path) -> dict[str, bytes]:
    system = LittleFS(block_size=4096, block_count=ROOM.blocks, mount=False)
    system.context.buffer[:] = flash.read_bytes()[ROOM.offset :]
    system.mount()
    found = {}
    for folder, _, names in system.walk("/"):
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            with system.open(path, "rb") as file:
                found[path] = file.read()
    return found


def test_configuration_is_shown_without_secrets_and_changed(vuong: Vuong, port: str, flash: Path) -> None:
    done = vuong("node", "config", port, "--set", "interval=600", "--json")
    assert done.code == 0, done.err
    assert done.json["config"]["interval"] == 600
    assert WIFI not in done.out
    stored = json.loads(_files(flash)["/config.json"])
    assert stored["interval"] == 600
    assert stored["networks"] == {"Ao1": WIFI}


@pytest.mark.parametrize(("given", "failure"), [("interval=5", "config_value"), ("node=x", "config_field")])
def test_a_wrong_change_changes_nothing(vuong: Vuong, port: str, flash: Path, given: str, failure: str) -> None:
    before = _files(flash)
    done = vuong("node", "config", port, "--set", given, "--json")
    assert (done.code, done.json["failure"]) == (2, failure)
    assert _files(flash) == before


def test_wipe_wants_the_id_twice_and_leaves_the_program_only(vuong: Vuong, port: str, flash: Path) -> None:
    before = _files(flash)
    assert vuong("node", "wipe", port, "--yes", NODE, NODE[:-1] + "c", "--json").json["failure"] == "wipe_refused"
    assert _files(flash) == before
    done = vuong("node", "wipe", port, "--yes", NODE, NODE, "--json")
    assert done.code == 0, done.err
    assert {path.split("/")[1] for path in _files(flash)} == {"recovery", "boot.py", "main.py"}


def test_a_port_that_is_not_there(vuong: Vuong, tmp_path: Path) -> None:
    done = vuong("node", "config", tmp_path / "no-port", "--json")
    assert (done.code, done.json["failure"]) == (1, "port_gone")
