"""Shelving, taking back, resetting: by the API and on the page; who may, what is refused, what a repeat does, and that the alarms obey."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest

from gateway.alarms.journal import JournalRow
from gateway.ingest import Ingest
from gateway.lan.exchange import Exchange
from gateway.store.store import Changes
from tests.gateway.lan.conftest import ALARM, NODES, NOW, Lan, alarm
from vuong.contract import api, topics
from vuong.contract.encode import json_pack
from vuong.quantities import QUANTITIES

ONE = f"{api.ALARMS}/{ALARM}"
LATCHED = "5e1c9b52-0000-4000-8000-000000000002"


def form_token(page: str) -> str:
    found = re.search(r'name="token" value="([0-9a-f]+)"', page)
    assert found
    return found.group(1)


def test_an_alarm_is_shelved_and_taken_back(app: httpx.Client) -> None:
    shelved = app.post(f"{ONE}/shelving", json={"minutes": 30, "reason": "đang thay nước"}, params={"language": "en"})
    assert shelved.status_code == 200, shelved.text
    row = shelved.json()
    assert (row["state"], row["shelved_until"], row["shelved_by"], row["shelved_reason"]) == (
        "shelved", NOW + 1800, "Cô Sáu", "đang thay nước",
    )  # fmt: skip
    assert "mg/L" in row["title"]
    assert app.get(api.ALARMS).json()[0]["state"] == "shelved", "it counts at once, whether the ingest runs or not"
    assert app.post(f"{ONE}/shelving", json={"minutes": 30, "reason": "x"}).status_code == 409, "it is shelved already"
    back = app.post(f"{ONE}/unshelving", json={})
    assert (back.json()["state"], back.json()["shelved_until"]) == ("unacknowledged", None)


def test_a_shelving_is_over_when_its_time_is(lan: Lan, app: httpx.Client) -> None:
    app.post(f"{ONE}/shelving", json={"minutes": 1, "reason": "x"})
    lan.clock.set(NOW + 61)
    assert app.get(api.ALARMS).json()[0]["state"] == "unacknowledged"


@pytest.mark.parametrize(
    ("what", "body", "status", "told"),
    [
        ("shelving", {"minutes": 30}, 422, "reason"),
        ("shelving", {"minutes": 30, "reason": ""}, 422, "reason"),
        ("shelving", {"minutes": 0, "reason": "x"}, 422, "minutes"),
        ("shelving", {"minutes": True, "reason": "x"}, 422, "minutes"),
        ("shelving", {"minutes": 2000, "reason": "x"}, 422, "minutes"),
        ("shelving", {"minutes": 61, "reason": "x"}, 409, "up to 60"),  # a critical one: shrimp do not wait
        ("shelving", {"minutes": 5, "reason": "x", "colour": 1}, 422, "colour"),
        ("shelving", {"minutes": 5, "reason": "x", "time": 5}, 422, "before the alarm was raised"),
        ("shelving", {"minutes": 5, "reason": "x", "time": NOW + 9999}, 422, "ahead"),
        ("unshelving", {}, 409, "unacknowledged"),
        ("reset", {}, 409, "latched"),
    ],
)
def test_what_cannot_be_is_told(lan: Lan, app: httpx.Client, what: str, body: dict[str, object], status: int, told: str) -> None:
    reply = app.post(f"{ONE}/{what}", json=body)
    assert (reply.status_code, told in reply.json()["detail"]) == (status, True), reply.text
    assert lan.desk.entries.after(0) == [], "nothing is kept of it"


def test_an_alarm_that_has_called_again_must_be_looked_at_again(lan: Lan, app: httpx.Client) -> None:
    lan.store.commit(
        Changes(alarms=[alarm(revision=4, kind="oxygen_lethal", numbers={"value": 1.5, "limit": 2.0, "annunciated": 4})])
    )
    reply = app.post(f"{ONE}/shelving", json={"minutes": 5, "reason": "x", "revision": 1})
    assert (reply.status_code, "called again" in reply.json()["detail"]) == (409, True)


def test_a_repeat_has_one_effect(lan: Lan, app: httpx.Client) -> None:
    body = {"id": "phone-1234", "minutes": 30, "reason": "x"}
    first, second = (app.post(f"{ONE}/shelving", json=body) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert len(lan.desk.entries.after(0)) == 1


def test_who_may(lan: Lan, address: str) -> None:
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {lan.token('viewer')}"}) as viewer:
        for what in ("shelving", "unshelving", "reset"):
            assert viewer.post(f"{ONE}/{what}", json={"minutes": 5, "reason": "x"}).status_code == 403
            assert httpx.post(f"{address}{ONE}/{what}", json={}).status_code == 401
        viewer.headers["Authorization"] = f"Bearer {lan.token('technician')}"
        assert viewer.post(f"{ONE}/shelving", json={"minutes": 5, "reason": "x"}).status_code == 200
        assert viewer.post(f"{api.ALARMS}/none/shelving", json={"minutes": 5, "reason": "x"}).status_code == 404


def test_the_alarms_obey(lan: Lan, app: httpx.Client) -> None:
    """From the API through the file of entries to the alarms of the gateway's process, and back."""
    ingest = Ingest(lan.config, lan.store, lan.clock)
    exchange = Exchange(lan.config, ingest, lambda: None)
    node, low = NODES["p2"], {"do": QUANTITIES["do"].scaled(2.5)}
    for turn in range(3):
        lan.clock.set(NOW + 300 * turn)
        ingest.take([(topics.topic(node, topics.DATA), bytes(json_pack(node, [(7, turn + 1, NOW + 300 * turn, low)], {7: 1})))])
        ingest.commit()
    (row,) = (r for r in app.get(api.ALARMS, params={"pond": "p2"}).json())
    app.post(f"{api.ALARMS}/{row['id']}/shelving", json={"minutes": 60, "reason": "đang thay nước"})
    asyncio.run(exchange.apply())
    stored = lan.store.alarm(row["id"])
    assert stored is not None
    assert (stored["state"], stored["numbers"]["shelved_reason"]) == ("shelved", "đang thay nước")
    again = Exchange(lan.config, Ingest(lan.config, lan.store, lan.clock), lambda: None)
    asyncio.run(again.apply())
    assert lan.store.alarm(row["id"]) == stored, "a restart says it all again with no effect"
    again.close()
    app.post(f"{api.ALARMS}/{row['id']}/unshelving", json={})
    asyncio.run(exchange.apply())
    stored = lan.store.alarm(row["id"])
    assert stored is not None
    assert (stored["state"], "shelved_until" in stored["numbers"]) == ("unacknowledged", False)
    events = [event for _, event, _ in lan.desk.records.history(row["id"])]
    assert events[-2:] == ["shelved", "released"]
    exchange.close()


def test_without_scripts_a_farmer_shelves_takes_back_and_resets(lan: Lan, browser: httpx.Client) -> None:
    browser.follow_redirects = True
    browser.cookies.set("vuong_lan", lan.token())
    lan.store.commit(
        Changes(
            alarms=[
                alarm(LATCHED, kind="aerator_fault", quantity=None, state="latched", numbers={"aerator": "q1", "latched": 1})
            ],
            journal=[JournalRow(NOW - 1800, ALARM, "p1", NODES["p1"], "oxygen_critical", "raised", 1, "")],
        )
    )
    page = browser.get(f"/alarms/{ALARM}").text
    assert "Diễn biến" in page
    assert "Báo động" in page
    assert 'value="60"' in page
    assert 'value="240"' not in page, "a critical alarm is shelved for an hour at most"
    token = form_token(page)
    refused = browser.post(f"/alarms/{ALARM}/shelving", data={"minutes": "30", "reason": " ", "token": token})
    assert (refused.status_code, "Hãy ghi lý do" in refused.text) == (422, True)
    done = browser.post(
        f"/alarms/{ALARM}/shelving", data={"minutes": "30", "reason": "thay nước", "revision": "1", "token": token}
    ).text
    assert "Đã tạm gác" in done
    assert "Tạm gác đến 04:29 · Cô Sáu: thay nước" in done
    assert "Báo lại ngay" in done
    assert browser.post(f"/alarms/{ALARM}/shelving", data={"minutes": "30", "reason": "x", "token": token}).status_code == 409
    done = browser.post(f"/alarms/{ALARM}/unshelving", data={"revision": "1", "token": token}).text
    assert "Tạm gác đến" not in done
    done = browser.post(f"/alarms/{LATCHED}/reset", data={"revision": "1", "token": token}).text
    assert "Đã đặt lại" in done
    assert f"reset-{LATCHED}" not in done
    assert browser.post(f"/alarms/{ALARM}/shelving", data={"minutes": "30", "reason": "x"}).status_code == 403
    assert browser.get("/alarms/none").status_code == 404


def test_what_is_suppressed_says_by_what(lan: Lan, browser: httpx.Client) -> None:
    browser.cookies.set("vuong_lan", lan.token())
    rows = [
        alarm("one", state="suppressed", numbers={"value": 2.7, "limit": 3.0, "suppressed_by": "maintenance"}),
        alarm(
            "two",
            state="suppressed",
            kind="node_offline",
            quantity=None,
            numbers={"heard": NOW, "suppressed_by": "nodes_offline"},
        ),
    ]
    lan.store.commit(Changes(alarms=rows))
    page = browser.get("/").text
    assert "Không báo riêng vì: đang làm việc ở đầu đo" in page
    assert "Không báo riêng vì: Nhiều trạm đo mất liên lạc" in page
    assert page.index(f"alarm-{ALARM}") < page.index("alarm-one"), "what calls stands before what is put aside"
