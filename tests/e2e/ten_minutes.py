"""A timed rehearsal: from a bare board and an empty laptop to a calibrated reading on the gateway's page and a node that the cloud knows.

usage: python tests/e2e/ten_minutes.py      prints each step's time

Real: every ``vuong`` command as its own process, the CA, esptool, Mosquitto under the shipped configuration with TLS, the gateway, its LAN page, the
cloud, the node's own program out of the flashed bytes under MicroPython with its certificate.

Not real: the board (`tests/provisioning/fake_rom.py`; its Wi-Fi and its probe, an ADS1115 that shows 1500 mV, are `tests/firmware/board`), its
MicroPython file, the probe's other buffer, of which the laptop is told the millivolts, and the people: no typing, no walking, no cable to find.
Left out: ``vuong gateway setup``, which needs a system of its own (`tests/provisioning/test_setup.py`, `test_card.py`).
"""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

if not __package__:  # a script: a library of the gateway brings a package `tests` of its own, which must not be found
    sys.modules["tests"] = types.ModuleType("tests")
    sys.modules["tests"].__path__ = [str(Path(__file__).parents[1])]

from gateway.system.files import Layout, broker_files
from tests.provisioning import firmware_files
from tests.provisioning.fake_rom import FakeRom

NODE, POND, PIN = "70b3d57ed0001a2b", "ao-1", "493817"
TECHNICIAN, PASSWORD = "kythuat", "nước lợ mùa khô 2026"
FARM = f"""
[[cooperatives]]
id = "htx"
name = "HTX"
[[ponds]]
id = "{POND}"
cooperative = "htx"
name = "Ao 1"
species = "vannamei"
[[users]]
login = "{TECHNICIAN}"
name = "Kỹ thuật"
role = "technician"
cooperative = "htx"
password = "{PASSWORD}"
"""
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Rehearsal:
    """One run in `folder`; `times` holds step → seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.times = folder, dict[str, float]()
        self.calibration: dict[str, Any] = {}
        self.registered: dict[str, Any] = {}
        self.port, self.page, self.cloud = free_port(), free_port(), free_port()
        self.environment = {
            **os.environ,
            "VUONG_WORKSPACE": str(folder / "laptop"),
            "VUONG_CA_PASSPHRASE": "four words to remember",
            "VUONG_WIFI_PASSWORD": "com tam suon",
            "VUONG_CLOUD_PASSWORD": PASSWORD,
            "VUONG_LANG": "en",
        }
        user = getpass.getuser()
        self.layout = Layout(
            etc=folder / "etc", data=folder / "data", address="127.0.0.1", port=self.port, broker_user=user, gateway_user=user
        )
        self.config = self.layout.etc / "gateway.toml"

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.times[name] = time.monotonic() - start

    def vuong(self, *words: object, give: str | None = None) -> str:
        command = [sys.executable, "-m", "vuong", *map(str, words)]
        done = subprocess.run(command, env=self.environment, input=give, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[2:])}: {done.stderr}{done.stdout}")
        return done.stdout

    def process(self, ends: ExitStack, name: str, *command: object) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            started = subprocess.Popen(list(map(str, command)), env=self.environment, stdout=log, stderr=log)

        def end() -> None:
            started.terminate()
            started.wait(15)

        ends.callback(end)

    def install(self) -> None:
        """Do what ``vuong gateway setup`` does, in a folder."""
        self.layout.tls.mkdir(parents=True, exist_ok=True)
        subprocess.run(["tar", "-xf", self.folder / "bundle.tar", "-C", self.layout.tls], check=True)
        self.layout.broker_state.mkdir(parents=True)
        for file in broker_files(self.layout):
            file.destination.parent.mkdir(parents=True, exist_ok=True)
            file.destination.write_text(file.text, encoding="utf-8")
            file.destination.chmod(file.mode)
        tls = self.layout.tls
        self.config.write_text(
            f'[gateway]\nid = "gw"\ndatabase = "{self.layout.data}/gateway.db"\n[mqtt]\nhost = "localhost"\nport = {self.port}\n'
            f'ca_file = "{tls}/ca.crt"\ncert_file = "{tls}/gateway.crt"\nkey_file = "{tls}/gateway.key"\n'
            f'[lan]\nhost = "127.0.0.1"\nport = {self.page}\n',
            encoding="utf-8",
        )
        self.vuong("gateway", "pin", "--config", self.config, give=PIN + "\n")

    def serve_cloud(self, ends: ExitStack) -> str:
        """Start a cloud that has the co-op, its pond and its technician; return its address."""
        farm, database = self.folder / "farm.toml", f"sqlite:///{self.folder}/cloud.db"
        farm.write_text(FARM, encoding="utf-8")
        self.vuong("cloud", "import", farm, "--database", database)
        command = (sys.executable, "-m", "vuong", "cloud", "serve", "--port", self.cloud, "--database", database)
        self.process(ends, "cloud", *command)
        address, deadline = f"http://127.0.0.1:{self.cloud}", time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                httpx.get(address + "/sign-in")
            except httpx.TransportError:
                time.sleep(0.2)
            else:
                return address
        raise TimeoutError((self.folder / "cloud.log").read_text(errors="replace"))

    def calibrate(self) -> dict[str, Any]:
        """Calibrate the node's pH probe through the gateway; return what the command says."""
        out = self.vuong(
            "node", "calibrate", "--node", NODE, "--gateway", f"localhost:{self.port}", "--quantity", "ph",
            "--points", "4.01=177.4,7.00", "--temperature", "25", "--operator", "Lê Văn Tám", "--lot", "B7-2611", "--accept",
            "--json",
        )  # fmt: skip
        return dict(json.loads(out.splitlines()[-1]))

    def known_to_cloud(self) -> dict[str, Any]:
        """Return what the cloud knows of the node, asked with the laptop's own token."""
        signed = json.loads((self.folder / "laptop" / "cloud.json").read_text(encoding="utf-8"))
        reply = httpx.get(f"{signed['url']}/api/v1/nodes/{NODE}", headers={"Authorization": f"Bearer {signed['token']}"})
        return dict(reply.raise_for_status().json())

    def board(self, ends: ExitStack) -> FakeRom:
        board = FakeRom()
        board.folder = self.folder / "board"
        board.folder.mkdir()
        (board.folder / "wifi").touch()
        ends.callback(board.close)
        return board

    def reading(self, seconds: float = 60.0) -> dict[str, Any]:
        """Sign in with the PIN as a person does and wait until the page shows the pond's pH; return the API's row of it."""
        base, deadline = f"http://127.0.0.1:{self.page}", time.monotonic() + seconds
        with httpx.Client(base_url=base, follow_redirects=True) as phone:
            while time.monotonic() < deadline:
                try:
                    form = phone.get("/sign-in")
                    token = re.search(r'name="token" value="([^"]+)"', form.text)
                    if token is None:
                        raise RuntimeError("the page has no form to sign in")
                    home = phone.post("/sign-in", data={"token": token[1], "pin": PIN, "name": "rehearsal"})
                    break
                except httpx.ConnectError:
                    time.sleep(0.1)
            while time.monotonic() < deadline:
                home = phone.get("/")
                latest = phone.get("/api/v1/latest").json()
                rows = [row for row in latest if row["pond"] == POND and row["quantity"] == "ph"]
                if rows and POND in home.text and re.search(r"7[.,]0", home.text):
                    return dict(rows[0])
                time.sleep(0.2)
        logs = "".join(f"\n--- {p.name}\n{p.read_text(errors='replace')[-1500:]}" for p in sorted(self.folder.glob("*.log")))
        raise TimeoutError(f"no reading on the page{logs}")

    def run(self) -> dict[str, Any]:
        """Rehearse; return the reading that the page shows."""
        enrol = f"{sys.executable} -m vuong gateway enrol --config {self.config}"
        with ExitStack() as ends:
            cloud = self.serve_cloud(ends)  # it was there before
            with self.step("co-op's CA (vuong fleet init)"):
                self.vuong("fleet", "init", "--name", "HTX")
            with self.step("laptop signed in to the cloud (vuong fleet cloud)"):
                self.vuong("fleet", "cloud", "--url", cloud, "--login", TECHNICIAN)
            with self.step("laptop's own certificate (vuong fleet technician)"):
                self.vuong("fleet", "technician", "Lê Văn Tám")
            with self.step("gateway's certificates, told to the cloud (vuong fleet gateway)"):
                self.vuong("fleet", "gateway", "localhost", "--out", self.folder / "bundle.tar")
            with self.step("gateway's files and PIN (in place of vuong gateway setup)"):
                self.install()
            with self.step("node's identity, told to gateway and cloud (vuong node provision)"):
                out = self.vuong(
                    "node", "provision", NODE, "--pond", POND, "--gateway", f"localhost:{self.port}", "--wifi", "pond",
                    "--probes", "analog_ph:channel=0", "--interval", "10", "--via", enrol, "--json",
                )  # fmt: skip
                told = json.loads(out)
                if not told["told"] or told["cloud"]["told"] != [NODE]:
                    raise RuntimeError(out)
            with self.step("broker, gateway and page start"):
                self.process(ends, "mosquitto", MOSQUITTO, "-c", self.layout.etc / "mosquitto.conf")
                self.process(ends, "gateway", sys.executable, "-m", "vuong", "gateway", "run", "--config", self.config)
                self.process(
                    ends, "lan", sys.executable, "-m", "vuong", "gateway", "lan", "--no-announce", "--config", self.config
                )
            board = self.board(ends)
            firmware = firmware_files.write(self.folder / "micropython.bin")
            with self.step("board written, verified, self-test heard (vuong node flash)"):
                out = self.vuong(
                    "node", "flash", board.port, "--firmware", firmware, "--trust", "--node", NODE,
                    "--label", self.folder / "label.pdf", "--json",
                )  # fmt: skip
                if json.loads(out)["self_test"]["node"] != NODE:
                    raise RuntimeError(out)
            with self.step("first reading on the gateway's page"):
                reading = self.reading()
            with self.step("pH probe calibrated through the gateway (vuong node calibrate)"):
                self.calibration = self.calibrate()
            with self.step("nothing waits, the cloud knows the node (vuong fleet sync)"):
                self.vuong("fleet", "sync", "--cloud")
                self.registered = self.known_to_cloud()
            return reading


def main() -> int:
    """Rehearse in a folder of its own and print the times."""
    with tempfile.TemporaryDirectory() as folder:
        rehearsal = Rehearsal(Path(folder))
        reading = rehearsal.run()
    for name, seconds in rehearsal.times.items():
        sys.stdout.write(f"{seconds:7.1f} s  {name}\n")
    sys.stdout.write(
        f"{sum(rehearsal.times.values()):7.1f} s  in all, without people; the page shows {reading['quantity']} {reading['value']}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
