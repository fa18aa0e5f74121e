"""The running gateway with a ladder and an aerator: from a node's reading at a real broker to a message, and to the relays (mock pins)."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import aiomqtt
import pytest

from vuong.contract import topics

if TYPE_CHECKING:
    from tests.gateway.conftest import Mosquitto
    from tests.gateway.escalation.conftest import Web

NODE = "00124b0000000001"
CONFIG = """
gateway = {{ id = "gw", database = "gateway.db" }}
mqtt = {{ port = {port} }}
siren = {{ pin = 17 }}
[[ponds]]
id = "p"
name = "Ao Cô Sáu"
aerators = 3
[[nodes]]
id = "00124b0000000001"
pond = "p"
[[contacts]]
id = "sau"
[[contacts.via]]
name = "hook"
hook_file = "hook"
[[ladders]]
id = "usual"
[[ladders.steps]]
after = 0
siren = true
lan = true
contacts = ["sau"]
[[aerators]]
id = "q1"
pond = "p"
pin = 5
min_off = 0
"""


@pytest.mark.slow
async def test_from_a_reading_to_a_message(
    tmp_path: Path, mosquitto: Mosquitto, web: Web, make_pack: Callable[..., bytes]
) -> None:
    config, database, log = tmp_path / "gateway.toml", tmp_path / "gateway.db", tmp_path / "log"
    config.write_text(CONFIG.format(port=mosquitto.port), encoding="utf-8")
    (tmp_path / "hook").write_text(f"http://127.0.0.1:{web.port}/\n", encoding="utf-8")
    with log.open("wb") as told:
        process = subprocess.Popen(  # noqa: ASYNC220 - it starts at once
            [str(Path(sys.executable).with_name("vuong")), "gateway", "run", "--config", str(config)],
            stderr=told,
            env={**os.environ, "GPIOZERO_PIN_FACTORY": "mock"},
        )
    try:
        deadline, seq = time.monotonic() + 60, 0
        while not web.posts:
            assert time.monotonic() < deadline, log.read_text()
            assert process.poll() is None, log.read_text()
            seq += 1
            async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
                payload = make_pack(seq, at=int(time.time()), do=1.5)
                await client.publish(topics.topic(NODE, topics.DATA), payload, qos=1)
            await asyncio.sleep(0.5)
        assert "Ao Cô Sáu: DO 1,5 mg/L; bật 3 quạt nước ngay" in web.said[0]
        while "aerator q1 is on" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            await asyncio.sleep(0.1)
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            attempts = connection.execute("SELECT contact, via, outcome FROM delivery_attempts ORDER BY via").fetchall()
        assert [a[1:] for a in attempts] == [("hook", "sent"), ("lan", "sent"), ("siren", "sent")]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()
