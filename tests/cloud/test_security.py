"""What `docs/security.md` names and no other file tests: headers, hosts, cookies, logs, uploads, and that the page itself is true."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import structlog
from sqlalchemy import Engine

import cloud
from cloud.context import Context
from cloud.operations.logs import configure
from tests.cloud.batches import NOW, PASSWORD, TOKENS, batch, packed
from tests.cloud.conftest import served
from vuong.clock import ManualClock

ROOT = Path(cloud.__file__).parent
PAGE = ROOT.parent / "docs" / "security.md"
# The sections of ASVS 4.0.3, without those that have no requirement.
SECTIONS = {1: 14, 2: 10, 3: 7, 4: 3, 5: 5, 6: 4, 7: 4, 8: 3, 9: 2, 10: 3, 11: 1, 12: 6, 13: 4, 14: 5}
GATEWAY = {"Authorization": f"Bearer {TOKENS['gw-a']}"}


def test_the_page_names_tests_that_exist() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = re.findall(r"`([a-z_/]*test_[a-z_]+\.py)?(::test_[a-z0-9_]+)?`", text)
    named = [(file, test) for file, test in named if file or test]
    assert len(named) > 30
    file = ""
    for given, test in named:
        file = given or file  # a test without its file is of the file named before it
        path = ROOT.parent / "tests" / "cloud" / file
        assert path.is_file(), file
        if test:
            defined = {
                node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)
            }
            assert test.removeprefix("::") in defined, f"{file}{test}"


def test_the_page_answers_every_section_of_the_standard() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if re.match(r"\| \d+\.\d+", line)]
    assert all(len(row) == 5 and row[2].strip() in {"✓", "○", "✗", "–"} and row[3].strip() for row in rows)
    told = {tuple(map(int, found)) for row in rows for found in re.findall(r"(\d+)\.(\d+)(?:\.\d+)?", row[1])}
    assert {(chapter, section) for chapter, last in SECTIONS.items() for section in range(1, last + 1)} - told == set()
    for row in rows:
        if row[2].strip() == "✓":
            assert "test_" in row[3], f"{row[1]} is ticked without a test"


def test_only_the_operators_own_addresses_are_fetched() -> None:
    """No request of ours goes where a user says: what fetches at all is the OpenID provider's adapter and the mirror (SSRF)."""
    fetching = set()
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            if any(
                re.match(r"(httpx|requests|aiohttp|urllib\.request|urllib3|socket|influxdb_client|http\.client)\b", name)
                for name in names
            ):
                fetching.add(file.relative_to(ROOT).as_posix())
    assert fetching == {"accounts/oidc.py", "telemetry/mirror.py"}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Give what is logged."""
    stream, before = io.StringIO(), logging.getLogger().handlers[:]
    configure(stream=stream)
    yield stream
    logging.getLogger().handlers[:] = before
    structlog.reset_defaults()


def test_nobody_writes_lines_of_their_own_into_the_log(log: io.StringIO, client: httpx.Client) -> None:
    forged = 'x\n{"event": "forged", "level": "info"}'
    client.get("/ponds/%0A%7B%22event%22:%22forged%22%7D", headers={"X-Request-ID": "a b\\n;forged"})
    client.post("/api/v1/devices", json={"login": forged, "password": forged, "name": forged})
    client.get("/ponds?next=forged%0A")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert len(lines) >= 2
    assert {line["event"] for line in lines} == {"request"}
    assert all(re.fullmatch(r"[0-9a-f]{32}", line["request_id"]) for line in lines)
    assert PASSWORD not in log.getvalue()


def test_another_name_is_not_answered(engine: Engine) -> None:
    context = Context(engine, b"k" * 32, clock=ManualClock(NOW), wall=ManualClock(NOW), hosts=("htx.example", "127.0.0.1"))
    with served(context) as address:
        assert httpx.get(f"{address}/healthz").status_code == 200
        assert httpx.get(f"{address}/healthz", headers={"Host": "htx.example"}).status_code == 200
        refused = httpx.get(f"{address}/healthz", headers={"Host": "evil.example"})
        assert refused.status_code == 400
        assert refused.headers["X-Content-Type-Options"] == "nosniff"


def test_over_https_cookies_and_pages_stay_there(client: httpx.Client) -> None:
    plain = client.get("/sign-in")
    assert "secure" not in plain.headers["Set-Cookie"].lower()
    assert "Strict-Transport-Security" not in plain.headers
    client.cookies.clear()
    reply = client.get("/sign-in", headers={"X-Forwarded-Proto": "https"})  # as a proxy on this machine says
    flags = {part.strip().lower() for part in reply.headers["Set-Cookie"].split(";")}
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= flags
    assert int(reply.headers["Strict-Transport-Security"].split("max-age=")[1].split(";")[0]) >= 31_536_000


def test_no_page_may_be_framed_or_run_foreign_scripts(client: httpx.Client) -> None:
    policy = dict(part.strip().split(" ", 1) for part in client.get("/sign-in").headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
    assert (policy["frame-ancestors"], policy["base-uri"], policy["form-action"]) == ("'none'", "'none'", "'self'")
    for file in (ROOT / "web" / "templates").glob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"<script(?![^>]*src=)|\son[a-z]+=|javascript:|\bstyle=|\|\s*safe\b", text), file.name


def test_signing_in_anew_ends_the_session_before(client: httpx.Client, sign_in: Callable[[str], httpx.Client]) -> None:
    before = sign_in("sau").cookies["vuong_session"]
    token = client.get("/account").text.split('name="token" value="')[1].split('"')[0]
    assert client.post("/sign-in", data={"login": "sau", "password": PASSWORD, "token": token}).status_code == 303
    assert client.cookies["vuong_session"] != before
    with httpx.Client(base_url=client.base_url, cookies={"vuong_session": before}) as thief:
        assert thief.get("/ponds").status_code == 303


def test_a_cookie_that_somebody_planted_is_never_a_session(client: httpx.Client) -> None:
    client.cookies.set("vuong_session", "planted")
    token = client.get("/sign-in").text.split('name="token" value="')[1].split('"')[0]
    client.post("/sign-in", data={"login": "sau", "password": PASSWORD, "token": token})
    with httpx.Client(base_url=client.base_url, cookies={"vuong_session": "planted"}) as thief:
        assert thief.get("/ponds").status_code == 303


def test_no_file_is_taken(client: httpx.Client, sign_in: Callable[[str], httpx.Client]) -> None:
    browser = sign_in("sau")
    token = browser.get("/ponds/ao-a1/diary").text.split('name="token" value="')[1].split('"')[0]
    form = {"token": token, "kind": "feed", "mass": "5", "product": "x"}
    reply = browser.post("/ponds/ao-a1/diary", data=form, files={"note": ("x.exe", b"MZ")})
    assert reply.status_code == 400
    assert browser.get("/api/v1/ponds/ao-a1/diary").json() == []


def test_a_body_that_unpacks_to_too_much_is_refused(client: httpx.Client) -> None:
    bomb = packed(batch() | {"samples": "0" * 80_000_000})
    assert len(bomb) < 1_000_000
    reply = client.post("/api/v1/batches", content=bomb, headers={**GATEWAY, "Content-Encoding": "gzip"})
    assert reply.status_code == 413


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PATCH", "OPTIONS"])
def test_other_methods_and_origins_get_nothing(client: httpx.Client, method: str) -> None:
    reply = client.request(method, "/api/v1/ponds", headers={"Origin": "https://evil.example", **GATEWAY})
    assert reply.status_code == 405
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_a_failure_tells_nothing_of_the_inside(client: httpx.Client) -> None:
    for path in ("/ponds/%00", "/api/v1/ponds/%00", "/static/../../etc/passwd", "/static/%2e%2e/layout.py", "/nowhere"):
        reply = client.get(path, headers=GATEWAY)
        assert reply.status_code in {303, 404, 422}, path
        assert "Traceback" not in reply.text
        assert "sqlalchemy" not in reply.text
    assert "server" not in {name.lower() for name in client.get("/static/").headers} or client.get("/static/").status_code == 404
