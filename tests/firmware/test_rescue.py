"""A node that fails to come up, under the real MicroPython: it ends in safe mode, says so, and takes an update that mends it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from firmware.bootguard import FAILED_BOOTS
from provisioning.image.layout import HALF
from tests.provisioning.firmware_files import OTA

from .boards import compiled
from .conftest import Broker, Gateway
from .test_life import HEAP, NODE, RESTARTED, ROOM, SLEPT, Board, commander, configure, described, flashed, packed, send, update
from .test_micropython import MICROPYTHON
from .test_update import manifest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not MICROPYTHON.exists(), reason="LEFT OUT: no MicroPython here; run scripts/micropython_root.sh .micropython"
    ),
]


@pytest.mark.parametrize(
    ("module", "source", "config", "reason"),
    [
        ("firmware/probes/ads1115", "raise RuntimeError('a driver that fails')\n", {}, "a driver that fails"),
        ("firmware/queue", "", {}, "mpy"),
        (None, "", {"probes": [{"kind": "magic"}]}, "probe kind 'magic' is not known"),
    ],
    ids=["driver", "torn file", "config"],
)
async def test_a_node_that_fails_at_every_boot_ends_in_safe_mode_and_can_be_updated(
    modules: dict[str, bytes],
    tmp_path: Path,
    broker: Broker,
    module: str | None,
    source: str,
    config: dict[str, Any],
    reason: str,
) -> None:
    bad = {module: compiled("bad", source) if source else b"M\x00garbage"} if module else {}
    board, gateway = Board(tmp_path, flashed(modules | bad, described(broker.port, **config))), Gateway(NODE)
    board.wifi(there=True)
    async with gateway.on(broker.port):
        for _ in range(FAILED_BOOTS):
            code, out = await board.start()
            assert code == RESTARTED, out
            assert reason in (board.read("crash.json") or {})["error"]
        assert not gateway.samples
        content = packed(modules, "0.2.0")
        async with commander(broker.port) as ask:
            boot = asyncio.create_task(board.start("safe mode"))
            while not gateway.statuses and not boot.done():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert gateway.statuses[-1]["probes"] == {"safe mode": "after repeated failed starts"}
            assert reason in str(gateway.statuses[-1]["crash"])
            assert "known are piece, restart, update" in (await ask("sample"))["error"]
            await send(ask, content, manifest(content))
            assert (await ask("restart"))["restarting"]
            code, out = await boot
            assert code == RESTARTED, out
        if config:
            board.write("config.json", described(broker.port))
        code, out = await board.start("trial")
        assert code == RESTARTED, out
        assert board.read("slots.json") == {"active": "b"}
        code, out = await board.start()
        assert code == SLEPT, out
    assert board.most["safe mode"] < HEAP
    assert len(gateway.samples) == 2
    assert board.read("crash.json") is None


async def test_a_whole_image_goes_into_the_other_application(modules: dict[str, bytes], tmp_path: Path, broker: Broker) -> None:
    """``update: image``: what the boot loader does with it then is tested in test_update.py."""
    board, gateway = Board(tmp_path, flashed(modules, described(broker.port, update="image"), entries=OTA)), Gateway(NODE)
    board.wifi(there=True)
    content = b"\xe9" + bytes(range(256)) * 40
    async with gateway.on(broker.port):
        assert (await board.start())[0] == SLEPT
        await configure(broker.port, version=1, awake_for=60)
        code, out = await update(board, gateway, broker.port, content, "0.2.0")
        assert code == RESTARTED, out
    assert json.loads((tmp_path / "otadata").read_text()) == {"boot": 1, "running": 0, "states": ["valid", "new"]}
    assert board.flash.read_bytes()[OTA[-1].offset :].startswith(content)
    assert board.most["update"] < HEAP


async def test_a_half_that_cannot_be_mounted_is_left_for_the_other(
    modules: dict[str, bytes], tmp_path: Path, broker: Broker
) -> None:
    flash = bytearray(flashed(modules, described(broker.port)))
    program = packed(modules, "0.2.0")
    flash[ROOM.rom + HALF : ROOM.rom + HALF + len(program)] = program
    flash[ROOM.rom : ROOM.rom + 4096] = b"\xff" * 4096
    board, gateway = Board(tmp_path, bytes(flash)), Gateway(NODE)
    board.wifi(there=True)
    async with gateway.on(broker.port):
        code, out = await board.start()
    assert code == SLEPT, out
    assert gateway.statuses[-1]["firmware"] == "0.2.0"
    assert board.read("slots.json") == {"active": "b", "taken_back": "a"}
    flash[ROOM.rom : ROOM.offset] = b"\xff" * (ROOM.offset - ROOM.rom)
    board.flash.write_bytes(flash)
    code, out = await board.start()
    assert code == RESTARTED, out
    assert 'VUONG {"parts": {"program": "neither half of the flash holds one' in out


async def test_a_damaged_description_is_replaced_by_the_last_good_one(
    modules: dict[str, bytes], tmp_path: Path, broker: Broker
) -> None:
    board, gateway = Board(tmp_path, flashed(modules, described(broker.port))), Gateway(NODE)
    board.wifi(there=True)
    async with gateway.on(broker.port):
        assert (await board.start())[0] == SLEPT
        board.write("config.json", b'{"networks": {"po')
        code, out = await board.start()
        assert code == SLEPT, out
    assert len(gateway.samples) == 2


async def test_power_cuts_while_nobody_is_in_reach_are_no_failed_boots(modules: dict[str, bytes], tmp_path: Path) -> None:
    board = Board(tmp_path, flashed(modules, described(1)))
    for _ in range(FAILED_BOOTS + 2):
        (tmp_path / "cause").unlink(missing_ok=True)  # the power was away
        code, out = await board.start()
        assert code == SLEPT, out
    assert board.read("boots.json") == {"failed": 0}
