"""What people say in the cloud: roles, tenants, exchange with gateways, on both stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from cloud.accounts.secrets import form_token
from tests.cloud.batches import NOW, PASSWORD, TOKENS, alarm, batch
from vuong.contract.api import FORM_HEADER

A, B = ({"Authorization": f"Bearer {TOKENS[name]}"} for name in ("gw-a", "gw-b"))


def said(number: int, *, at: int = NOW - 60, alarm: str = "a1", pond: str = "ao-a1", revision: int = 1) -> dict[str, Any]:
    content = {"alarm": alarm, "revision": revision}
    return {
        "id": f"entry-{number:04d}",
        "kind": "acknowledgement",
        "pond": pond,
        "at": at,
        "by": "Chú Ba",
        "where": "gateway",
        "content": content,
    }


@pytest.fixture
def raised(post: Callable[..., httpx.Response]) -> None:
    """Have an alarm in pond ao-a1."""
    assert post(batch(alarms=[alarm()])).status_code == 200


def press(client: httpx.Client, path: str, **body: object) -> httpx.Response:
    """Post as a page's script does, with the form token of its session."""
    token = form_token(b"k" * 32, client.cookies.get("vuong_session", ""))
    return client.post(path, json=body, headers={FORM_HEADER: token})


def open_alarm(client: httpx.Client) -> dict[str, Any]:
    (row,) = client.get("/api/v1/alarms").json()
    found: dict[str, Any] = row
    return found


@pytest.mark.usefixtures("raised")
def test_a_farmer_acknowledges_and_the_gateway_hears_of_it(client: httpx.Client, sign_in: Callable[[str], httpx.Client]) -> None:
    before = client.get("/api/v1/entries", headers=A)
    browser = sign_in("sau")
    assert browser.post("/api/v1/alarms/a1/acknowledgement", json={}).status_code == 403, "no form token"
    reply = press(browser, "/api/v1/alarms/a1/acknowledgement")
    assert reply.json() == {"alarm": "a1", "at": NOW, "by": "Cô Sáu", "where": "cloud"}
    row = open_alarm(browser)
    assert (row["state"], row["acknowledged"], row["acknowledged_by"]) == ("acknowledged", NOW, "Cô Sáu")
    browser.cookies.clear()
    after = client.get("/api/v1/entries", params={"after": 0}, headers={**A, "If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert [entry["content"]["alarm"] for entry in after.json()["entries"]] == ["a1"]
    again = client.get(
        "/api/v1/entries", params={"after": after.json()["last"]}, headers={**A, "If-None-Match": after.headers["ETag"]}
    )
    assert again.status_code == 304


@pytest.mark.usefixtures("raised")
def test_the_earliest_wins_and_a_repeat_has_one_effect(client: httpx.Client, sign_in: Callable[[str], httpx.Client]) -> None:
    for entries in ([said(2, at=NOW - 30)], [said(1, at=NOW - 90), said(2, at=NOW - 30)], [said(1, at=NOW - 90)]):
        reply = client.post("/api/v1/entries", json={"entries": entries}, headers=A).json()
        assert reply == {"accepted": [entry["id"] for entry in entries], "refused": {}}
    assert len(client.get("/api/v1/entries", headers=A).json()["entries"]) == 2
    browser = sign_in("sau")
    press(browser, "/api/v1/alarms/a1/acknowledgement")
    row = open_alarm(browser)
    assert (row["acknowledged"], row["acknowledged_by"], row["acknowledged_where"]) == (NOW - 90, "Chú Ba", "gateway")


@pytest.mark.usefixtures("raised")
def test_a_later_revision_of_the_alarm_keeps_it_and_a_worse_alarm_calls_again(
    client: httpx.Client, post: Callable[..., httpx.Response], sign_in: Callable[[str], httpx.Client]
) -> None:
    client.post("/api/v1/entries", json={"entries": [said(1)]}, headers=A)
    post(batch(alarms=[alarm(revision=2)]))
    browser = sign_in("sau")
    assert open_alarm(browser)["state"] == "acknowledged"
    worse = alarm(revision=3, kind="oxygen_critical", numbers={"value": 2.5, "limit": 3.0, "annunciated": 3})
    browser.cookies.clear()
    post(batch(alarms=[worse]))
    browser = sign_in("sau")
    assert (open_alarm(browser)["state"], open_alarm(browser)["acknowledged"]) == ("unacknowledged", None)
    press(browser, "/api/v1/alarms/a1/acknowledgement")
    assert open_alarm(browser)["state"] == "acknowledged"


@pytest.mark.usefixtures("raised")
def test_another_co_op_neither_sees_nor_says_anything(client: httpx.Client, sign_in: Callable[[str], httpx.Client]) -> None:
    reply = client.post("/api/v1/entries", json={"entries": [said(1)]}, headers=B).json()
    assert "none of this gateway's co-op" in reply["refused"]["entry-0001"]
    client.post("/api/v1/entries", json={"entries": [said(2)]}, headers=A)
    assert client.get("/api/v1/entries", headers=B).json()["entries"] == []
    browser = sign_in("nam")
    assert press(browser, "/api/v1/alarms/a1/acknowledgement").status_code == 404
    assert press(browser, "/api/v1/ponds/ao-a1/hand-readings", quantity="do", value=5).status_code == 404
    assert browser.get("/api/v1/ponds/ao-a1/hand-readings").status_code == 404


@pytest.mark.usefixtures("raised")
def test_officials_look_and_do_not_touch(sign_in: Callable[[str], httpx.Client]) -> None:
    browser = sign_in("canbo")
    assert press(browser, "/api/v1/alarms/a1/acknowledgement").status_code == 403
    assert press(browser, "/api/v1/ponds/ao-a1/hand-readings", quantity="do", value=5).status_code == 403
    assert browser.get("/api/v1/ponds/ao-a1/hand-readings").json() == []
    page = browser.get("/alarms").text
    assert "/alarms/a1/acknowledge" not in page


@pytest.mark.usefixtures("raised")
def test_one_bad_entry_never_stops_the_rest(client: httpx.Client) -> None:
    bad = {**said(2), "content": {"alarm": "a1"}}
    reply = client.post("/api/v1/entries", json={"entries": [bad, 7, said(3), said(4, pond="ao-b1")]}, headers=A).json()
    assert reply["accepted"] == ["entry-0003"]
    assert set(reply["refused"]) == {"entry-0002", "entry-0004"}
    assert client.post("/api/v1/entries", json={"entries": "x"}, headers=A).status_code == 422
    assert client.post("/api/v1/entries", json={"entries": []}).status_code == 401


def test_a_page_of_entries_goes_on_where_the_last_ended(client: httpx.Client) -> None:
    client.post("/api/v1/entries", json={"entries": [said(n, alarm=f"x{n}") for n in range(1, 8)]}, headers=A)
    seen, after = [], 0
    while True:
        page = client.get("/api/v1/entries", params={"after": after, "limit": 3}, headers=A).json()
        if not page["entries"]:
            break
        seen += [entry["id"] for entry in page["entries"]]
        after = page["last"]
    assert seen == [f"entry-{n:04d}" for n in range(1, 8)]


@pytest.mark.usefixtures("raised")
def test_a_token_that_may_only_read_does_not_acknowledge(client: httpx.Client) -> None:
    credentials = {"login": "sau", "password": PASSWORD, "name": "TV", "scopes": ["read"]}
    own = {"Authorization": f"Bearer {client.post('/api/v1/devices', json=credentials).json()['token']}"}
    assert client.get("/api/v1/alarms", headers=own).status_code == 200
    assert client.post("/api/v1/alarms/a1/acknowledgement", json={}, headers=own).status_code == 403
