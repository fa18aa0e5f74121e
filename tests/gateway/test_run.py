"""The real process against a real Mosquitto: killed, restarted, fed garbage; every sample is found exactly once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import aiomqtt
import pytest

from vuong.contract import topics
from vuong.contract.encode import cbor_pack, json_pack

if TYPE_CHECKING:
    from .conftest import Mosquitto

pytestmark = pytest.mark.slow

VUONG = str(Path(sys.executable).with_name("vuong"))
NODES = [f"00124b{i:010x}" for i in range(1, 5)]
SAMPLES = 700


class Process:
    """``vuong gateway run`` as a process of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.database = folder / "gateway.db"
        self.config = folder / "gateway.toml"
        self.log = folder / "gateway.log"
        nodes = "".join(f'[[nodes]]\nid = "{node}"\npond = "p"\n' for node in NODES)
        self.config.write_text(
            f'[gateway]\nid = "gw"\ndatabase = "gateway.db"\n[mqtt]\nport = {port}\n[[ponds]]\nid = "p"\n{nodes}',
            encoding="utf-8",
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([VUONG, "gateway", "run", "--config", str(self.config)], stderr=log)

    def stop(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(20)
        self.process = None
        return code

    def stored(self) -> list[tuple[str, int, int]]:
        with closing(sqlite3.connect(self.database, timeout=30)) as connection:
            try:
                return connection.execute("SELECT node, boot, seq FROM samples").fetchall()
            except sqlite3.OperationalError:
                return []  # its tables are being made

    def wait_for_more(self, rows: int) -> None:
        """Wait until so many more samples are stored, or all of them: what is killed must have been at work."""
        before = len(self.stored()) if self.database.exists() else 0
        deadline = time.monotonic() + 20
        while not self.database.exists() or len(self.stored()) < min(before + rows, SAMPLES * len(NODES)):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + 20
        while text not in (self.log.read_text() if self.log.exists() else ""):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)


@pytest.fixture
def gateway(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Process]:
    made = Process(tmp_path, mosquitto.port)
    yield made
    if made.process is not None:
        made.stop()


class Node:
    """Sends what it holds, live as JSON and the rest as CBOR, each message twice; forgets only on an acknowledgement."""

    def __init__(self, name: str, samples: int) -> None:
        self.name, self.boot = name, int(name[-1])
        self.held = dict.fromkeys(range(1, samples + 1))
        self.cursor = 0

    async def run(self, port: int) -> None:
        while self.held:
            try:
                async with aiomqtt.Client("127.0.0.1", port) as client:
                    await client.subscribe(topics.topic(self.name, topics.ACK))
                    reader = asyncio.create_task(self.read(client))
                    try:
                        await self.write(client)
                    finally:
                        reader.cancel()
                        await asyncio.gather(reader, return_exceptions=True)
            except aiomqtt.MqttError:
                await asyncio.sleep(0.1)

    async def read(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            try:
                ack = json.loads(message.payload)
            except ValueError:
                continue  # somebody's noise
            assert set(ack) == {"boot", "seq", "time"}
            if ack["boot"] == self.boot:
                for seq in [s for s in self.held if s <= ack["seq"]]:
                    del self.held[seq]

    async def write(self, client: aiomqtt.Client) -> None:
        while self.held:
            first = min(self.held)
            for seq in list(self.held)[:60]:
                form, channel = (json_pack, topics.DATA) if seq % 3 else (cbor_pack, topics.BACKLOG)
                pack = form(self.name, [(self.boot, seq, 1_763_600_000 + seq * 60, {"do": 600, "ph": 810})], {self.boot: first})
                for _ in range(2):
                    await client.publish(topics.topic(self.name, channel), bytes(pack), qos=1)
            await asyncio.sleep(0.05)


async def noise(port: int) -> None:
    """Garbage on every topic, until cancelled."""
    while True:
        try:
            async with aiomqtt.Client("127.0.0.1", port) as client:
                while True:
                    for channel in ("data", "backlog", "status", "ack", "nothing"):
                        for node in (NODES[0], "stranger", "ffffffffffffffff"):
                            await client.publish(f"vuong/v1/nodes/{node}/{channel}", os.urandom(40), qos=1)
                    await asyncio.sleep(0.05)
        except aiomqtt.MqttError:
            await asyncio.sleep(0.1)


async def deliver(port: int, disturb: Callable[[], None], times: int) -> None:
    """Run all nodes until they hold nothing, while `disturb` is called `times` times."""
    nodes = [Node(name, SAMPLES) for name in NODES]
    noisy = asyncio.create_task(noise(port))

    async def disturbing() -> None:
        for _ in range(times):
            await asyncio.to_thread(disturb)

    try:
        async with asyncio.timeout(150):
            await asyncio.gather(disturbing(), *(node.run(port) for node in nodes))
    finally:
        noisy.cancel()
        await asyncio.gather(noisy, return_exceptions=True)


def assert_each_once(stored: list[tuple[str, int, int]]) -> None:
    expected = {(name, int(name[-1]), seq) for name in NODES for seq in range(1, SAMPLES + 1)}
    assert len(stored) == len(set(stored)), "doubled"
    assert set(stored) == expected, f"lost {len(expected - set(stored))}"


async def test_kill_9_again_and_again(gateway: Process, mosquitto: Mosquitto) -> None:
    gateway.start()

    def kill() -> None:
        gateway.wait_for_more(200)
        gateway.stop(signal.SIGKILL)
        gateway.start()

    await deliver(mosquitto.port, kill, times=6)
    assert gateway.log.read_text().count("ready at position") == 7
    assert_each_once(gateway.stored())


async def test_the_broker_is_killed_and_comes_back(gateway: Process, mosquitto: Mosquitto) -> None:
    gateway.start()

    def kill() -> None:
        gateway.wait_for_more(200)
        mosquitto.kill()
        mosquitto.start()

    await deliver(mosquitto.port, kill, times=4)
    assert_each_once(gateway.stored())


async def test_a_damaged_file_is_salvaged_and_the_work_goes_on(gateway: Process, mosquitto: Mosquitto) -> None:
    """Power cuts that tear the first page, twice: nothing else is lost, and so nothing at all."""
    gateway.start()
    damaged = 0

    def damage() -> None:
        nonlocal damaged
        gateway.wait_for_more(200)
        gateway.stop(signal.SIGKILL)
        with closing(sqlite3.connect(gateway.database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        with gateway.database.open("r+b") as file:
            file.write(os.urandom(4096))
        damaged += 1
        gateway.start()
        deadline = time.monotonic() + 30
        while gateway.log.read_text().count("samples; ") < damaged:
            assert time.monotonic() < deadline, gateway.log.read_text()
            time.sleep(0.05)

    await deliver(mosquitto.port, damage, times=2)
    assert_each_once(gateway.stored())
    assert len(list(gateway.database.parent.glob("gateway.db.damaged-*Z*"))) >= damaged == 2
    with closing(sqlite3.connect(gateway.database)) as connection:
        kinds = {kind for (kind,) in connection.execute("SELECT kind FROM alarms")}
    assert "database_damaged" in kinds


def test_it_ends_when_told_and_leaves_a_snapshot(gateway: Process, mosquitto: Mosquitto) -> None:
    gateway.start()
    gateway.wait_for("connected to the broker")
    assert gateway.stop(signal.SIGTERM) == 0
    assert "Traceback" not in gateway.log.read_text()
    gateway.start()
    gateway.wait_for("ready at position 1")


def test_a_broker_that_is_away_is_told_once_and_waited_for(gateway: Process, mosquitto: Mosquitto) -> None:
    mosquitto.kill()
    gateway.start()
    gateway.wait_for("no connection to the broker")
    time.sleep(2.5)
    assert gateway.log.read_text().count("no connection") == 1
    mosquitto.start()
    gateway.wait_for("connected to the broker")


def test_a_wrong_configuration_is_exit_code_2(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text('[gateway]\nid = "x"\n', encoding="utf-8")
    done = subprocess.run([VUONG, "gateway", "run", "--config", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "gateway.database is missing" in done.stderr
    assert "Traceback" not in done.stderr
