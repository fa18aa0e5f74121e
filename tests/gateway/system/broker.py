"""A real Mosquitto under the shipped configuration, and clients that knock at it."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
import psutil
from paho.mqtt.enums import CallbackAPIVersion

from gateway.system.files import Layout, broker_files
from tests.gateway.system.authority import Authority

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Broker:
    """Mosquitto with the rendered files in `folder`; certificates of `authority`."""

    def __init__(self, folder: Path, **limits: int | str) -> None:
        user = getpass.getuser()
        layout = Layout(
            etc=folder / "etc", data=folder / "data", address="127.0.0.1", port=free_port(), broker_user=user, gateway_user=user
        )
        self.layout = replace(layout, **limits)  # type: ignore[arg-type]
        self.log = folder / "broker.log"
        self.authority = Authority(self.layout.tls)
        self.authority.issue("localhost", file="broker", server=True)
        self.authority.issue(self.layout.gateway_identity)
        self.layout.broker_state.mkdir(parents=True)
        for file in broker_files(self.layout):
            file.destination.parent.mkdir(parents=True, exist_ok=True)
            file.destination.write_text(file.text, encoding="utf-8")
            file.destination.chmod(file.mode)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [MOSQUITTO, "-c", self.layout.etc / "mosquitto.conf"], stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.layout.port)) == 0:
                    return
            assert self._process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise TimeoutError(self.log.read_text())

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def reload(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(10)
            self._process = None

    def said(self, text: str, seconds: float = 5.0) -> bool:
        """Wait until the broker's log holds `text`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if text in self.log.read_text():
                return True
            time.sleep(0.02)
        return False

    def context(self, certificate: str | None, authority: Authority | None = None) -> ssl.SSLContext:
        """Return what a client with that certificate of `authority` (the broker's own where not given) connects with."""
        context = ssl.create_default_context(cafile=str(self.layout.tls / "ca.crt"))
        if certificate is not None:
            folder = (authority or self.authority).folder
            context.load_cert_chain(folder / f"{certificate}.crt", folder / f"{certificate}.key")
        return context

    def client(
        self,
        certificate: str | None,
        *,
        authority: Authority | None = None,
        identifier: str | None = None,
        **options: Any,  # noqa: ANN401 - aiomqtt.Client's own
    ) -> aiomqtt.Client:
        """Return a client; a node's own certificate is issued the first time."""
        if certificate is not None and authority is None and not (self.layout.tls / f"{certificate}.crt").exists():
            self.authority.issue(certificate)
        if options.get("clean_session") is False:
            identifier = identifier or certificate  # paho wants one, although the broker takes the certificate's
        options = {"clean_session": True, "timeout": 5} | options
        return aiomqtt.Client(
            "localhost", self.layout.port, identifier=identifier, tls_context=self.context(certificate, authority), **options
        )

    def die(self, certificate: str, topic: str, will: bytes) -> None:
        """Be a node that leaves a last will and whose power then fails."""
        if not (self.layout.tls / f"{certificate}.crt").exists():
            self.authority.issue(certificate)
        node = paho.Client(CallbackAPIVersion.VERSION2)
        node.tls_set_context(self.context(certificate))
        node.will_set(topic, will, qos=1)
        node.connect("localhost", self.layout.port)
        deadline = time.monotonic() + 5
        while not node.is_connected() and time.monotonic() < deadline:
            node.loop(0.1)
        assert node.is_connected()
        channel = node.socket()
        assert isinstance(channel, ssl.SSLSocket)
        channel.shutdown(socket.SHUT_RDWR)
        channel.close()
