"""Tell systemd that the gateway is ready and makes progress (``sd_notify(3)``); without systemd, do nothing.

A watchdog fed by a timer proves only that the timer runs. Here every part of the gateway says so itself when it has gone round once, and
systemd hears ``WATCHDOG=1`` only when all of them have.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping


class Notifier:
    """systemd's notification socket.

    Parameters
    ----------
    environment : where ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are looked up; the process's own by default

    Attributes
    ----------
    interval : seconds between two feedings of the watchdog, half of what systemd allows; ``None`` where it keeps none over this process
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        # An "@" stands for the zero byte of Linux's abstract names.
        self._address = "\0" + path[1:] if path.startswith("@") else path
        allowed = int(environment.get("WATCHDOG_USEC", "0"))
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.interval = allowed / 2e6 if path and allowed and ours else None

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
        """Say that the database is open and the broker subscribed: units that come after may start."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Show one line in ``systemctl status``."""
        self._send("STATUS=" + text.replace("\n", " "))

    def feed(self) -> None:
        """Progress was made: start the watchdog's time anew."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that an orderly end has begun."""
        self._send("STOPPING=1")


class Progress:
    """Feeds the watchdog when every part has made progress since it was fed last.

    Parameters
    ----------
    notifier : where to
    parts : names of the parts that must each call `made`, at least once in `Notifier.interval`, also when there is nothing to do
    monotonic : seconds of a clock that nobody sets; systemd's watchdog runs on real time, whatever the gateway's clock says
    """

    def __init__(self, notifier: Notifier, parts: Iterable[str], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._notifier, self._parts, self._monotonic = notifier, frozenset(parts), monotonic
        self._made: set[str] = set()
        self._pause = (notifier.interval or 0.0) / 4  # parts go round thousands of times a second; systemd need not hear each
        self._next = monotonic()

    def made(self, part: str) -> None:
        """Say that `part` has gone round once.

        Raises
        ------
        ValueError
            if no such part was announced
        """
        if part not in self._parts:
            raise ValueError(f"part is {part!r}; known are {', '.join(sorted(self._parts))}")
        self._made.add(part)
        if self._made == self._parts and (now := self._monotonic()) >= self._next:
            self._made.clear()
            self._next = now + self._pause
            self._notifier.feed()
