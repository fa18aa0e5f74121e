"""The node's very code under the real MicroPython with 32-bit words and a heap of 64 KB, against a real Mosquitto."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from firmware.build import ROOT, build

from .conftest import Broker, Gateway, until

NODE = "0123456789abcdef"
MICROPYTHON = ROOT / ".micropython" / "micropython"
HEAP = 65536

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not MICROPYTHON.exists(), reason="LEFT OUT: no MicroPython here; run scripts/micropython_root.sh .micropython"
    ),
]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the node's image as it is shipped: byte code."""
    target = tmp_path_factory.mktemp("image")
    build(target)
    return target


class MicroNode:
    """A node in a MicroPython process; `seen` is its newest report."""

    def __init__(self, image: Path, folder: Path, port: int, factor: float) -> None:
        self.folder = folder
        self.seen: dict[str, int] = {}
        self.lines: list[str] = []
        script = Path(__file__).with_name("on_micropython.py")
        self.process = subprocess.Popen(
            [MICROPYTHON, "-X", f"heapsize={HEAP}", str(script), str(folder), str(port), str(factor)],
            env={"MICROPYPATH": f"{image}:.frozen"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reader = Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith("{"):
                self.seen = json.loads(line)

    def seq(self) -> int:
        assert self.process.poll() is None, "".join(self.lines[-20:])
        return self.seen.get("seq", 0)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def started() -> Iterator[list[MicroNode]]:
    nodes: list[MicroNode] = []
    yield nodes
    for node in nodes:
        node.kill()


async def test_sample_lose_the_broker_come_back_drain_and_forget(
    image: Path, tmp_path: Path, broker: Broker, started: list[MicroNode], capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = Gateway(NODE)
    node = MicroNode(image, tmp_path, broker.port, 200)
    started.append(node)
    async with gateway.on(broker.port):
        await until(lambda: node.seq() >= 10 and len(gateway.samples) >= 10)
    broker.kill()
    lost_at = node.seq()
    await until(lambda: node.seq() >= lost_at + 150, 30)
    assert node.seen["held"] >= 140
    node.kill()  # a power cut in the middle of it
    boot = node.seen["boot"]

    broker.start()
    node = MicroNode(image, tmp_path, broker.port, 100)
    started.append(node)
    async with gateway.on(broker.port):
        await until(lambda: node.seq() >= 10 and node.seen["held"] <= 5, 30)
        (tmp_path / "stop").touch()
        assert node.process.wait(10) == 0, "".join(node.lines[-20:])
    stored = sorted(seq for b, seq in gateway.samples if b == boot)
    assert stored == list(range(1, stored[-1] + 1))
    assert stored[-1] >= lost_at + 150
    assert {v for b, s in gateway.samples for v in gateway.samples[b, s][1].items()} == {
        ("temperature", 28.74),
        ("do", 5.12),
        ("ph", 7.8),
        ("salinity", 15.2),
    }
    assert not gateway.problems
    peak = max(json.loads(line)["peak"] for line in node.lines if '"peak"' in line)
    with capsys.disabled():
        print(f"\nMicroPython, heap {HEAP} B: peak in use {peak} B, {len(stored)} samples of the first boot drained")  # noqa: T201
    assert peak < HEAP
