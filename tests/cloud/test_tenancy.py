"""A co-op's people see their co-op only: by construction of the session, and route by route."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from sqlalchemy import Engine, func, select, text
from starlette.routing import BaseRoute

from cloud.accounts.tables import GatewayToken, SignIn, User
from cloud.alerts.tables import Alarm, NodeStatus
from cloud.app import create_app
from cloud.context import Context, records, require_sender, visible
from cloud.farms.tables import Cooperative, Gateway, Node, Pond
from cloud.telemetry.corrections import Correction, correct
from cloud.telemetry.rollups import roll_up
from cloud.telemetry.tables import Daily, Hourly, Latest, Quarantined, Received, Revision, Sample, StaleHour
from cloud.tenancy import Owned, Scope, ScopedSession, UnscopedError
from tests.cloud.batches import NODES, NOW, TOKENS, alarm, batch, sample

# What shows nothing of anybody; every other route must go through a scoped session. A new route is not in here.
OPEN = {
    ("/", "GET"),
    ("/healthz", "GET"),
    ("/readyz", "GET"),
    ("/metrics", "GET"),
    ("/sign-in", "GET"),
    ("/sign-in", "POST"),
    ("/sign-out", "POST"),
}
# Who asks is all it tells.
OWN = {("/api/v1/me", "GET")}
OWNED = (Cooperative, Pond, Node, Gateway, User, Sample, Latest, Quarantined, Alarm, NodeStatus)
OWNED += (Received, StaleHour, Hourly, Daily, Revision)


@pytest.fixture
def both(post: Callable[..., Any], engine: Engine) -> None:
    """Give each co-op readings, a quarantined record, a node state and an alarm."""
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
        for table in (SignIn, GatewayToken):
            with pytest.raises(UnscopedError):
                session.scalars(select(table))
        for statement in (text("SELECT * FROM ponds"), select(Pond.__table__)):
            with pytest.raises(UnscopedError):
                session.execute(statement)


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
        assert needs(route.dependant) & {records, visible, require_sender}, f"{key} shows records without a scope"


@pytest.mark.usefixtures("both")
def test_nobody_is_shown_anything_unless_signed_in(app: FastAPI, client: httpx.Client) -> None:
    for route in leaves(list(app.routes)):
        for method in route.methods:
            if (route.path, method) in OPEN:
                continue
            reply = client.request(method, route.path.replace("{pond}", "ao-a1"))
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
        if "GET" not in route.methods or (headers and not route.path.startswith("/api")):
            continue
        reply = client.get(route.path.replace("{pond}", "ao-a1"), headers=headers)
        asked += 1
        if "{pond}" in route.path:
            assert reply.status_code == 404, route.path
        for secret in ("Ao A1", "HTX Alpha", "event-a", NODES["gw-a"][0], "coop-a"):
            assert secret not in reply.text, route.path
    assert asked >= 6
    assert "Ao B1" in client.get("/api/v1/ponds", headers=headers).text
    assert client.get("/api/v1/alarms?pond=ao-a1", headers=headers).json() == []


@pytest.mark.usefixtures("both")
def test_an_official_sees_all(sign_in: Callable[[str], httpx.Client]) -> None:
    client = sign_in("canbo")
    assert {row["pond"] for row in client.get("/api/v1/latest").json()} == {"ao-a1", "ao-b1"}
    assert len(client.get("/api/v1/ponds").json()) == 3
