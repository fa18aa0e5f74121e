"""The LAN page as `vuong gateway lan` serves it with a certificate of the co-op's authority, to clients that check it."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.gateway.system.authority import Authority
from vuong.contract import api
from vuong.i18n import DEFAULT

pytestmark = pytest.mark.slow

VUONG = str(Path(sys.executable).with_name("vuong"))
PIN = "493817"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """Give the folder, with ``ca.crt`` in it, and the port."""
    folder = tmp_path_factory.mktemp("https")
    Authority(folder).issue("lan", server=True)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    config = folder / "gateway.toml"
    config.write_text(
        f'[gateway]\nid = "gw"\ndatabase = "gateway.db"\n[lan]\nhost = "127.0.0.1"\nport = {port}\ncert_file = "lan.crt"\nkey_file = "lan.key"\n'
        '[[ponds]]\nid = "p1"\nname = "Ao 1"\n[[nodes]]\nid = "00124b0000000001"\npond = "p1"\n',
        encoding="utf-8",
    )
    subprocess.run([VUONG, "gateway", "pin", "--config", str(config)], input=PIN.encode(), check=True, capture_output=True)
    process = subprocess.Popen([VUONG, "gateway", "lan", "--config", str(config), "--no-announce"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield folder, port
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) in {0, -signal.SIGTERM}  # uvicorn ends by the signal that it was sent


def checking(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "ca.crt"))


def test_a_farmer_signs_in_and_the_cookie_never_goes_in_the_clear(served: tuple[Path, int]) -> None:
    folder, port = served
    with httpx.Client(base_url=f"https://localhost:{port}", verify=checking(folder), follow_redirects=True) as browser:
        door = browser.get("/")
        assert door.headers["Strict-Transport-Security"] == "max-age=31536000"
        found = re.search(r'name="token" value="([0-9a-f]+)"', door.text)
        assert found
        entered = browser.post("/sign-in", data={"pin": PIN, "name": "Cô Sáu", "token": found.group(1)})
        assert "Ao 1" in entered.text
        cookies = [cookie for response in entered.history for cookie in response.headers.get_list("Set-Cookie")]
        (session,) = (cookie for cookie in cookies if cookie.startswith("vuong_lan="))
        assert {"secure", "httponly", "samesite=strict"} <= {part.strip().lower() for part in session.split(";")}
        assert browser.get("/nodes", params={"lang": DEFAULT}).status_code == 200


def test_an_app_signs_in_and_listens(served: tuple[Path, int]) -> None:
    folder, port = served
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=checking(folder)) as app:
        token = app.post(api.DEVICES, json={"pin": PIN, "name": "app"}).json()["token"]
        app.headers["Authorization"] = f"Bearer {token}"
        assert [pond["id"] for pond in app.get(api.PONDS).json()] == ["p1"]
        with app.stream("GET", api.EVENTS) as events:
            assert next(line for line in events.iter_lines() if line.startswith("event:")) == "event: live"


def test_a_foreign_authority_and_a_plain_connection_get_nothing(served: tuple[Path, int], tmp_path: Path) -> None:
    _, port = served
    Authority(tmp_path, "somebody else")
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"https://localhost:{port}/", verify=checking(tmp_path))
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://localhost:{port}/")


async def test_what_is_older_than_tls_1_2_is_refused(served: tuple[Path, int]) -> None:
    folder, port = served
    old = checking(folder)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("localhost", port, ssl=old)
