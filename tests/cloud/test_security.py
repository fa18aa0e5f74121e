"""What `docs/security.md` names and no other file tests: headers, hosts, cookies, logs, uploads, and that the page itself is true."""

from __future__ import annotations

import ast
import html
import io
import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import structlog
from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError

import cloud
from cloud.accounts import attempts, people
from cloud.accounts.tables import User
from cloud.context import Context
from cloud.database import connect, migrate
from cloud.operations.logs import configure
from tests.cloud.batches import NOW, PASSWORD, TOKENS, batch, packed
from tests.cloud.conftest import served
from vuong.clock import ManualClock

ROOT = Path(cloud.__file__).parent
PAGE = ROOT.parent / "docs" / "security.md"
# Every requirement of ASVS 4.0.3 for level 1 or 2, by number; those that the standard itself has struck out are not among them.
REQUIREMENTS = """
1.1:1-7 1.2:1-4 1.4:1,4,5 1.5:1-4 1.6:1-4 1.7:1,2 1.8:1,2 1.9:1,2 1.10:1 1.11:1,2 1.12:2 1.14:1-6
2.1:1-12 2.2:1-3 2.3:1-3 2.4:1-5 2.5:1-7 2.6:1-3 2.7:1-6 2.8:1-7 2.9:1-3 2.10:1-4
3.1:1 3.2:1-4 3.3:1-4 3.4:1-5 3.5:1-3 3.7:1
4.1:1-3,5 4.2:1,2 4.3:1-3
5.1:1-5 5.2:1-8 5.3:1-10 5.4:1-3 5.5:1-4
6.1:1-3 6.2:1-6 6.3:1,2 6.4:1,2
7.1:1-4 7.2:1,2 7.3:1,3,4 7.4:1-3
8.1:1-4 8.2:1-3 8.3:1-8
9.1:1-3 9.2:1-4
10.2:1,2 10.3:1-3
11.1:1-8
12.1:1-3 12.2:1 12.3:1-6 12.4:1,2 12.5:1,2 12.6:1
13.1:1,3-5 13.2:1-3,5,6 13.3:1,2 13.4:1,2
14.1:1-4 14.2:1-6 14.3:2,3 14.4:1-7 14.5:1-4
"""
MARKS = {"✓": "test", "○": "construction", "✗": "not done", "–": "does not apply"}
GATEWAY = {"Authorization": f"Bearer {TOKENS['gw-a']}"}


def test_the_page_names_tests_that_exist() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = re.findall(r"`([a-z_/]*test_[a-z_]+\.py)?(::test_[a-z0-9_]+)?`", text)
    named = [(file, test) for file, test in named if file or test]
    assert len(named) > 30
    file, defined = "", dict[str, set[str]]()
    for given, test in named:
        file = given or file  # a test without its file is of the file named before it
        path = ROOT.parent / "tests" / "cloud" / file
        assert path.is_file(), file
        if file not in defined:
            nodes = ast.parse(path.read_text(encoding="utf-8")).body
            defined[file] = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        assert not test or test.removeprefix("::") in defined[file], f"{file}{test}"


def required() -> set[str]:
    """Return the numbers of all requirements."""
    found = set()
    for section, _, numbers in (part.partition(":") for part in REQUIREMENTS.split()):
        for span in numbers.split(","):
            first, _, last = span.partition("-")
            found |= {f"{section}.{number}" for number in range(int(first), int(last or first) + 1)}
    return found


def answers() -> dict[str, tuple[str, str]]:
    """Return the page's mark and words for each requirement that it names, each once."""
    found: dict[str, tuple[str, str]] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if not re.match(r"\| \d", line):
            continue
        _, told, mark, how, _ = line.split("|")
        numbers = re.findall(r"\d+\.\d+\.\d+", told.split("·")[0])
        assert re.fullmatch(r" \d+\.\d+\.\d+(, \d+\.\d+\.\d+)* · .+ ", told), f"number by number, no ranges: {told}"
        for number in numbers:
            assert number not in found, f"{number} is answered twice"
            found[number] = (mark.strip(), how.strip())
    return found


def test_the_page_answers_every_requirement_of_the_standard() -> None:
    assert len(required()) == 259
    told = answers()
    assert set(told) == required()
    for number, (mark, how) in told.items():
        assert mark in MARKS, number
        assert len(how) > 10, f"{number}: how, or why not?"
        assert ("::test_" in how) is (mark == "✓"), f"{number}: what is ticked names its test, what is not does not"


def test_the_page_counts_its_answers_right() -> None:
    text, told = PAGE.read_text(encoding="utf-8"), answers()
    counted = {mark: sum(1 for answer, _ in told.values() if answer == mark) for mark in MARKS}
    assert f"{len(told)} requirements: {counted['✓']} ✓, {counted['○']} ○, {counted['✗']} ✗, {counted['–']} –" in text
    open_points = text.split("## Open\n")[1]
    for number, (mark, _) in told.items():
        assert (re.search(rf"(?<![\d.]){re.escape(number)}(?![\d.]*\d)", open_points) is not None) is (mark == "✗"), number


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
    token = reply.text.split('name="token" value="')[1].split('"')[0]
    form = {"login": "sau", "password": PASSWORD, "token": token}
    visit = {"Cookie": reply.headers["Set-Cookie"].split(";")[0], "X-Forwarded-Proto": "https"}
    [session] = [
        cookie
        for cookie in client.post("/sign-in", data=form, headers=visit).headers.get_list("Set-Cookie")
        if "vuong_session" in cookie
    ]
    assert session.startswith("__Host-vuong_session="), "the browser binds it to this very host"
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= {part.strip().lower() for part in session.split(";")}
    client.cookies.clear()
    held = {"Cookie": session.split(";")[0]}
    assert client.get("/ponds", headers=held | {"X-Forwarded-Proto": "https"}).status_code == 200
    assert client.get("/ponds", headers=held).status_code == 303, "not without encryption"
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
    for origin in ("https://evil.example", "null", str(client.base_url)):
        reply = client.get("/api/v1/me", headers={"Origin": origin})
        assert (reply.status_code, "Access-Control-Allow-Origin" in reply.headers) == (401, False), "no origin opens anything"


def test_a_failure_tells_nothing_of_the_inside(client: httpx.Client) -> None:
    for path in (
        "/ponds/%00",
        "/api/v1/ponds/%00",
        "/static/../../etc/passwd",
        "/static/%2e%2e/layout.py",
        "/nowhere",
        "/docs",
        "/redoc",
    ):
        reply = client.get(path, headers=GATEWAY)
        assert reply.status_code in {303, 404, 422}, path
        assert "Traceback" not in reply.text
        assert "sqlalchemy" not in reply.text
    assert "server" not in {name.lower() for name in client.get("/static/").headers} or client.get("/static/").status_code == 404


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # pages and headers do not depend on it
def test_what_is_asked_of_the_api_is_json_and_what_it_answers_is_no_page(
    client: httpx.Client, sign_in: Callable[[str], httpx.Client]
) -> None:
    body = json.dumps({"login": "sau", "password": PASSWORD})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "text/xml", "x"):
        assert client.post("/api/v1/devices", content=body, headers={"Content-Type": kind}).status_code == 415, kind
    assert client.post("/api/v1/devices", content=body).status_code == 422, "without a word it is not guessed"
    for kind in ("application/json", "application/json; charset=utf-8"):
        reply = client.post("/api/v1/devices", content=body, headers={"Content-Type": kind})
        assert reply.status_code == 201
        assert reply.headers["Content-Type"] == "application/json"
        assert reply.headers["Content-Disposition"] == 'attachment; filename="api.json"'
    page = sign_in("sau").get("/ponds")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Content-Disposition" not in page.headers


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # pages and headers do not depend on it
def test_signing_out_clears_what_the_browser_kept_and_scripts_keep_nothing(sign_in: Callable[[str], httpx.Client]) -> None:
    browser = sign_in("sau")
    token = browser.get("/account").text.split('name="token" value="')[1].split('"')[0]
    for path in ("/account", "/ponds", "/api/v1/me"):
        assert browser.get(path).headers["Cache-Control"] == "no-store", "nothing to go back to"
    reply = browser.post("/sign-out", data={"token": token})
    assert reply.headers["Clear-Site-Data"] == '"cache", "storage"'
    for script in (ROOT / "web" / "static").glob("*.js"):
        text = script.read_text(encoding="utf-8")
        assert not re.search(r"localStorage|sessionStorage|indexedDB|document\.cookie|\beval\(|new Function", text), script.name


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # pages and headers do not depend on it
def test_what_people_write_is_shown_as_written_and_never_run(client: httpx.Client, engine: Engine) -> None:
    name = """<img src=x onerror="alert(1)">' O'Hara ខ្មែរ 🦐 {{ 7 * 7 }}"""
    people.add(engine, login="bay", name=name, role="farmer", cooperative="coop-a", password=PASSWORD, now=NOW, actor="test")
    token = client.get("/sign-in").text.split('name="token" value="')[1].split('"')[0]
    client.post("/sign-in", data={"login": "bay", "password": PASSWORD, "token": token})
    page = client.get("/account").text
    assert "<img src=x" not in page
    assert name in html.unescape(page)
    assert client.get("/api/v1/me").json()["name"] == name


def test_a_body_sets_no_field_that_is_not_its_own(client: httpx.Client) -> None:
    token = client.post("/api/v1/devices", json={"login": "nam", "password": PASSWORD}).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    new = {"login": "bay", "name": "Chú Bảy", "role": "farmer", "cooperative": "coop-b", "password": PASSWORD}
    more = {"id": 1, "disabled": None, "initial_until": None, "second_factor": None}
    assert client.post("/api/v1/people", json=new | more, headers=headers).status_code == 201
    reply = client.post("/api/v1/devices", json={"login": "bay", "password": PASSWORD})
    assert (reply.status_code, "your own password" in reply.text) == (403, True), "it is still the first one"
    # The same name twice, or in the wrong place, changes nothing of whose records one sees.
    asked = client.get("/api/v1/ponds?cooperative=coop-a&cooperative=coop-a", headers=headers).json()
    assert {pond["id"] for pond in asked} == {"ao-b1"}


def test_there_is_nobody_in_a_new_cloud(empty_engine: Engine) -> None:
    migrate(empty_engine)
    with empty_engine.connect() as connection:
        assert connection.execute(select(User.login)).all() == []


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # pages and headers do not depend on it
def test_who_was_refused_stands_in_the_log_and_attacks_are_counted(
    log: io.StringIO, client: httpx.Client, engine: Engine, sign_in: Callable[[str], httpx.Client]
) -> None:
    browser = sign_in("sau")
    assert browser.get("/api/v1/people").status_code == 403
    browser.cookies.clear()
    for _ in range(attempts.FAILURES - 1):
        attempts.failed(engine, "login:sau", NOW)
    for _ in range(2):
        token = browser.get("/sign-in").text.split('name="token" value="')[1].split('"')[0]
        browser.post("/sign-in", data={"login": "sau", "password": "guessed", "token": token})
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    [refused] = [line for line in lines if line["path"] == "/api/v1/people"]
    assert (refused["status"], refused["method"]) == (403, "GET")
    assert re.fullmatch(r"user:\d+", refused["who"])
    assert all({"timestamp", "request_id", "method", "status"} <= set(line) for line in lines)
    counted = client.get("/metrics").text
    assert 'vuong_requests_total{method="POST",route="/sign-in",status="401"} 1.0' in counted
    assert 'vuong_requests_total{method="POST",route="/sign-in",status="429"} 1.0' in counted
    assert 'route="/api/v1/people",status="403"} 1.0' in counted


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://vuong@db.example/vuong", "require"),
        ("postgresql://vuong@/vuong?host=localhost,10.0.0.2&port=5432,5432", "require"),
        ("postgresql://vuong@/vuong?host=127.0.0.1:5432&host=db2:5432", "require"),
        ("postgresql://vuong@db.example/vuong?sslmode=verify-full", "verify-full"),
        ("postgresql://vuong@db.example/vuong?sslmode=disable", "disable"),
        ("postgresql://vuong@/vuong?host=/run/postgresql", None),
        ("postgresql://vuong@127.0.0.1/vuong", None),
        ("postgresql://vuong@/vuong?host=127.0.0.1:1,localhost:2&target_session_attrs=read-write", None),
        ("postgresql://vuong@/vuong", None),
    ],
)
def test_a_database_on_another_machine_is_spoken_to_by_tls(url: str, mode: str | None) -> None:
    assert connect(url).url.query.get("sslmode") == mode


def test_a_database_that_says_it_has_no_tls_is_told_nothing() -> None:
    heard = bytearray()

    def without_tls(listener: socket.socket) -> None:  # stands in for who sits between: says no to PostgreSQL's request for TLS
        peer, _ = listener.accept()
        with peer:
            heard.extend(peer.recv(8))
            peer.sendall(b"N")
            heard.extend(peer.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=without_tls, args=(listener,))
        thread.start()
        port = listener.getsockname()[1]
        engine = connect(f"postgresql://vuong:geheim@db.example:{port}/vuong?hostaddr=127.0.0.1")
        with pytest.raises(OperationalError, match="SSL was required"), engine.connect():
            pass
        thread.join(10)
    assert bytes(heard) == bytes.fromhex("00000008 04d2162f"), "the request for TLS and nothing after it"
