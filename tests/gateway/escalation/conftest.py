"""Real servers on this machine that take what the gateway sends: HTTP for hooks and apprise's ``json://``, SMTP for ``mailto://``."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import gpiozero
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope
from gpiozero.pins.mock import MockFactory

from tests.gateway.alarms.conftest import judge as judge  # noqa: PLC0414 - a fixture, of these tests too
from tests.gateway.conftest import free_port


class Web:
    """An HTTP server that answers `status` and keeps what was posted."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.posts.append((self.path, dict(self.headers), json.loads(body)))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep the tests' output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def said(self) -> list[str]:
        """The text of each post, hook's or apprise's."""
        return [document.get("body") or document.get("message") for _, _, document in self.posts]


class Mail:
    """An SMTP server that keeps what it was handed."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], bytes | str | None]] = []
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append((envelope.rcpt_tos, envelope.content))
        return "250 taken"

    def close(self) -> None:
        self._controller.stop()


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.close()


@pytest.fixture
def mail() -> Iterator[Mail]:
    server = Mail()
    yield server
    server.close()


@pytest.fixture
def pins() -> Iterator[MockFactory]:
    """Give gpiozero's own mock pins: the one thing here that has no real counterpart on this machine."""
    before = gpiozero.Device.pin_factory
    factory = gpiozero.Device.pin_factory = MockFactory()
    yield factory
    factory.reset()
    gpiozero.Device.pin_factory = before
