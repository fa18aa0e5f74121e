"""systemd's side of the notification socket is a real Unix datagram socket here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.system.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        name = f"@vuong-{uuid.uuid4()}" if request.param == "abstract" else str(tmp_path / "notify")
        listener.bind(name.replace("@", "\0", 1))
        listener.settimeout(2)
        yield listener, {"NOTIFY_SOCKET": name}


def test_messages_as_systemd_reads_them(systemd: tuple[socket.socket, dict[str, str]]) -> None:
    listener, environment = systemd
    notifier = Notifier(environment)
    notifier.ready()
    notifier.feed()
    notifier.stopping()
    assert [listener.recv(256) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_without_systemd_nothing_happens() -> None:
    notifier = Notifier({})
    notifier.ready()
    notifier.feed()


def test_systemd_gone_does_not_stop_the_gateway(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).feed()


def test_own_environment_is_read(systemd: tuple[socket.socket, dict[str, str]]) -> None:
    listener, environment = systemd
    code = "from gateway.system.notify import Notifier; Notifier().ready()"
    subprocess.run([sys.executable, "-c", code], env=os.environ | environment, check=True)
    assert listener.recv(256) == b"READY=1"
