"""A real Mosquitto on a free port, and the smallest honest gateway: it commits, de-duplicates and acknowledges."""

from __future__ import annotations

import asyncio
import getpass
import json
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiomqtt
import pytest

from provisioning.image import build
from vuong.contract import decode, topics

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Broker:
    """One Mosquitto process that can be killed and started again on the same port."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        if not Path(MOSQUITTO).exists():
            pytest.skip("LEFT OUT: Mosquitto is not installed")
        self.port, self.folder, self.settings = free_port(), folder, settings
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        config = self.folder / "mosquitto.conf"
        config.write_text(f"user {getpass.getuser()}\nlistener {self.port} 127.0.0.1\nallow_anonymous true\n{self.settings}")
        self.process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                return
            time.sleep(0.02)
        raise AssertionError("mosquitto did not start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(scope="session")
def modules() -> dict[str, bytes]:
    """Return the node's program as it is shipped: byte code by module."""
    return build.compiled()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    made.start()
    yield made
    made.kill()


class Gateway:
    """Commits samples and acknowledges them as the contract says."""

    def __init__(self, node: str, *, clock: float | None = None) -> None:
        self.node = node
        self.clock = clock
        self.samples: dict[tuple[int, int], tuple[int, dict[str, float]]] = {}
        self.deliveries: Counter[tuple[int, int]] = Counter()
        self.channels: Counter[str] = Counter()
        self.contiguous: dict[int, int] = {}
        self.statuses: list[dict[str, object]] = []
        self.problems: list[object] = []
        self.silent = False

    def commit(self, channel: str, payload: bytes) -> list[tuple[int, int]]:
        """Store what a message holds; return the acknowledgements that are due."""
        self.channels[channel] += 1
        now = int(self.clock if self.clock is not None else time.time())
        found = decode.decode(payload, form="json" if channel == topics.DATA else "cbor", node=self.node, now=now)
        self.problems += found.problems
        boots = []
        for sample in found.samples:
            key = (sample.boot, sample.seq)
            self.deliveries[key] += 1
            self.samples.setdefault(key, (sample.time, sample.values))
            top = max(self.contiguous.get(sample.boot, 0), sample.first - 1)
            while (sample.boot, top + 1) in self.samples:
                top += 1
            self.contiguous[sample.boot] = top
            if sample.boot not in boots:
                boots.append(sample.boot)
        return [(boot, self.contiguous[boot]) for boot in boots]

    @asynccontextmanager
    async def on(self, port: int) -> AsyncIterator[Gateway]:
        """Serve on a broker for as long as the block runs."""
        async with aiomqtt.Client("127.0.0.1", port) as client:
            for channel in (topics.DATA, topics.BACKLOG, topics.STATUS):
                await client.subscribe(topics.topic(self.node, channel), qos=1)

            async def serve() -> None:
                async for message in client.messages:
                    channel = str(message.topic).rsplit("/", 1)[1]
                    assert isinstance(message.payload, bytes)
                    if channel == topics.STATUS:
                        self.statuses.append(json.loads(message.payload))
                        continue
                    for boot, seq in self.commit(channel, message.payload):
                        if not self.silent:
                            ack = {"boot": boot, "seq": seq, "time": int(self.clock or time.time())}
                            await client.publish(topics.topic(self.node, topics.ACK), json.dumps(ack), qos=1)

            task = asyncio.create_task(serve())
            try:
                yield self
            finally:
                while not task.done():  # CPython 3.11's wait_for inside aiomqtt may swallow a cancellation
                    task.cancel()
                    await asyncio.sleep(0.005)
                if not task.cancelled():
                    assert isinstance(task.exception(), aiomqtt.MqttError | None)  # the broker was taken away


async def until(condition: object, limit: float = 10.0) -> None:
    """Wait until `condition()` holds; fail after `limit` seconds."""
    deadline = time.monotonic() + limit
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come to hold in time"
        await asyncio.sleep(0.02)
