"""``vuong gateway pin``, ``pair``, ``devices``, ``lan`` as a technician runs them."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from gateway.lan.access import Access
from gateway.lan.entries import Entries
from vuong.command import main

TOML = """
[gateway]
id = "gw-1"
name = "HTX Thử"
database = "gateway.db"
[lan]
host = "127.0.0.1"
port = {port}
{more}
[[ponds]]
id = "p1"
[[nodes]]
id = "00124b0000000001"
pond = "p1"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    path = tmp_path / "gateway.toml"
    path.write_text(TOML.format(port=port, more=""), encoding="utf-8")
    return path


def test_pin_comes_from_standard_input_and_a_bad_one_is_told(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("123456\n"))
    assert main(["gateway", "pin", "--config", str(config)]) == 2
    assert "easy to guess" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.StringIO("493817\n"))
    assert main(["gateway", "pin", "--config", str(config), "--role", "technician"]) == 0
    assert "493817" not in capsys.readouterr().err
    entries = Entries(config.with_name("gateway.db"))
    assert Access(entries.connection).sign_in("493817", "x", "a", time.time()) is not None
    entries.close()


def test_pair_prints_a_code_that_a_phone_reads(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "pair.png"
    assert main(["gateway", "pair", "--config", str(config), "--name", "Cô Sáu", "--png", str(picture)]) == 0
    out = capsys.readouterr().out
    address = out.strip().splitlines()[-1]
    assert address.startswith("http://127.0.0.1:")
    assert "▀" in out or "█" in out or "\x1b[" in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_mode & 0o077 == 0
    code = address.split("code=")[1]
    entries = Entries(config.with_name("gateway.db"))
    assert Access(entries.connection).pair(code, "phone", "a", time.time()) is not None
    entries.close()


def test_devices_are_listed_and_revoked(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "pair", "--config", str(config), "--name", "Cô Sáu", "--json"]) == 0
    code = json.loads(capsys.readouterr().out)["code"]
    entries = Entries(config.with_name("gateway.db"))
    token = Access(entries.connection).pair(code, "phone", "a", time.time())
    assert token is not None
    assert main(["gateway", "devices", "--config", str(config), "--json"]) == 0
    (device,) = json.loads(capsys.readouterr().out)["devices"]
    assert (device["name"], device["role"]) == ("Cô Sáu", "farmer")
    assert main(["gateway", "devices", "--config", str(config), "--revoke", device["id"]]) == 0
    assert Access(entries.connection).device(token, time.time()) is None
    assert main(["gateway", "devices", "--config", str(config), "--revoke", device["id"]]) == 2
    assert "there is no device" in capsys.readouterr().err
    entries.close()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('cert_file = "x.pem"', "lan.cert_file and lan.key_file belong together"),
        ("colour = 1", "lan.colour is not known"),
        ('[home_assistant]\nenabled = "yes"', "home_assistant.enabled is 'yes'; give true or false"),
    ],
)
def test_a_wrong_field_is_told(config: Path, more: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(TOML.format(port=8080, more=more), encoding="utf-8")
    assert main(["gateway", "lan", "--config", str(config)]) == 2
    assert told in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        config.write_text(TOML.format(port=other.getsockname()[1], more=""), encoding="utf-8")
        assert main(["gateway", "lan", "--config", str(config)]) == 2
    assert "cannot listen on 127.0.0.1" in capsys.readouterr().err


# What the Pi has: the gateway's commands without the cloud's and the demo's libraries.
_ALONE = """
import argparse
from gateway import commands
parser = argparse.ArgumentParser()
commands.register(parser.add_subparsers())
arguments = parser.parse_args()
arguments.run(arguments)
"""


@pytest.mark.slow
def test_the_process_is_small_and_ends_when_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = subprocess.Popen([sys.executable, "-c", _ALONE, "gateway", "lan", "--config", str(config)], stderr=subprocess.PIPE)
    port = config.read_text(encoding="utf-8").split("port = ")[1].split()[0]
    try:
        for _ in range(200):
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
                break
            except httpx.TransportError:
                time.sleep(0.1)
        time.sleep(2)
        assert httpx.get(f"http://127.0.0.1:{port}/sign-in").status_code == 200
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
        with capsys.disabled():
            sys.stdout.write(f"\nvuong gateway lan: {resident:.0f} MB resident\n")
        assert resident < 90
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) in {0, -signal.SIGTERM}
        process.communicate()
