"""Each capability is served alone: its own addresses answer, those of the others are not there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import httpx
import pytest
from sqlalchemy import Engine

from cloud.app import CAPABILITIES
from cloud.context import Context
from tests.cloud.batches import NOW, TOKENS, batch, packed, sample
from tests.cloud.conftest import served
from tests.cloud.test_tenancy import leaves, named
from vuong.clock import ManualClock

GATEWAY = {"Authorization": f"Bearer {TOKENS['gw-a']}"}
ONE_OF_EACH = {
    "accounts": "/api/v1/me",
    "farms": "/api/v1/ponds",
    "telemetry": "/api/v1/latest",
    "alerts": "/api/v1/alarms",
    "entries": "/api/v1/ponds/ao-a1/hand-readings",
    "web": "/ponds",
}


def addresses(name: str) -> set[tuple[str, str]]:
    """Return the addresses of a capability, with things of co-op A in them."""
    found = set()
    for part in CAPABILITIES[name]:
        for route in leaves(list(part.router.routes)):
            found |= {(method, named(route.path)) for method in route.methods}
    return found


def test_every_capability_is_tried_here() -> None:
    assert ONE_OF_EACH.keys() == CAPABILITIES.keys()


@pytest.mark.slow
@pytest.mark.parametrize("alone", sorted(CAPABILITIES))
def test_a_capability_alone_answers_its_own_and_no_other(engine: Engine, alone: str) -> None:
    context = Context(engine, b"k" * 32, clock=ManualClock(NOW), wall=ManualClock(NOW))
    own = addresses(alone)
    with served(context, [alone]) as address, httpx.Client(base_url=address) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200
        for name in CAPABILITIES:
            for method, path in sorted(addresses(name)):
                status = client.request(method, path).status_code
                if (method, path) in own:
                    assert status not in {404, 405}, (method, path)
                elif path not in {taken for _, taken in own}:
                    assert status in {404, 405}, (method, path)
        for name, path in ONE_OF_EACH.items():
            if name != "web":
                status = client.get(path, headers=GATEWAY).status_code
                assert status == (200 if name == alone else 404), name
        described = client.get("/api/v1/openapi.json").json()["paths"]
    assert not described.keys() & {path for name, path in ONE_OF_EACH.items() if name != alone}


@pytest.mark.slow
def test_two_servers_share_one_store(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    ports, servers = [], []
    for only in ("telemetry,alerts", "farms"):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
        command = [sys.executable, "-m", "vuong", "cloud", "serve", "--only", only, "--port", str(ports[-1]), "--database", url]
        servers.append(subprocess.Popen(command, env={**os.environ, "VUONG_SECRET_KEY": "k" * 64}))
    try:
        for port, server in zip(ports, servers, strict=True):
            wait_for(port, server)
        first, second = (f"http://127.0.0.1:{port}" for port in ports)
        headers = {**GATEWAY, "Content-Encoding": "gzip"}
        at = int(time.time()) - 60
        sent = httpx.post(f"{first}/api/v1/batches", content=packed(batch([sample(1, time=at, do=5.0)])), headers=headers)
        assert sent.status_code == 200, sent.text
        assert httpx.get(f"{first}/api/v1/latest", headers=GATEWAY).json()[0]["value"] == 5.0
        assert httpx.get(f"{first}/api/v1/ponds", headers=GATEWAY).status_code == 404
        assert len(httpx.get(f"{second}/api/v1/ponds", headers=GATEWAY).json()) == 2
        assert httpx.post(f"{second}/api/v1/batches", content=b"", headers=headers).status_code == 404
    finally:
        for server in servers:
            server.terminate()
            server.wait(20)


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers."""
    for _ in range(300):
        assert server.poll() is None
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail("the server did not come up")
