"""A gateway without network: its configuration, its database, messages as nodes send them; and a real Mosquitto."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.config import Config, Mqtt
from gateway.ingest import Ingest
from gateway.observation import Pond
from gateway.store.store import Store
from vuong.clock import ManualClock
from vuong.contract import topics
from vuong.contract.encode import cbor_pack, json_pack
from vuong.limits import Limits
from vuong.quantities import QUANTITIES

NODE = "00124b0000000001"
NOON = 1_763_614_800  # 2025-11-20 05:00 UTC, noon at the pond


def pack(
    seq: int, *, boot: int = 7, first: int = 1, at: int = NOON, node: str = NODE, form: str = "json", **values: float
) -> bytes:
    """Return a node's message with one sample."""
    scaled = {name: QUANTITIES[name].scaled(value) for name, value in (values or {"do": 6.0, "temperature": 29.0}).items()}
    encode = json_pack if form == "json" else cbor_pack
    return bytes(encode(node, [(boot, seq, at, scaled)], {boot: first}))


@dataclass
class Bench:
    """An ingest on a real database, with a clock that the test moves."""

    path: Path
    nodes: int = 1
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOON))

    def __post_init__(self) -> None:
        ponds = [Pond(f"p{i}", f"Ao {i}", Limits()) for i in range(1, self.nodes + 1)]
        names = {f"00124b{i:010x}": pond for i, pond in enumerate(ponds, 1)}
        self.config = Config("gw-1", "Test", self.path, Mqtt(), None, {p.id: p for p in ponds}, names)
        self.start()

    def start(self) -> None:
        self.store = Store(self.path)
        self.ingest = Ingest(self.config, self.store, self.clock)

    def restart(self) -> None:
        """As after kill -9: nothing is written on the way out."""
        self.store.close()
        self.start()

    def send(self, *payloads: bytes, node: str = NODE, channel: str = topics.DATA) -> list[tuple[str, int, int]]:
        """Deliver messages and commit; return the acknowledgements as (node, boot, seq)."""
        self.ingest.take((topics.topic(node, channel), payload) for payload in payloads)
        return [(ack.node, ack.boot, ack.seq) for ack in self.ingest.commit()]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        return self.store._connection.execute(query).fetchall()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "gateway.db")
    yield made
    made.store.close()


@pytest.fixture(scope="session")
def make_bench() -> Callable[[Path], Bench]:
    return Bench


@pytest.fixture(scope="session")
def make_pack() -> Callable[..., bytes]:
    return pack


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Mosquitto:
    """A real broker that keeps its sessions in a file; it can be killed and started again."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {self.folder}/\n"
            "autosave_on_changes true\nautosave_interval 5000\nmax_queued_messages 0\nuser root\n",
            encoding="utf-8",
        )
        self.process = subprocess.Popen([binary, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise TimeoutError("mosquitto does not listen")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    if shutil.which("mosquitto") is None and not Path("/usr/sbin/mosquitto").exists():
        pytest.skip("LEFT OUT: Mosquitto is not installed (scripts/install_test_system.sh)")
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.kill()
