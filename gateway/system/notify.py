"""Tell systemd that the gateway is ready and makes progress (``sd_notify(3)``); without systemd, do nothing.

A watchdog fed by a timer of its own proves only that the timer runs: the gateway feeds it from the work itself, when a round of its ingest is
committed.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """systemd's notification socket.

    Parameters
    ----------
    environment : where ``NOTIFY_SOCKET`` is looked up; the process's own by default
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        # An "@" stands for the zero byte of Linux's abstract names.
        self._address = "\0" + path[1:] if path.startswith("@") else path

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)  # a stuck systemd must not stop the readings
            try:
                channel.sendto(message.encode(), self._address)
            except OSError:
                return  # nobody listens any more: the next message may be heard, and the watchdog is what decides

    def ready(self) -> None:
        """Say that the database is open and all that was known is restored: units that come after may start."""
        self._send("READY=1")

    def feed(self) -> None:
        """Progress was made: start the watchdog's time anew."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that an orderly end has begun."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Say in one line what the gateway is about: ``systemctl status`` shows it."""
        self._send(f"STATUS={text}")
