"""Certificates of the technician's CA at a real Mosquitto under the shipped configuration; enrolment of nodes at a gateway, now and later."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from gateway.config import load
from gateway.system.files import Layout, broker_files
from provisioning.authority import unlock
from provisioning.failure import Failure
from provisioning.workspace import Workspace
from tests.provisioning.conftest import Outcome, Vuong
from vuong.clock import SystemClock

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
NODE, OTHER = "70b3d57ed0001a2b", "70b3d57ed0001a2c"
PASSPHRASE, WIFI = "bốn từ dễ nhớ", "cơm tấm sườn"
CONNECT = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x"  # MQTT 3.1.1, clean session, client id "x"
ACCEPTED = b"\x20\x02\x00\x00"


@pytest.fixture
def fleet(vuong: Vuong, monkeypatch: pytest.MonkeyPatch) -> Vuong:
    """Give the technician a co-op with a CA."""
    monkeypatch.setenv("VUONG_CA_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("VUONG_WIFI_PASSWORD", WIFI)
    assert vuong("fleet", "init", "--name", "HTX Vĩnh Châu").code == 0
    return vuong


def _provision(vuong: Vuong, node: str, *more: object) -> Outcome:
    return vuong("node", "provision", node, "--pond", "ao-1", "--gateway", "localhost", "--wifi", "Ao1", "--json", *more)


class Gateway:
    """The broker of a gateway, with a bundle from the laptop and the shipped configuration; and the gateway's own TOML file."""

    def __init__(self, vuong: Vuong, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        user = getpass.getuser()
        self.layout = Layout(
            etc=folder / "etc", data=folder / "data", address="127.0.0.1", port=self.port, broker_user=user, gateway_user=user
        )
        assert vuong("fleet", "gateway", "localhost", "--out", folder / "bundle.tar").code == 0
        self.layout.tls.mkdir(parents=True, exist_ok=True)
        subprocess.run(["tar", "-xf", folder / "bundle.tar", "-C", self.layout.tls], check=True)
        self.layout.broker_state.mkdir(parents=True)
        for file in broker_files(self.layout):
            file.destination.parent.mkdir(parents=True, exist_ok=True)
            file.destination.write_text(file.text, encoding="utf-8")
            file.destination.chmod(file.mode)
        self.config = self.layout.etc / "gateway.toml"
        self.config.write_text(
            f'# our own remark\n[gateway]\nid = "gw"\ndatabase = "gateway.db"\n[mqtt]\nhost = "localhost"\nport = {self.port}\n'
            f'ca_file = "{self.layout.tls}/ca.crt"\ncert_file = "{self.layout.tls}/gateway.crt"\n'
            f'key_file = "{self.layout.tls}/gateway.key"\n',
            encoding="utf-8",
        )
        self.via = f"{sys.executable} -m vuong gateway enrol --config {self.config}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.stop()
        assert MOSQUITTO is not None
        self._process = subprocess.Popen([MOSQUITTO, "-c", self.layout.etc / "mosquitto.conf"], stderr=subprocess.DEVNULL)
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise TimeoutError("Mosquitto does not listen")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def answer(self, identity: Path, said: bytes = CONNECT) -> bytes:
        """Knock as the node whose identity lies in a folder; TLS raises where it is refused, and says so to who waits."""
        context = ssl.create_default_context(cafile=str(identity / "ca.crt"))
        context.load_cert_chain(identity / "node.crt", identity / "node.key")
        with (
            socket.create_connection(("localhost", self.port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as channel,
        ):
            channel.sendall(said)
            return channel.recv(4)


@pytest.fixture
def gateway(fleet: Vuong, tmp_path: Path) -> Iterator[Gateway]:
    if MOSQUITTO is None:
        pytest.skip("LEFT OUT: Mosquitto is not installed: scripts/install_test_system.sh")
    made = Gateway(fleet, tmp_path)
    yield made
    made.stop()


@pytest.mark.slow
def test_a_provisioned_node_gets_in_a_revoked_or_foreign_one_does_not(
    fleet: Vuong, gateway: Gateway, workspace: Path, tmp_path: Path
) -> None:
    assert _provision(fleet, NODE, "--via", gateway.via).json["told"] is True
    assert _provision(fleet, OTHER, "--via", gateway.via).json["told"] is True
    gateway.start()
    assert gateway.answer(workspace / "nodes" / NODE) == ACCEPTED
    assert {node: pond.id for node, pond in load(gateway.config).nodes.items()} == {NODE: "ao-1", OTHER: "ao-1"}
    assert "# our own remark" in gateway.config.read_text(encoding="utf-8")

    done = fleet("node", "revoke", NODE, "--via", gateway.via, "--json")
    assert (done.json["revoked"], done.json["told"]) == (1, True)
    gateway.start()  # the enrolment restarts the broker where there is systemd
    with pytest.raises(ssl.SSLError, match="REVOKED"):
        gateway.answer(workspace / "nodes" / NODE, b"")
    assert gateway.answer(workspace / "nodes" / OTHER) == ACCEPTED
    assert set(load(gateway.config).nodes) == {OTHER}

    foreign = tmp_path / "foreign"
    assert fleet("fleet", "init", "--name", "HTX Vĩnh Châu", "--workspace", foreign).code == 0
    assert _provision(fleet, NODE, "--workspace", foreign).code == 0
    shutil.copy(
        workspace / "nodes" / NODE / "ca.crt", foreign / "nodes" / NODE / "ca.crt"
    )  # it trusts the broker, not so the broker it
    with pytest.raises(ssl.SSLError, match=r"UNKNOWN_CA|DECRYPT_ERROR"):
        gateway.answer(foreign / "nodes" / NODE, b"")
    refused = fleet("fleet", "sync", "--gateway", "localhost", "--workspace", foreign, "--via", gateway.via, "--json")
    assert refused.code == 1
    assert set(load(gateway.config).nodes) == {OTHER}


@pytest.mark.slow
def test_an_identity_made_anew_replaces_the_old_one(fleet: Vuong, gateway: Gateway, workspace: Path, tmp_path: Path) -> None:
    _provision(fleet, NODE)
    shutil.copytree(workspace / "nodes" / NODE, tmp_path / "old")
    assert _provision(fleet, NODE, "--via", gateway.via).json["told"] is True
    gateway.start()
    assert gateway.answer(workspace / "nodes" / NODE) == ACCEPTED
    with pytest.raises(ssl.SSLError, match="REVOKED"):
        gateway.answer(tmp_path / "old", b"")


@pytest.mark.slow
def test_without_the_gateway_it_is_told_later_and_an_older_list_is_refused(
    fleet: Vuong, gateway: Gateway, workspace: Path
) -> None:
    done = _provision(fleet, NODE, "--via", "false")
    assert done.code == 0
    assert done.json["told"] is False
    listed = workspace / "enrolment" / "localhost.json"
    old = listed.read_text(encoding="utf-8")
    _provision(fleet, OTHER)
    sync = fleet("fleet", "sync", "--gateway", "localhost", "--via", gateway.via, "--json")
    assert {k: sync.json[k] for k in ("ok", "nodes", "told", "waiting")} == {
        "ok": True,
        "nodes": [NODE, OTHER],
        "told": True,
        "waiting": {},
    }
    assert set(load(gateway.config).nodes) == {NODE, OTHER}
    listed.write_text(old, encoding="utf-8")
    again = fleet("gateway", "enrol", listed, "--config", gateway.config, "--json")
    assert (again.code, again.json["failure"]) == (1, "enrolment_old")
    signed = json.loads(old)
    signed["text"] = signed["text"].replace("ao-1", "ao-2")
    listed.write_text(json.dumps(signed), encoding="utf-8")
    forged = fleet("gateway", "enrol", listed, "--config", gateway.config, "--json")
    assert (forged.code, forged.json["failure"]) == (1, "enrolment_signature")


def test_keys_are_kept_close_and_the_log_shows_no_secret(fleet: Vuong, workspace: Path) -> None:
    _provision(fleet, NODE)
    key = workspace / "ca" / "ca.key"
    assert b"ENCRYPTED PRIVATE KEY" in key.read_bytes()
    with pytest.raises(TypeError):
        serialization.load_pem_private_key(key.read_bytes(), None)
    for path in (key, workspace / "nodes" / NODE / "node.key", workspace / "nodes" / NODE / "config.json"):
        assert path.stat().st_mode & 0o077 == 0, path
    log = (workspace / "log" / "technician.log").read_text(encoding="utf-8")
    assert NODE in log
    assert PASSPHRASE not in log
    assert WIFI not in log


def test_wrong_passphrase_and_no_ca(fleet: Vuong, workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(Failure, match="not the CA's passphrase"):
        unlock(Workspace(workspace), "something else", SystemClock())
    assert _provision(fleet, NODE, "--workspace", tmp_path / "empty").json["failure"] == "ca_missing"
    assert fleet("fleet", "init", "--name", "again", "--json").json["failure"] == "ca_exists"


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        ({"id": "70b3"}, "node_id"),
        ({"--pond": "ao 1"}, "pond_id"),
        ({"--gateway": "http://x"}, "gateway_host"),
        ({"--wifi": "x" * 33}, "ssid"),
        ({"--probes": "ds18b20,oxygen"}, "probe"),
        ({"--interval": "5"}, "interval"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_made(fleet: Vuong, workspace: Path, change: dict[str, str], failure: str) -> None:
    given = {"id": NODE, "--pond": "ao-1", "--gateway": "vuong.local", "--wifi": "Ao1"} | change
    node = given.pop("id")
    done = fleet("node", "provision", node, *(word for pair in given.items() for word in pair), "--json")
    assert (done.code, done.json["failure"]) == (2, failure)
    assert "→" in done.err
    assert not (workspace / "registry.json").exists()
