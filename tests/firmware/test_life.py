"""A whole life under MicroPython with 64 KB of heap: flashed, sampling between deep sleeps, a week without Wi-Fi, updated, and taken back.

The board starts from the very bytes that ``vuong node flash`` wrote through esptool: partition table, program (executed in place, as a MicroPython
with ROMFS does), LittleFS with ``boot.py`` and ``main.py``. The broker speaks TLS both ways. mbedTLS's own buffers lie outside that heap, on the
ESP32 as here. Deep sleep and restart are the end of the process and another one. Time is the host's: a week is its number of samples. Not real: what
is C code on a board (`board/`).
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from littlefs import LittleFS

from provisioning.image import build, layout
from tests.provisioning import firmware_files
from tests.provisioning.fake_rom import FakeRom
from vuong import command as vuong

from .boards import ENVIRONMENT, command, compiled, stand_ins
from .conftest import Broker, Gateway, free_port
from .test_micropython import MICROPYTHON
from .test_tls import Authority
from .test_update import PIECE, PUBLIC, manifest

NODE = "246f28fffe010203"  # from the MAC 24:6f:28:01:02:03
HEAP = 64 * 1024
SLEPT, RESTARTED = 70, 71
A_WEEK = 48  # samples, at 210 min
ROOM = layout.known("standard", 4 * layout.MIB)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not MICROPYTHON.exists(), reason="LEFT OUT: no MicroPython here; run scripts/micropython_root.sh .micropython"
    ),
]


def described(port: int, **more: Any) -> bytes:  # noqa: ANN401 (as in config.json)
    """Return a ``config.json``."""
    config = {
        "node": NODE,
        "networks": {"home": "x", "pond": "y"},
        "broker": "127.0.0.1",
        "port": port,
        "pins": {"sda": 21, "scl": 22},
        "probes": [{"kind": "analog_ph", "channel": 0}],
        "battery_pin": 34,
        "sleep": True,
        "interval": 12600,
        "public_key": PUBLIC.hex(),
    }
    return json.dumps(config | more).encode()


def flashed(
    modules: dict[str, bytes],
    config: bytes,
    certificates: Path | None = None,
    entries: tuple[layout.Partition, ...] = firmware_files.STANDARD,
) -> bytes:
    """Return a flash as ``vuong node flash`` writes it (`written` is the proof), with certificates out of a folder."""
    room = ROOM if entries is firmware_files.STANDARD else layout.known("ota", 4 * layout.MIB)
    files = build.contents(None) | {"config.json": config}
    if certificates:
        files |= {f"tls/{name}": (certificates / name).read_bytes() for name in ("ca.der", "node.der", "node.key")}
    return firmware_files.flash(build.pack(files, build.program(modules), room), entries)


class Board:
    """Power and flash around the node's processes."""

    def __init__(self, folder: Path, flash: bytes) -> None:
        self.folder, self.flash = folder, folder / "flash.bin"
        self.flash.write_bytes(flash)
        self.most: dict[str, int] = {}
        self.heap, self.stand_ins = HEAP, 0
        stand_ins(folder)

    def wifi(self, there: bool) -> None:
        if there:
            (self.folder / "wifi").touch()
        else:
            (self.folder / "wifi").unlink()

    async def start(self, phase: str = "cycle") -> tuple[int, str]:
        """Boot once; return how it ended and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *command(self.flash, self.folder, str(self.heap)),
            env=ENVIRONMENT,
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

    def _files(self) -> LittleFS:
        system = LittleFS(block_count=ROOM.blocks, mount=False, **build.PARAMETERS)
        system.context.buffer[:] = self.flash.read_bytes()[ROOM.offset :]
        system.mount()
        return system

    def read(self, path: str) -> dict[str, Any] | None:
        """Return what a JSON file of the node says, ``None`` where there is none."""
        system = self._files()  # which must live as long as its file
        try:
            with system.open(path, "rb") as file:
                return dict(json.loads(file.read()))
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes) -> None:
        """Replace a file of the node while it is off."""
        system = self._files()
        with system.open(path, "wb") as file:
            file.write(content)
        self.flash.write_bytes(self.flash.read_bytes()[: ROOM.offset] + bytes(system.context.buffer))

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
        await send(ask, content, offer)
        assert (await ask("restart"))["restarting"]
        return await boot


async def send(ask: Any, content: bytes, offer: dict[str, Any]) -> None:  # noqa: ANN401 (of `commander`)
    """Send an update as long as the node wants more of it."""
    reply = await ask("update", manifest=offer)
    while "want" in reply:
        at = reply["want"]
        reply = await ask("piece", offset=at, data=base64.b64encode(content[at : at + PIECE]).decode())
    assert reply.get("installed") == offer["version"], reply


def packed(modules: dict[str, bytes], version: str, *, broken: bool = False) -> bytes:
    """Return the program with another version, or with a start that fails."""
    name, source = ("main", "raise ValueError('broken')\n") if broken else ("version", f"VERSION = {version!r}\n")
    return build.program(modules | {f"firmware/{name}": compiled(name, source)})


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


ENCRYPTED: dict[str, Any] = {"tls": "/tls", "client_certificate": True, "server_name": "gateway.test"}


@pytest.fixture
def written(modules: dict[str, bytes], tmp_path: Path, secured: tuple[Broker, int], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return the flash of a board that ``vuong node flash`` wrote with the real esptool, from a technician's folder."""
    identity = tmp_path / "workspace" / "nodes" / NODE
    identity.mkdir(parents=True)
    (identity / "config.json").write_bytes(described(secured[1], **ENCRYPTED))
    for name, source in (("ca.crt", "ca.pem"), ("node.crt", "node.pem"), ("node.key", "node.keypem")):
        (identity / name).write_bytes((tmp_path / source).read_bytes())
    monkeypatch.setenv("VUONG_WORKSPACE", str(tmp_path / "workspace"))
    micropython = firmware_files.write(tmp_path / "micropython.bin")
    rom = FakeRom()
    rom.folder = tmp_path / "after-flashing"
    rom.folder.mkdir()
    try:
        assert vuong.main(["node", "flash", rom.port, "--node", NODE, "--firmware", str(micropython), "--trust"]) == 0
        found = bytes(rom.flash)
    finally:
        rom.close()
    ours = flashed(modules, (identity / "config.json").read_bytes(), tmp_path)
    assert found[layout.TABLE_AT :][: layout.TABLE_SIZE] == ours[layout.TABLE_AT :][: layout.TABLE_SIZE]
    assert found[ROOM.rom : ROOM.offset] == ours[ROOM.rom : ROOM.offset]
    return found


async def configure(port: int, **fields: int) -> None:
    """Retain a configuration; commands reach a sleeping node only while it is awake, so an update is announced by it."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish(f"vuong/v1/nodes/{NODE}/config", json.dumps(fields), qos=1, retain=True)


async def test_a_whole_life(
    modules: dict[str, bytes],
    tmp_path: Path,
    secured: tuple[Broker, int],
    written: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broker, _ = secured
    board, gateway = Board(tmp_path, written), Gateway(NODE)
    board.wifi(there=True)
    async with gateway.on(broker.port):
        for seq in (1, 2, 3):
            code, out = await board.start()
            assert code == SLEPT, out
            assert "sleeps 12600000" in out
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
        content = packed(modules, "0.2.0")
        code, out = await update(board, gateway, broker.port, content, "0.2.0")
        assert code == RESTARTED, out
        assert board.flash.read_bytes()[ROOM.rom + layout.HALF :].startswith(content)
        await configure(broker.port, version=2, awake_for=0)
        code, out = await board.start("trial")  # on trial it stays awake until it is confirmed
        assert code == RESTARTED, out
        assert board.read("slots.json") == {"active": "b"}
        code, out = await board.start()
        assert code == SLEPT, out
        assert gateway.statuses[-1]["firmware"] == "0.2.0"

        await configure(broker.port, version=3, awake_for=60)
        code, out = await update(board, gateway, broker.port, packed(modules, "0.3.0", broken=True), "0.3.0")
        assert code == RESTARTED, out
        await configure(broker.port, version=4, awake_for=0)
        for _ in range(2):
            code, out = await board.start("broken")
            assert code == RESTARTED, out
            assert "ValueError: broken" in out
        code, out = await board.start()  # taken back
        assert code == SLEPT, out
        assert gateway.statuses[-1]["firmware"] == "0.2.0"
        assert board.read("slots.json") == {"active": "b", "taken_back": "a"}
    assert not gateway.problems
    with capsys.disabled():
        print(  # noqa: T201
            f"\nwhole life: {len(gateway.samples)} samples, each once; heap in use at most: {board.peaks()}, of {HEAP} B, "
            f"{board.stand_ins} B of it the stand-ins"
        )
    assert max(board.most.values()) < HEAP


async def test_a_node_that_never_sleeps_samples_is_calibrated_and_follows_in_64_kb(
    modules: dict[str, bytes],
    tmp_path: Path,
    secured: tuple[Broker, int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    broker, port = secured
    probes = [{"kind": "analog_ph", "channel": 0, "spread": 0.2}]
    config = described(port, sleep=False, interval=1, probes=probes, **ENCRYPTED)
    board = Board(tmp_path, flashed(modules, config, tmp_path))
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
    assert board.read("crash.json") is None
    with capsys.disabled():
        print(f"\nwith a technician: heap in use at most: {board.peaks()}, {board.stand_ins} B of it the stand-ins")  # noqa: T201
    assert max(board.most.values()) < HEAP


async def test_a_micropython_without_romfs_needs_more(
    modules: dict[str, bytes],
    tmp_path: Path,
    secured: tuple[Broker, int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The builds offered for download for the ESP32: the same flash, whose program is read into the heap; theirs grows."""
    broker, port = secured
    board, gateway = Board(tmp_path, flashed(modules, described(port, **ENCRYPTED), tmp_path)), Gateway(NODE)
    (tmp_path / "no_rom").touch()
    board.heap = 112 * 1024
    board.wifi(there=True)
    async with gateway.on(broker.port):
        for _ in range(2):
            code, out = await board.start()
            assert code == SLEPT, out
        await configure(broker.port, version=1, awake_for=60)
        code, out = await update(board, gateway, broker.port, packed(modules, "0.2.0"), "0.2.0")
        assert code == RESTARTED, out
        await configure(broker.port, version=2, awake_for=0)
        code, out = await board.start("trial")
        assert code == RESTARTED, out
        assert gateway.statuses[-1]["firmware"] == "0.2.0"
    assert len(gateway.samples) == 4
    with capsys.disabled():
        print(f"\nwithout ROMFS: heap in use at most: {board.peaks()}, {board.stand_ins} B of it the stand-ins")  # noqa: T201
    assert HEAP < board.most["cycle"] < board.heap
