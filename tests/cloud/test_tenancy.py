"""A co-op's people see their co-op only: by construction of the session, and route by route."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from sqlalchemy import Engine, delete, func, insert, select, text, update
from starlette.routing import BaseRoute

import cloud
from cloud.accounts.access import ApiWriter, PageWriter
from cloud.accounts.tables import (
    Attempt,
    AuditEntry,
    GatewayToken,
    Identity,
    OidcFlow,
    RecoveryCode,
    SecondFactor,
    SignIn,
    SignInStep,
    User,
    UserToken,
)
from cloud.alerts.tables import Alarm, NodeStatus
from cloud.app import create_app
from cloud.context import Context, records, require_sender, visible
from cloud.entries import service as entries
from cloud.entries.tables import Entry
from cloud.farms.tables import Cooperative, Crop, DiaryEntry, Gateway, Node, Pond, Unit
from cloud.telemetry.corrections import Correction, correct
from cloud.telemetry.rollups import roll_up
from cloud.telemetry.tables import Daily, Hourly, Latest, Quarantined, Received, Revision, Sample, StaleHour
from cloud.tenancy import Owned, Scope, ScopedSession, UnscopedError
from tests.cloud.batches import NODES, NOW, PASSWORD, TOKENS, alarm, batch, sample
from tests.cloud.conftest import open_session as sign_in_as
from vuong.contract import api

# What shows nothing of anybody; every other route must go through a scoped session. A new route is not in here.
OPEN = {
    ("/", "GET"),
    ("/healthz", "GET"),
    ("/readyz", "GET"),
    ("/metrics", "GET"),
    ("/sign-in", "GET"),
    ("/sign-in", "POST"),
    ("/sign-in/step", "GET"),
    ("/sign-in/step", "POST"),
    ("/sign-in/strength", "POST"),
    ("/sign-in/oidc", "GET"),
    ("/sign-in/oidc/return", "GET"),
    ("/sign-out", "POST"),
    ("/api/v1/devices", "POST"),
}
# Who asks is all it tells.
OWN = {
    ("/api/v1/me", "GET"),
    (api.EVENTS, "GET"),  # a stream: it opens a session of the asker's scope for each look
    ("/api/v1/me/data", "GET"),
    ("/api/v1/devices", "GET"),
    ("/api/v1/devices/me", "DELETE"),
    ("/api/v1/devices/rotate", "POST"),
    ("/account/sessions/end", "POST"),
    ("/account/tokens/{token}/end", "POST"),
    ("/account/data", "POST"),
}
OWNED = (Cooperative, Pond, Node, Gateway, User, Sample, Latest, Quarantined, Alarm, NodeStatus)
OWNED += (AuditEntry, Crop, DiaryEntry, Entry, Received, StaleHour, Hourly, Daily, Revision)


@pytest.fixture
def both(post: Callable[..., Any], engine: Engine) -> None:
    """Give each co-op readings, a quarantined record, a node state, an alarm and an entry in the audit log."""
    for login in ("sau", "nam"):
        assert sign_in_as(engine, login, PASSWORD, NOW)
    for letter in "ab":
        said: api.Entry = {
            "id": f"entry-of-{letter}",
            "kind": "hand_reading",
            "pond": f"ao-{letter}1",
            "at": NOW - 60,
            "by": "somebody",
            "where": "app",
            "content": {"quantity": "do", "value": 5.0, "note": ""},
        }
        with ScopedSession(engine, Scope.of(f"coop-{letter}")) as session:
            own = {"pond_id": f"ao-{letter}1", "cooperative_id": f"coop-{letter}"}
            session.add(Crop(**own, species="vannamei", started="2026-09-01"))
            session.add(DiaryEntry(**own, kind="feed", time=NOW, content={"mass": 5.0, "product": "x"}, entered=NOW))
            session.commit()
        entries.add(engine, [said], {said["pond"]: f"coop-{letter}"})
    for letter in "ab":
        gateway, node = f"gw-{letter}", NODES[f"gw-{letter}"][0]
        row = alarm(f"event-{letter}", pond=f"ao-{letter}1", node=node)
        state = {"node": node, "time": NOW - 60, "state": "online", "detail": {}}
        rows = [sample(n, node=node, do=5.0 + n / 10) for n in range(1, 30)] + [sample(99, node="ff")]
        assert post(batch(rows, gateway=gateway, alarms=[row], statuses=[state])).status_code == 200
        wrong = Correction(pond=f"ao-{letter}1", quantity="do", start=NOW - 3600, end=NOW, reason="drift", offset=0.1)
        assert correct(engine, wrong, author="test", now=NOW) > 0
    roll_up(engine, NOW - 1000)
    post(batch([sample(40, do=5.0)]))
    post(batch([sample(40, node=NODES["gw-b"][0], do=5.0)], gateway="gw-b"))


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("table", OWNED, ids=lambda table: table.__name__)
def test_a_scoped_session_sees_its_own_rows_only(engine: Engine, table: type[Owned]) -> None:
    def count(*coops: str) -> int:
        with ScopedSession(engine, Scope.of(*coops)) as session:
            return len(list(session.scalars(select(table))))

    with ScopedSession(engine, Scope.everything()) as session:
        everything = len(list(session.scalars(select(table))))
    unbound = 1 if table is User else 0  # the official belongs to no co-op
    assert count("coop-a") > 0
    assert count("coop-b") > 0
    assert count("coop-a") + count("coop-b") + unbound == everything
    assert count() == 0


def test_every_table_is_owned_or_closed_to_scoped_sessions(engine: Engine) -> None:
    assert set(Owned.owned) == set(OWNED)
    with ScopedSession(engine, Scope.of("coop-a")) as session:
        for table in (SignIn, SignInStep, SecondFactor, RecoveryCode, GatewayToken, UserToken, Attempt, Identity, OidcFlow):
            with pytest.raises(UnscopedError):
                session.scalars(select(table))
        for statement in (text("SELECT * FROM ponds"), select(Pond.__table__)):
            with pytest.raises(UnscopedError):
                session.execute(statement)


def test_what_is_common_is_read_by_all_and_written_by_none(engine: Engine) -> None:
    with ScopedSession(engine, Scope.of("coop-a")) as session:
        assert list(session.scalars(select(Unit))) == []
        with pytest.raises(UnscopedError):
            session.execute(update(Unit).values(name="x"))
        session.add(Unit(code="1", level="province", name="x", valid_from="2025-07-01"))
        with pytest.raises(UnscopedError):
            session.flush()


@pytest.mark.usefixtures("both")
def test_counts_joins_and_single_rows_are_narrowed_too(engine: Engine) -> None:
    with ScopedSession(engine, Scope.of("coop-a")) as session:
        assert session.scalar(select(func.count(Pond.id))) == 2
        assert session.get(Pond, "ao-b1") is None
        assert session.scalar(select(Alarm).where(Alarm.id == "event-b")) is None
        assert (
            list(session.execute(select(Sample.time).join(Node, Node.id == Sample.node_id).where(Node.pond_id == "ao-b1"))) == []
        )


def leaves(routes: list[BaseRoute]) -> Iterator[APIRoute]:
    """Yield the routes of an application, those of included routers too."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
            yield from leaves(list(inner or []))


def needs(dependant: Dependant) -> set[Any]:
    """Return everything that a route depends on."""
    return {dependant.call} | {call for inner in dependant.dependencies for call in needs(inner)}


def named(path: str) -> str:
    """Return a route's address with co-op A's own things in it."""
    own = {"{pond}": "ao-a1", "{node}": NODES["gw-a"][0], "{gateway}": "gw-a", "{cooperative}": "coop-a", "{alarm}": "event-a"}
    for name, value in own.items():
        path = path.replace(name, value)
    return path


@pytest.fixture
def app(engine: Engine) -> FastAPI:
    return create_app(Context(engine, b"k" * 32))


def test_every_route_goes_through_a_scope(app: FastAPI) -> None:
    found = {(route.path, method): route for route in leaves(list(app.routes)) for method in route.methods}
    assert len(found) > 12
    assert set(found) >= OPEN | OWN
    for key, route in found.items():
        if key in OPEN | OWN:
            continue
        used = needs(route.dependant)
        writes = any(isinstance(call, ApiWriter | PageWriter) for call in used)
        assert writes or used & {records, visible, require_sender}, f"{key} shows records without a scope"


# What works for all co-ops at once, or before it is known who asks; every other module of the cloud goes through the asker's scope.
SYSTEM = {
    "accounts": "who asks is not known before it is looked up; people, tokens and the log are of the whole system",
    "database.py": "migrations",
    "entries/service.py": "an exchange with a gateway, narrowed by its co-op's ponds",
    "farms/commands.py": "the operator's own commands",
    "farms/importer.py": "the farm file of the operator",
    "farms/shapes.py": "asks the catalogue whether PostGIS is there; the questions themselves are scoped (farms/places.py)",
    "farms/unit_import.py": "administrative units belong to nobody",
    "operations": "health, metrics and background jobs",
    "telemetry": "ingest of a gateway, rollups, retention, the mirror",
}


def unscoped(source: str) -> list[str]:
    """Return the expressions in a module that reach the store without an asker's scope."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = ast.unparse(node.func)
            if called == "Scope.everything" or re.fullmatch(r"(.*\.)?_?engine\.(connect|begin|raw_connection)", called):
                found.append(called)
            if called.endswith(".connection") and ast.unparse(node.func.value).endswith("session"):
                found.append(called)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"Session", "sessionmaker", "orm.Session"}:
            found.append(ast.unparse(node.func))
    return found


def test_the_whole_code_base_reaches_the_store_through_a_scope() -> None:
    root, used = Path(cloud.__file__).parent, set()
    for file in sorted(root.rglob("*.py")):
        name = file.relative_to(root).as_posix()
        found = unscoped(file.read_text(encoding="utf-8"))
        allowed = next((entry for entry in SYSTEM if name == entry or name.startswith(f"{entry}/")), None)
        if found and allowed is None:
            pytest.fail(f"cloud/{name} uses {found[0]}: take the session of `Records` or `Visible`, or say in SYSTEM why not")
        used |= {allowed} if found else set()
        routes = name.endswith(("api.py", "pages.py", "views.py")) and not name.startswith("operations/")
        assert not (routes and found), f"cloud/{name} answers requests, so it must not use {found}"
    assert "accounts" in used
    assert unscoped("with self.engine.connect() as c: Scope.everything(); session.connection()") != []
    assert len(unscoped("a.engine.begin(); Scope.everything(); Session(engine)")) == 3


def test_a_scoped_session_writes_into_its_coop_only(engine: Engine) -> None:
    own = Scope.of("coop-a")
    with ScopedSession(engine, own) as session:
        changed = session.execute(update(Pond).values(name="taken"), execution_options={"synchronize_session": False})
        assert changed.rowcount == 2  # type: ignore[attr-defined]
        gone = session.execute(delete(Node).where(Node.pond_id == "ao-b1"), execution_options={"synchronize_session": False})
        assert gone.rowcount == 0  # type: ignore[attr-defined]
        session.rollback()
    foreign = Pond(id="new", name="x", species="vannamei", cooperative_id="coop-b")
    for row in (foreign, Pond(id="new", name="x", species="vannamei"), SignIn(digest="x", user_id=1, expires=1, seen=1)):
        with ScopedSession(engine, own) as session:
            session.add(row)
            with pytest.raises(UnscopedError):
                session.flush()
    with ScopedSession(engine, own) as session:
        session.get_one(Pond, "ao-a1").cooperative_id = "coop-b"
        with pytest.raises(UnscopedError):
            session.flush()
    with ScopedSession(engine, own) as session, pytest.raises(UnscopedError):
        session.execute(insert(Pond).values(id="new", name="x", species="vannamei", cooperative_id="coop-b", limits={}))


@pytest.mark.usefixtures("both")
def test_nobody_is_shown_anything_unless_signed_in(app: FastAPI, client: httpx.Client) -> None:
    for route in leaves(list(app.routes)):
        for method in route.methods:
            if (route.path, method) in OPEN:
                continue
            reply = client.request(method, named(route.path))
            assert reply.status_code in {401, 303}, route.path
            assert "Cô Sáu" not in reply.text
            if reply.status_code == 303:
                assert reply.headers["Location"].startswith("/sign-in")


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("asker", ["gw-b", "nam"])
def test_no_route_tells_anything_of_another_coop(
    app: FastAPI, client: httpx.Client, sign_in: Callable[[str], httpx.Client], asker: str
) -> None:
    headers = {"Authorization": f"Bearer {TOKENS[asker]}"} if asker in TOKENS else {}
    if not headers:
        sign_in(asker)
    asked = 0
    for route in leaves(list(app.routes)):
        if "GET" not in route.methods or (headers and not route.path.startswith("/api")) or route.path == api.EVENTS:
            continue  # the stream of events does not end; its own test reads it
        reply = client.get(named(route.path), headers=headers)
        asked += 1
        if "{" in route.path:
            assert reply.status_code in {404, 403}, route.path  # 403: a gateway may not export at all
        for secret in ("Ao A1", "HTX Alpha", "event-a", NODES["gw-a"][0], "coop-a"):
            assert secret in named(route.path) or secret not in reply.text, route.path
    assert asked >= 6
    assert "Ao B1" in client.get("/api/v1/ponds", headers=headers).text
    assert client.get("/api/v1/alarms?pond=ao-a1", headers=headers).json() == []


@pytest.mark.usefixtures("both")
def test_an_official_sees_all(sign_in: Callable[[str], httpx.Client]) -> None:
    client = sign_in("canbo")
    assert {row["pond"] for row in client.get("/api/v1/latest").json()} == {"ao-a1", "ao-b1"}
    assert len(client.get("/api/v1/ponds").json()) == 3
