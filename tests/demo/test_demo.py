"""`vuong demo` as machines and people call it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from demo import broker
from demo.system import System
from tests.faults.bench import START, whole
from vuong.command import main

COMMAND = [sys.executable, "-m", "vuong", "demo"]


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def call(*arguments: str, language: str = "en") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"VUONG_LANG": language},
    )


@pytest.mark.slow
def test_counts_for_machines(tmp_path: Path) -> None:
    done = call("--seconds", "12", "--json", "--dir", str(tmp_path / "d"), "--ponds", "4", "--factor", "600")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert set(counts) == {"published", "committed", "stored", "lost", "doubled", "alarms"}
    assert counts["published"] == counts["committed"] == counts["stored"] > 4 * 288  # three days of history at least
    assert counts["lost"] == counts["doubled"] == 0
    assert counts["alarms"] >= 1
    assert not _processes_of(tmp_path)


@pytest.mark.slow
def test_recorded_series_is_played(tmp_path: Path) -> None:
    series = tmp_path / "series.csv"
    rows = [
        f"2026-01-{1 + i // 96:02d}T{i // 4 % 24:02d}:{i % 4 * 15:02d}:00Z,{28 + i % 7 / 10},{6 + i % 5 / 10}" for i in range(960)
    ]
    series.write_text("time,temperature,do\n" + "\n".join(rows) + "\n", encoding="utf-8")
    done = call(
        "--seconds", "8", "--json", "--dir", str(tmp_path / "d"), "--ponds", "2", "--replay", str(series), "--factor", "1800"
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["published"] == counts["stored"] > 2 * 288
    assert counts["lost"] == counts["doubled"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_leaves_no_process_behind(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "--port", free_port(), "--dir", str(tmp_path / "d"), "--ponds", "1"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "http://127.0.0.1:" in line:
                break
        else:
            pytest.fail("the demo ended before it told its address")
        assert len(_processes_of(tmp_path)) >= 4
        process.send_signal(number)
        process.wait(30)
    deadline = time.monotonic() + 15
    while _processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not _processes_of(tmp_path)


def _processes_of(directory: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if str(directory) in line and process.pid != os.getpid():
            found.append(line)
    return found


@pytest.mark.slow
async def test_each_gateway_has_its_page_at_the_pond(tmp_path: Path) -> None:
    async with System(tmp_path, ponds=3, start=START, factor=600.0, history=0, told=None, lan=True) as system:
        assert len(system.pages) == len(system.farm.coops)
        page = system.pages[0]
        async with httpx.AsyncClient(base_url=page.address) as phone:
            for _ in range(200):
                try:
                    entered = await phone.post("/api/v1/devices", json={"pin": page.pin, "name": "phone"})
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
            phone.headers["Authorization"] = f"Bearer {entered.json()['token']}"
            assert (await phone.get("/api/v1/me")).json()["role"] == "technician"
            assert (await phone.get("/api/v1/ponds")).json()


@pytest.mark.slow
async def test_embedded_broker_where_there_is_no_mosquitto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "_MOSQUITTO", None)  # as on a machine that has none
    async with System(tmp_path, ponds=3, start=START, factor=600.0, history=0, told=None) as system:
        await asyncio.sleep(6)
        system.tree.children["broker"].process.kill()  # type: ignore[union-attr]
        await asyncio.sleep(6)
        assert await system.drain(60)
        whole(system.count(), at_least=30)
        assert "amqtt" not in system.tree.children["broker"].command[0]
        assert system.tree.children["broker"].restarts == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ponds", "0"], "--ponds is 0"),
        (["--factor", "0"], "--factor is 0"),
        (["--seconds", "-1"], "--seconds is -1"),
        (["--replay", "nowhere.csv.gz"], "nowhere.csv.gz"),
    ],
)
def test_wrong_calls_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.setenv("VUONG_LANG", "en")
    assert main(["demo", "--dir", str(tmp_path / "d"), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_never_touches_a_folder_that_is_not_a_demos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letter.txt").write_text("keep me", encoding="utf-8")
    assert main(["demo", "--dir", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert (tmp_path / "letter.txt").read_text(encoding="utf-8") == "keep me"
