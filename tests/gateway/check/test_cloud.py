"""The cloud's check against the real cloud, and against servers that are none."""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from gateway.check import cloud as checked
from gateway.check.finding import Finding, Subject
from gateway.config import Cloud
from gateway.ingest import Ingest
from gateway.store.store import Store
from tests.gateway.check.conftest import NODE, Gateway
from tests.gateway.system.authority import Authority
from tests.gateway.system.broker import free_port
from vuong.contract import topics
from vuong.contract.encode import json_pack

pytestmark = pytest.mark.slow
Said = Callable[[Iterator[Finding]], list[tuple[str, str]]]
TOKEN = "a-token-of-this-test-only-0001"
FARM = f"""
[[cooperatives]]
id = "htx"
name = "HTX"
[[gateways]]
id = "gw-1"
cooperative = "htx"
token = "{TOKEN}"
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a real cloud in a process of its own."""
    folder = tmp_path_factory.mktemp("cloud")
    (folder / "farm.toml").write_text(FARM, encoding="utf-8")
    port = free_port()
    command = [sys.executable, "-m", "vuong", "cloud"]
    database = ["--database", f"sqlite:///{folder}/cloud.db"]
    subprocess.run([*command, "import", *database, folder / "farm.toml"], cwd=folder, check=True, capture_output=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "serve", *database, "--port", str(port)], cwd=folder, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                if httpx.get(f"{url}/healthz").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _subject(gateway: Gateway, url: str, token: str | None = TOKEN, mode: int = 0o600) -> Subject:
    file = gateway.folder / "cloud.token"
    if token is not None:
        file.write_text(token + "\n", encoding="utf-8")
        file.chmod(mode)
    return Subject(replace(gateway.config, cloud=Cloud(url, file)), gateway.clock)


def test_not_set_up(gateway: Gateway, said: Said) -> None:
    assert said(checked.check(gateway.subject)) == [("not-applicable", "cloud.none")]


def test_all_well(gateway: Gateway, cloud: str, said: Said) -> None:
    assert said(checked.check(_subject(gateway, cloud))) == [("ok", "cloud.ok")]


def test_wrong_token(gateway: Gateway, cloud: str, said: Said) -> None:
    assert said(checked.check(_subject(gateway, cloud, "a-token-that-nobody-gave-out"))) == [("fail", "cloud.token_refused")]


def test_token_of_another_gateway(gateway: Gateway, cloud: str, said: Said) -> None:
    subject = _subject(gateway, cloud)
    found = said(checked.check(replace(subject, config=replace(subject.config, id="gw-2"))))
    assert found in ([("fail", "cloud.token_refused")], [("fail", "cloud.answer")])


@pytest.mark.parametrize("token", [None, "", "mã-tiếng-việt", "two\nlines"])
def test_no_token(gateway: Gateway, cloud: str, said: Said, token: str | None) -> None:
    assert said(checked.check(_subject(gateway, cloud, token))) == [("fail", "cloud.token_missing")]


def test_token_that_anybody_can_read(gateway: Gateway, cloud: str, said: Said) -> None:
    assert said(checked.check(_subject(gateway, cloud, mode=0o644))) == [("fail", "cloud.token_open"), ("ok", "cloud.ok")]


def test_token_is_never_shown(gateway: Gateway, cloud: str) -> None:
    for url in (cloud, cloud + "/nowhere", "http://127.0.0.1:1"):
        for finding in checked.check(_subject(gateway, url, mode=0o644)):
            assert TOKEN not in finding.sentence() + str(finding.remedy()) + str(finding.numbers)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://cloud.invalid"])
def test_off_line_is_a_warning(gateway: Gateway, said: Said, url: str) -> None:
    assert said(checked.check(_subject(gateway, url))) == [("warn", "cloud.unreachable")]


def test_token_in_the_open(gateway: Gateway, said: Said) -> None:
    found = said(checked.check(_subject(gateway, "http://cloud.invalid")))
    assert found == [("fail", "cloud.plain"), ("warn", "cloud.unreachable")]


def test_wrong_address(gateway: Gateway, cloud: str, said: Said) -> None:
    assert said(checked.check(_subject(gateway, cloud + "/nowhere"))) == [("fail", "cloud.answer")]


def test_many_samples_wait(gateway: Gateway, cloud: str, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked, "_MANY", 4)
    store = Store(gateway.config.database)
    ingest = Ingest(gateway.config, store, gateway.clock)
    now = int(gateway.clock.now())
    for seq in range(1, 6):
        ingest.take([(topics.topic(NODE, topics.DATA), bytes(json_pack(NODE, [(7, seq, now, {"do": 600})], {7: 1})))])
    ingest.commit()
    store.close()
    assert said(checked.check(_subject(gateway, cloud))) == [("warn", "cloud.waiting")]


class _Broken(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def strange(tmp_path: Path) -> Iterator[str]:
    """Run an HTTPS server whose certificate is of a CA that this machine does not know."""
    authority = Authority(tmp_path / "strange")
    authority.issue("localhost", file="server", server=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.folder / "server.crt", authority.folder / "server.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Broken) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://localhost:{server.server_port}"
        server.shutdown()


def test_somebody_in_between(gateway: Gateway, strange: str, said: Said) -> None:
    assert said(checked.check(_subject(gateway, strange))) == [("fail", "cloud.foreign")]


def test_cloud_in_trouble(gateway: Gateway, said: Said) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Broken) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert said(checked.check(_subject(gateway, f"http://127.0.0.1:{server.server_port}"))) == [("fail", "cloud.answer")]
        server.shutdown()
