"""A pond's site for tests: the technician's laptop, a gateway with its broker, and living nodes, each the real program under MicroPython.

Not real: the boards (tests/firmware/start.py, and the stand-ins in tests/firmware/board); their flash is a file, their cable a pty.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiomqtt
import pytest

from provisioning.image import build, layout
from tests.firmware.boards import ENVIRONMENT, command, compiled, stand_ins
from tests.provisioning import firmware_files
from tests.provisioning.conftest import Outcome
from tests.provisioning.test_provision import MOSQUITTO, Gateway
from vuong import command as cli

ROOM = layout.known("standard", 4 * layout.MIB)
NODE, OTHER = "70b3d57ed0001a2b", "70b3d57ed0001a2c"
HEAP = "96k"  # the raw REPL, which a board has in C, takes some of it
OLD = "0.0.1"
needs_site = pytest.mark.skipif(
    shutil.which("socat") is None or MOSQUITTO is None,
    reason="LEFT OUT: socat or Mosquitto is not installed: scripts/install_test_system.sh",
)
# The board's own modules in which a living board's chips (`living_chips.py`) stand.
_CHIPS = {"machine": "from chips import I2C\n", "onewire": "from chips import OneWire\n"}
_BESIDE = {"chips": "living_chips.py", "raw_repl": "raw_repl.py"}
# In the pond, until a test says otherwise.
_WATER = {"microsiemens": 30000.0, "celsius": 28.0}


def until(true: Callable[[], Any], seconds: float = 30.0) -> Any:  # noqa: ANN401 (what it gives)
    """Return what `true` gives once it is something."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


class LivingNode:
    """A board with a node's flash; it starts anew whenever its program ends.

    Parameters
    ----------
    identity : the node's folder in the technician's workspace
    more : what its ``config.json`` has besides; ``None`` where it lacks a field
    version : that it pretends to run, so that there is an update
    replaced : files of the flash to replace
    """

    def __init__(
        self,
        folder: Path,
        identity: Path,
        *,
        more: dict[str, Any] | None = None,
        version: str = OLD,
        replaced: dict[str, bytes] | None = None,
    ) -> None:
        self.folder, self.flash, self.port = folder, folder / "flash", folder / "ttyNODE"
        (folder / "board").mkdir()
        beside = {name: Path(__file__).with_name(file).read_text(encoding="utf-8") for name, file in _BESIDE.items()}
        stand_ins(folder / "board", **_CHIPS, **beside)
        (folder / "board" / "wifi").touch()
        self.probe(0.0)
        for name, value in _WATER.items():
            self.measures(name, value)
        modules = build.compiled() | {"firmware/version": compiled("version", f'VERSION = "{version}"\n')}
        files = build.contents(identity)
        config = {name: value for name, value in (json.loads(files["config.json"]) | (more or {})).items() if value is not None}
        files["config.json"] = json.dumps(config).encode()
        image = build.pack(files | (replaced or {}), build.program(modules), ROOM)
        self.flash.write_bytes(firmware_files.flash(image))
        script = folder / "board.sh"
        program = " ".join(command(self.flash, folder / "board", HEAP, "prompt"))
        script.write_text(
            f"#!/bin/sh\ntrap : INT\nexport {' '.join(f'{name}={value}' for name, value in ENVIRONMENT.items())}\n"
            f"while [ ! -e {folder}/off ]; do\n  {program}\n"
            f"  [ $? = 70 ] && sleep {(more or {}).get('asleep', 1)}\n  sleep 0.1\ndone\n"
        )
        script.chmod(0o755)
        self._process: subprocess.Popen[bytes] | None = None

    def probe(self, millivolts: float) -> None:
        """Let the electrode give a voltage (behind the amplifier of `firmware.probes.ads1115`: 1500 mV and three times it)."""
        self.measures("millivolts", 1500 + 3 * millivolts)

    def measures(self, chip: str, value: float) -> None:
        """Let a chip measure a value: ``millivolts``, ``microsiemens`` or ``celsius`` (`living_chips.py`)."""
        path = self.folder / "board" / chip
        path.with_suffix(".new").write_text(str(value))
        path.with_suffix(".new").replace(path)

    def start(self) -> None:
        """Switch it on."""
        self._process = subprocess.Popen(
            [
                "timeout",
                "900",  # where the tests are killed, it ends by itself
                "socat",
                f"PTY,link={self.port},raw,echo=0",
                f"EXEC:{self.folder}/board.sh,pty,raw,isig=1,echo=0,stderr,setsid,ctty",
            ],
            start_new_session=True,
        )
        until(self.port.exists)

    def stop(self) -> None:
        """Switch it off."""
        (self.folder / "off").touch()
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(10)
            for pid in subprocess.run(
                ["pgrep", "-f", str(self.flash)], capture_output=True, text=True, check=False
            ).stdout.split():
                os.kill(int(pid), signal.SIGKILL)


class Site:
    """Laptop, gateway and nodes; `close` ends what was started."""

    def __init__(self, folder: Path) -> None:
        self.workspace, self.folder = folder / "laptop", folder
        self.environment = {
            **os.environ,
            "VUONG_WORKSPACE": str(self.workspace),
            "VUONG_CA_PASSPHRASE": "four words to remember",
            "VUONG_WIFI_PASSWORD": "com tam suon",
            "VUONG_LANG": "en",
        }
        assert self.vuong("fleet", "init", "--name", "HTX Vĩnh Châu").code == 0
        self.gateway = Gateway(self.vuong, folder)
        self.host = f"localhost:{self.gateway.port}"
        assert self.vuong("fleet", "technician", "Lê Thị Lan").code == 0
        self.nodes: dict[str, LivingNode] = {}
        self._gateway: subprocess.Popen[bytes] | None = None

    def vuong(self, *words: object, **environment: str) -> Outcome:
        """Run ``vuong …`` in this process, which saves the second that its start takes."""
        out, err = io.StringIO(), io.StringIO()
        offered = [point for point in entry_points(group="vuong.commands") if point.name in {"gateway", "provisioning"}]
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            patch.dict(os.environ, self.environment | environment),
            patch.object(cli, "entry_points", lambda group: offered),
        ):
            try:
                code = cli.main([str(word) for word in words])
            except SystemExit as end:
                code = int(end.code or 0)
        return Outcome(code, out.getvalue(), err.getvalue())

    def provision(self, node: str, pond: str = "ao-1", **options: Any) -> LivingNode:  # noqa: ANN401 (of `LivingNode`)
        """Provision a node and make its board, switched off."""
        done = self.vuong(
            "node", "provision", node, "--pond", pond, "--gateway", self.host, "--wifi", "pond", "--probes", "analog_ph:channel=0",
            "--interval", "10", "--via", self.gateway.via, "--json",
        )  # fmt: skip
        assert done.code == 0, done.err
        folder = self.folder / node
        folder.mkdir()
        self.nodes[node] = LivingNode(folder, self.workspace / "nodes" / node, **options)
        return self.nodes[node]

    def start(self, *, gateway: bool = True) -> None:
        """Start the broker, the gateway and the nodes."""
        self.gateway.start()
        if gateway:
            with (self.folder / "gateway.log").open("wb") as log:
                run = [sys.executable, "-m", "vuong", "gateway", "run", "--config", str(self.gateway.config)]
                self._gateway = subprocess.Popen(run, stdout=log, stderr=log)
        for node in self.nodes.values():
            node.start()

    def heard(self, node: str, firmware: str | None = None, seconds: float = 60.0) -> dict[str, Any]:
        """Wait until a node's status says that it runs; return that status."""
        identity = self.workspace / "technician"
        tls = aiomqtt.TLSParameters(
            ca_certs=str(identity / "ca.crt"), certfile=str(identity / "technician.crt"), keyfile=str(identity / "technician.key")
        )

        async def wait() -> dict[str, Any]:
            async with aiomqtt.Client("localhost", self.gateway.port, tls_params=tls) as client:
                await client.subscribe(f"vuong/v1/nodes/{node}/+", qos=1)
                status: dict[str, Any] = {}
                async for message in client.messages:
                    channel = message.topic.value.rpartition("/")[2]
                    if channel not in {"status", "ack"} or not isinstance(message.payload, bytes):
                        continue
                    said = json.loads(message.payload)
                    if channel == "status":
                        status = said
                    acknowledged = channel == "ack" and said.get("boot") == status.get("boot")
                    if acknowledged and firmware in {None, status.get("firmware")}:
                        return status
            raise AssertionError("the broker ended the connection")

        return asyncio.run(asyncio.wait_for(wait(), seconds))

    def stop_gateway(self) -> None:
        """End the gateway's program; its broker goes on."""
        if self._gateway is not None:
            self._gateway.terminate()
            self._gateway.wait(15)
            self._gateway = None

    def close(self) -> None:
        """End everything."""
        for node in self.nodes.values():
            node.stop()
        self.stop_gateway()
        self.gateway.stop()
