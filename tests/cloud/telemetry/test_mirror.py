"""The mirror: a real VictoriaMetrics, away and back; nothing lost."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from cloud.telemetry.corrections import Correction, correct
from cloud.telemetry.ingest import Sender, take
from cloud.telemetry.mirror import InfluxSink, MirrorError, forward, waiting
from tests.cloud.batches import NOW, batch, packed, sample

A = Sender("gw-a", "coop-a")


def send(engine: Engine, *seqs: int) -> None:
    rows = [sample(n, time=NOW - 100_000 + n * 60, do=n / 10, ph=8.0) for n in seqs]
    take(engine, packed(batch(rows)), "gzip", sender=A, idempotency_key=None, now=NOW, mirror=True)


class Kept:
    """A sink that keeps lines, and fails when it is told to."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.down = False

    def write(self, lines: str) -> None:
        if self.down:
            raise MirrorError("down")
        self.lines += lines.splitlines()


def left(engine: Engine) -> int:
    with engine.connect() as connection:
        return waiting(connection)[0]


def test_what_is_stored_anew_is_put_out_once_in_order_and_waits_while_the_mirror_is_down(engine: Engine) -> None:
    sink = Kept()
    sink.down = True
    send(engine, 1, 2)
    send(engine, 1, 2, 3)
    send(engine, 3)
    with pytest.raises(MirrorError):
        forward(engine, sink)
    assert left(engine) == 2
    sink.down = False
    assert forward(engine, sink) == 2
    assert left(engine) == 0
    assert [line.split()[-1] for line in sink.lines] == [str(NOW - 100_000 + n * 60) for n in (1, 2, 3)]
    assert sink.lines[0] == f"water,node=00000000000000a1,pond=ao-a1 do=0.1,do_flag=1,ph=8,ph_flag=1 {NOW - 99_940}"


def test_a_correction_goes_to_the_mirror_too(engine: Engine) -> None:
    sink = Kept()
    send(engine, 1)
    fix = Correction("ao-a1", "do", NOW - 200_000, NOW, reason="drift", offset=2.0)
    assert correct(engine, fix, author="x", now=NOW, mirror=True) == 1
    forward(engine, sink)
    assert sink.lines[-1].startswith("water,node=00000000000000a1,pond=ao-a1 do=2.1,do_flag=1 ")


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "http://"])
def test_a_mirror_without_an_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="give http"):
        InfluxSink(url)


@contextmanager
def victoria(folder: Path, port: int) -> Iterator[None]:
    """Run VictoriaMetrics on a folder."""
    arguments = [
        f"-storageDataPath={folder}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",
    ]
    process = subprocess.Popen(["victoria-metrics", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


def exported(port: int, name: str) -> dict[int, float]:
    """Return a series by time (ms), after everything in memory was written."""
    httpx.get(f"http://127.0.0.1:{port}/internal/force_flush")
    reply = httpx.get(f"http://127.0.0.1:{port}/api/v1/export", params={"match[]": name})
    found: dict[int, float] = {}
    for line in reply.iter_lines():
        row = httpx.Response(200, text=line).json()
        found |= dict(zip(row["timestamps"], row["values"], strict=True))
    return found


@pytest.mark.slow
def test_the_real_victoriametrics_goes_away_for_a_day_and_nothing_is_lost(engine: Engine, tmp_path: Path) -> None:
    if shutil.which("victoria-metrics") is None:
        pytest.skip("LEFT OUT: VictoriaMetrics is not installed here (Debian: victoria-metrics)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sink = InfluxSink(f"http://127.0.0.1:{port}")
    with victoria(tmp_path / "vm", port):
        send(engine, *range(1, 50))
        assert forward(engine, sink) == 1
    for first in range(50, 1490, 60):  # a day of minutes, an hour a batch
        send(engine, *range(first, first + 60))
        with pytest.raises(MirrorError):
            forward(engine, sink)
    assert left(engine) == 24
    with victoria(tmp_path / "vm", port):
        while forward(engine, sink):
            pass
        held = exported(port, "water_do")
    assert left(engine) == 0
    assert held == {(NOW - 100_000 + n * 60) * 1000: pytest.approx(n / 10) for n in range(1, 1490)}
