"""A whole system of real processes: broker, gateway, its LAN server, cloud; and a cable to the cloud that can be pulled."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from paho.mqtt import client as mqtt

from vuong.contract import topics
from vuong.contract.encode import json_pack
from vuong.quantities import QUANTITIES

PONDS = 6
PIN = "493817"
PASSWORD = "mật khẩu đủ dài"
TOKEN = "token-of-the-gateway-0123456789"
STEP = 300


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def node(number: int) -> str:
    """Return the node of a pond."""
    return f"0050c2fffe{number:06x}"


def until(question: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until a question is answered with yes."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if question():
                return
        except (httpx.TransportError, KeyError, StopIteration):
            pass
        assert time.monotonic() < deadline, f"still no after {seconds} s: {question}"
        time.sleep(0.2)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is shut already
        end.shutdown(socket.SHUT_RDWR)


class Cable:
    """Passes TCP connections on, until it is pulled."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self.pulled = False
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    def _begin(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                inside, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self.pulled:
                    raise ConnectionRefusedError
                outside = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                inside.close()
                continue
            self._open += [inside, outside]
            for source, sink in ((inside, outside), (outside, inside)):
                self._begin(self._pass, source, sink)

    @staticmethod
    def _pass(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            _shut(end)

    def pull(self) -> None:
        """Cut what is open, and let nothing through."""
        self.pulled = True
        for end in self._open:
            _shut(end)

    def plug(self) -> None:
        """Let through again."""
        self.pulled = False

    def close(self) -> None:
        """End it."""
        self.pull()
        _shut(self._listener)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
        for end in self._open:
            end.close()


class System:
    """Broker, cloud, gateway and LAN server, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker_port, self.cloud_port, self.lan_port = free_port(), free_port(), free_port()
        self.cable = Cable(self.cloud_port)
        self.cloud, self.lan = f"http://127.0.0.1:{self.cloud_port}", f"http://127.0.0.1:{self.lan_port}"
        self.database = folder / "gateway.db"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._clients: list[httpx.Client] = []
        self._apps: dict[tuple[str, str, str], httpx.Client] = {}
        self._write()

    def _write(self) -> None:
        numbers = range(1, PONDS + 1)
        farm = [
            '[[cooperatives]]\nid = "coop"\nname = "HTX"\n',
            f'[[gateways]]\nid = "gw-1"\ncooperative = "coop"\ntoken = "{TOKEN}"\n',
        ]
        farm += [f'[[ponds]]\nid = "ao-{n}"\ncooperative = "coop"\nname = "Ao {n}"\nspecies = "vannamei"\n' for n in numbers]
        farm += [f'[[nodes]]\nid = "{node(n)}"\npond = "ao-{n}"\n' for n in numbers]
        for login, role in (("ba", "farmer"), ("tu", "technician")):
            farm.append(
                f'[[users]]\nlogin = "{login}"\nname = "{login}"\nrole = "{role}"\ncooperative = "coop"\npassword = "{PASSWORD}"\n'
            )
        farm.append(f'[[users]]\nlogin = "canbo"\nname = "canbo"\nrole = "official"\npassword = "{PASSWORD}"\n')
        (self.folder / "farm.toml").write_text("\n".join(farm), encoding="utf-8")
        (self.folder / "token").write_text(TOKEN, encoding="ascii")
        gateway = [
            '[gateway]\nid = "gw-1"\ndatabase = "gateway.db"\n',
            f'[mqtt]\nhost = "127.0.0.1"\nport = {self.broker_port}\n',
            f'[cloud]\nurl = "http://127.0.0.1:{self.cable.port}"\ntoken_file = "token"\n',
            f'[lan]\nhost = "127.0.0.1"\nport = {self.lan_port}\n',
            *(f'[[ponds]]\nid = "ao-{n}"\nname = "Ao {n}"\n' for n in numbers),
            *(f'[[nodes]]\nid = "{node(n)}"\npond = "ao-{n}"\n' for n in numbers),
        ]
        (self.folder / "gateway.toml").write_text("\n".join(gateway), encoding="utf-8")
        (self.folder / "mosquitto.conf").write_text(
            f"listener {self.broker_port} 127.0.0.1\nallow_anonymous true\n", encoding="utf-8"
        )

    def start(self, name: str) -> None:
        """Start one of the processes."""
        config = ["--config", str(self.folder / "gateway.toml")]
        store = ["--database", f"sqlite:///{self.folder / 'cloud.db'}"]
        vuong = [sys.executable, "-m", "vuong"]
        command = {
            "broker": [shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", str(self.folder / "mosquitto.conf")],
            "cloud": [*vuong, "cloud", "serve", "--port", str(self.cloud_port), *store],
            "gateway": [*vuong, "gateway", "run", *config],
            "lan": [*vuong, "gateway", "lan", *config, "--no-announce"],
        }[name]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)

    def run(self, *arguments: str, given: str | None = None) -> str:
        """Run a command of ours to its end; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "vuong", *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kill(self, name: str) -> None:
        """As a power cut does."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def begin(self) -> None:
        """Start everything, and let the oxygen of every pond fall until there is an alarm, which the cloud has too."""
        self.run("cloud", "import", "farm.toml", "--database", f"sqlite:///{self.folder / 'cloud.db'}")
        self.run("gateway", "pin", "--config", "gateway.toml", given=PIN + "\n")
        for name in ("broker", "cloud", "gateway", "lan"):
            self.start(name)
        until(lambda: httpx.get(f"{self.cloud}/healthz").status_code == 200)
        until(lambda: httpx.get(f"{self.lan}/healthz").status_code == 200)
        until(lambda: b"connected to the broker" in (self.folder / "gateway.log").read_bytes())
        self.publish_fall()
        lan, cloud = self.app("lan"), self.app("cloud")
        until(lambda: len(water(lan)) == PONDS)
        until(lambda: water(cloud).keys() == water(lan).keys())
        until(lambda: len(cloud.get("/api/v1/latest").json()) == len(lan.get("/api/v1/latest").json()))

    def publish_fall(self) -> None:
        """Publish three hours of every node, as it would have sampled them."""
        begin = int(time.time()) - 36 * STEP
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", self.broker_port)
        client.loop_start()
        for number in range(1, PONDS + 1):
            samples = []
            for k in range(36):
                values = {"do": max(2.3, 7.0 - 0.15 * k), "temperature": 29.0 + 0.01 * k, "ph": 8.0, "salinity": 15.0}
                scaled = {name: QUANTITIES[name].scaled(value) for name, value in values.items()}
                samples.append(bytes(json_pack(node(number), [(7, k + 1, begin + k * STEP, scaled)], {7: 1})))
            for sample in samples:
                client.publish(topics.topic(node(number), topics.DATA), sample, qos=1).wait_for_publish(10)
        client.disconnect()
        client.loop_stop()

    def app(self, where: str, role: str = "farmer", name: str = "Cô Sáu", *, fresh: bool = False) -> httpx.Client:
        """Return an app that is signed in at the LAN or the cloud; the same one each time, unless a `fresh` one is wanted."""
        key = (where, role, name if where == "lan" else "")
        if fresh or key not in self._apps:
            client = self._sign_in(where, role, name)
            self._clients.append(client)
            if fresh:
                return client
            self._apps[key] = client
        return self._apps[key]

    def _sign_in(self, where: str, role: str, name: str) -> httpx.Client:
        if where == "lan":
            code = json.loads(self.run("gateway", "pair", "--config", "gateway.toml", "--json", "--role", role, "--name", name))[
                "code"
            ]
            base, credentials = self.lan, {"code": code, "name": name}
        else:
            login = {"farmer": "ba", "technician": "tu", "viewer": "canbo"}[role]
            base, credentials = self.cloud, {"login": login, "password": PASSWORD, "name": name}
        reply = httpx.post(f"{base}/api/v1/devices", json=credentials)
        assert reply.status_code == 201, reply.text
        return httpx.Client(base_url=base, headers={"Authorization": f"Bearer {reply.json()['token']}"}, timeout=20)

    def close(self) -> None:
        """End every process, whatever state a failed test left the rest in."""
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.cable.close()
        for client in self._clients:
            client.close()


def water(client: httpx.Client) -> dict[str, str]:
    """Return pond → id of its open oxygen alarm."""
    return {row["pond"]: row["id"] for row in client.get("/api/v1/alarms").json() if row["kind"].startswith("oxygen")}


@pytest.fixture(scope="module")  # what one module acknowledges and shelves is not the next one's
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Give the running system."""
    if shutil.which("mosquitto") is None and not os.access("/usr/sbin/mosquitto", os.X_OK):
        pytest.skip("LEFT OUT: Mosquitto is not installed (scripts/install_test_system.sh)")
    made = System(tmp_path_factory.mktemp("system"))
    try:
        made.begin()
        yield made
    finally:
        made.close()
