"""Nodes and gateways over the JSON API: registered, moved, taken out of service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from cloud.accounts import audit
from cloud.accounts.tables import AuditEntry
from cloud.tenancy import Scope, ScopedSession
from tests.cloud.batches import NOW, batch, sample
from vuong.contract.registration import registration_fault

Ask = Callable[..., httpx.Response]
NODE = "00000000000000a9"
FACTS = {
    "gateway": "gw-a",
    "probes": ["do", "ph", "temperature"],
    "firmware": "1.4.0",
    "certificate": "5f3a09",
    "installed": NOW - 600,
}


def noted(engine: Engine, subject: str) -> list[AuditEntry]:
    """Return what the audit log says of something."""
    with ScopedSession(engine, Scope.of("coop-a")) as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.subject == subject).order_by(AuditEntry.id)))


def test_a_technician_registers_a_node_as_often_as_they_like(ask: Ask, technician: str, engine: Engine) -> None:
    body = {"pond": "ao-a1"} | FACTS
    assert ask("sau", "PUT", f"/nodes/{NODE}", json=body).status_code == 403  # a farmer
    first = ask(technician, "PUT", f"/nodes/{NODE}", json=body)
    assert first.status_code == 201, first.text
    known = {"node": NODE, "cooperative": "coop-a", "revoked": None, "revoked_by": None, "revoked_reason": None}
    assert first.json() == body | known
    again = ask(technician, "PUT", f"/nodes/{NODE}", json=body)
    assert (again.status_code, again.json()) == (200, first.json())
    assert [entry.action for entry in noted(engine, f"node:{NODE}")] == ["node.registered"], "a repeat is nothing new"
    moved = ask(technician, "PUT", f"/nodes/{NODE}", json={"pond": "ao-a2", "firmware": "1.5.0"})
    assert moved.json() == first.json() | {"pond": "ao-a2", "firmware": "1.5.0"}, "what was left out stays"
    assert ask(technician, "GET", f"/nodes/{NODE}").json() == moved.json()
    assert moved.json() in ask(technician, "GET", "/nodes").json()
    assert ask("sau", "GET", "/ponds/ao-a2").json()["nodes"] == ["00000000000000a2", NODE]
    assert audit.verify(engine).sound


def test_a_node_taken_out_of_service_stays_known(ask: Ask, technician: str, engine: Engine, post: Callable[..., Any]) -> None:
    ask(technician, "PUT", f"/nodes/{NODE}", json={"pond": "ao-a1"} | FACTS)
    assert post(batch([sample(1, node=NODE, do=5.0)])).json()["quarantined"] == []
    for wrong in ("", "?reason=", f"?reason={'x' * 201}", "?reason=a%0Ab"):
        assert ask(technician, "DELETE", f"/nodes/{NODE}{wrong}").status_code == 422, wrong
    assert ask("sau", "DELETE", f"/nodes/{NODE}?reason=x").status_code == 403
    gone = ask(technician, "DELETE", f"/nodes/{NODE}?reason=mất trộm")
    assert gone.status_code == 200, gone.text
    assert (gone.json()["revoked"], gone.json()["revoked_reason"]) == (NOW, "mất trộm")
    assert gone.json()["revoked_by"].startswith("user:")
    assert ask(technician, "DELETE", f"/nodes/{NODE}?reason=other").json() == gone.json(), "the first time counts"
    assert ask("sau", "GET", "/ponds/ao-a1").json()["nodes"] == ["00000000000000a1"]
    assert ask("sau", "GET", f"/nodes/{NODE}").json() == gone.json()
    # What its gateway still held of it is taken: nothing that was measured is lost.
    assert post(batch([sample(2, node=NODE, do=5.1)])).json()["quarantined"] == []
    assert {row["quantity"]: row["value"] for row in ask("sau", "GET", "/latest").json()} == {"do": 5.1}
    back = ask(technician, "PUT", f"/nodes/{NODE}", json={"pond": "ao-a1", "certificate": "77"})
    assert (back.json()["revoked"], back.json()["certificate"], back.json()["firmware"]) == (None, "77", "1.4.0")
    assert [entry.action for entry in noted(engine, f"node:{NODE}")] == ["node.registered", "node.revoked", "node.registered"]


def test_a_node_is_the_business_of_its_own_coop(ask: Ask, technician: str) -> None:
    assert ask("nam", "PUT", f"/nodes/{NODE}", json={"pond": "ao-a1"}).status_code == 422  # a manager, of another co-op
    assert ask(technician, "PUT", f"/nodes/{NODE}", json={"pond": "ao-a1", "gateway": "gw-b"}).status_code == 422
    taken = ask(technician, "PUT", "/nodes/00000000000000b1", json={"pond": "ao-a1"})
    assert taken.status_code == 422
    assert "another co-op" in taken.json()["detail"]
    assert ask(technician, "GET", "/nodes/00000000000000b1").status_code == 404
    assert ask(technician, "DELETE", "/nodes/00000000000000b1?reason=x").status_code == 404
    assert [row["node"] for row in ask("nam", "GET", "/nodes").json()] == ["00000000000000b1"]
    assert ask("nam", "PUT", "/nodes/00000000000000b2", json={"pond": "ao-b1", "gateway": "gw-b"}).status_code == 201


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pond", None),
        ("gateway", 5),
        ("probes", "do"),
        ("probes", ["gold"]),
        ("probes", [["do"]]),
        ("firmware", ""),
        ("firmware", "1\n2"),
        ("certificate", "5F"),
        ("certificate", "f" * 41),
        ("installed", NOW + 3600),
        ("installed", True),
        ("installed", 1.5),
        ("colour", "red"),
    ],
)
def test_what_cannot_be_is_told_by_its_field(field: str, value: object) -> None:
    assert field in (registration_fault({"pond": "ao-a1"} | {field: value}, NOW) or "")


@pytest.mark.parametrize("wrong", [{"pond": "ao-99"}, {"gateway": "gw-9"}, {"probes": ["gold"]}, {"colour": "red"}])
def test_what_cannot_be_is_refused_and_nothing_kept(ask: Ask, technician: str, wrong: dict[str, Any]) -> None:
    refused = ask(technician, "PUT", f"/nodes/{NODE}", json={"pond": "ao-a1"} | wrong)
    assert refused.status_code == 422
    assert next(iter(wrong)) in refused.json()["detail"]
    assert ask(technician, "GET", f"/nodes/{NODE}").status_code == 404


def test_an_identity_is_an_eui(ask: Ask, technician: str) -> None:
    assert ask(technician, "PUT", "/nodes/ZZ", json={"pond": "ao-a1"}).status_code == 422


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["pond", *FACTS, "x"]), JSON) | JSON)
def test_no_registration_breaks_the_check(row: object) -> None:
    fault = registration_fault(row, NOW)
    assert fault is None or fault.strip()


def test_gateways(ask: Ask, technician: str, post: Callable[..., Any]) -> None:
    new = {"id": "gw-c", "name": "Cổng mới", "cooperative": "coop-a"}
    assert ask("sau", "POST", "/gateways", json=new).status_code == 403
    assert ask(technician, "POST", "/gateways", json=new | {"cooperative": "coop-b"}).status_code == 422
    made = ask(technician, "POST", "/gateways", json=new)
    assert made.status_code == 201, made.text
    assert ask(technician, "POST", "/gateways", json=new).status_code == 422
    assert {row["id"] for row in ask(technician, "GET", "/gateways").json()} == {"gw-a", "gw-c"}
    own = {"Authorization": f"Bearer {made.json()['token']}"}
    assert post(batch([sample(1, do=5.0)]), **own).status_code in {403, 422}, "its token is not gw-a's"
