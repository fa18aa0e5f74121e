"""The LAN's API and event stream over real HTTP. What gateway and cloud answer alike is in tests/e2e/test_api_conformance.py."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from gateway.store.store import Changes
from tests.gateway.lan.conftest import ALARM, NODES, NOW, PIN, Lan, alarm, sample


def events(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_nobody_sees_anything_without_a_token(browser: httpx.Client) -> None:
    for path in ("me", "ponds", "ponds/p1", "latest", "alarms", "live", "events", "ponds/p1/readings", "ponds/p1/hand-readings"):
        assert browser.get(f"/api/v1/{path}").status_code == 401, path
    assert browser.post(f"/api/v1/alarms/{ALARM}/acknowledgement", json={}).status_code == 401
    assert browser.get("/").headers["Location"] == "/sign-in"


def test_every_answer_carries_the_security_headers(browser: httpx.Client, app: httpx.Client) -> None:
    for response in (browser.get("/sign-in"), browser.get("/api/v1/me"), app.get("/api/v1/ponds"), browser.get("/nowhere")):
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"


def test_a_device_signs_in_by_pin_or_code_and_out_again(lan: Lan, browser: httpx.Client) -> None:
    assert browser.post("/api/v1/devices", json={"pin": "000111", "name": "x"}).status_code == 401
    reply = browser.post("/api/v1/devices", json={"pin": PIN, "name": "Cô Sáu"})
    assert reply.status_code == 201
    own = {"Authorization": f"Bearer {reply.json()['token']}"}
    assert browser.get("/api/v1/me", headers=own).json()["rights"] == ["acknowledge", "enter", "read"]
    code = lan.desk.access.pairing_code("technician", "Tư", NOW)
    assert browser.post("/api/v1/devices", json={"code": code, "name": "x"}).json()["role"] == "technician"
    assert browser.post("/api/v1/devices", json={"code": code, "name": "x"}).status_code == 401
    assert browser.delete("/api/v1/devices/me", headers=own).status_code == 204
    assert browser.get("/api/v1/me", headers=own).status_code == 401


def test_guessing_is_answered_with_429_and_when_to_come_back(browser: httpx.Client) -> None:
    codes = [browser.post("/api/v1/devices", json={"pin": f"00011{i}", "name": "x"}).status_code for i in range(6)]
    assert codes == [401] * 5 + [429]
    locked = browser.post("/api/v1/devices", json={"pin": PIN, "name": "x"})
    assert locked.status_code == 429
    assert 0 < int(locked.headers["Retry-After"]) <= 61


@pytest.mark.parametrize(
    ("role", "path", "body", "status"),
    [
        ("viewer", f"/api/v1/alarms/{ALARM}/acknowledgement", {}, 403),
        ("viewer", "/api/v1/ponds/p1/hand-readings", {"quantity": "do", "value": 5}, 403),
        ("farmer", "/api/v1/ponds/p1/calibrations", {"node": NODES["p1"], "quantity": "ph", "points": [[7, 6.9]]}, 403),
        ("technician", "/api/v1/ponds/p1/calibrations", {"node": NODES["p1"], "quantity": "ph", "points": [[7, 6.9]]}, 201),
        ("technician", "/api/v1/ponds/p1/calibrations", {"node": NODES["p2"], "quantity": "ph", "points": [[7, 6.9]]}, 422),
    ],
)
def test_a_role_may_what_it_may(lan: Lan, browser: httpx.Client, role: str, path: str, body: Any, status: int) -> None:  # noqa: ANN401
    reply = browser.post(path, json=body, headers={"Authorization": f"Bearer {lan.token(role)}"})
    assert reply.status_code == status, reply.text


def test_a_browser_without_the_form_token_cannot_write(lan: Lan, browser: httpx.Client) -> None:
    browser.cookies.set("vuong_lan", lan.token())
    assert browser.get("/api/v1/me").status_code == 200
    assert browser.post(f"/api/v1/alarms/{ALARM}/acknowledgement", json={}).status_code == 403
    assert browser.post("/acknowledge", data={"alarm": ALARM, "revision": "1"}).status_code == 403
    assert browser.post("/acknowledge", data={"alarm": ALARM, "revision": "1", "token": "0" * 64}).status_code == 403
    assert lan.desk.entries.last() == 0


def test_last_values_and_alarms_follow_the_ingest(lan: Lan, app: httpx.Client) -> None:
    before = app.get("/api/v1/live").json()["mark"]
    lan.store.commit(
        Changes(samples=[sample(1000, NOW - 5, do=2.5, salinity=15.0)], alarms=[alarm("other-alarm", kind="oxygen_lethal")])
    )
    for _ in range(40):
        found = {(row["pond"], row["quantity"]): row for row in app.get("/api/v1/latest").json()}
        if found["p1", "do"]["value"] == 2.5:
            break
    assert found["p1", "do"]["time"] == NOW - 5
    assert found["p1", "ph"]["time"] < NOW - 5
    assert app.get("/api/v1/live").json()["mark"] != before
    assert [row["kind"] for row in app.get("/api/v1/alarms").json()] == ["oxygen_lethal", "oxygen_critical"]


def test_series_of_any_range_is_the_tables(lan: Lan, app: httpx.Client) -> None:
    # A backlog that arrived last, of a time long before.
    lan.store.commit(Changes(samples=[sample(2000 + i, NOW - 40_000 + i, do=9.0) for i in range(3)]))
    start, end = NOW - 50_000, NOW - 30_000
    found = app.get("/api/v1/ponds/p1/readings", params={"start": start, "end": end, "points": 20_000}).json()
    rows = lan.store._connection.execute(
        "SELECT time, do FROM samples WHERE node = ? AND time >= ? AND time < ? ORDER BY time", (NODES["p1"], start, end)
    ).fetchall()
    assert len(rows) > 60
    assert list(zip(found["time"], found["value"], strict=True)) == rows
    assert app.get("/api/v1/ponds/p2/readings").json()["total"] == 0


def test_a_new_reading_and_an_acknowledgement_are_pushed(lan: Lan, app: httpx.Client) -> None:
    with app.stream("GET", "/api/v1/events") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        stream = events(response)
        name, first = next(stream)
        assert name == "live"
        lan.store.commit(Changes(samples=[sample(3000, NOW, do=1.9)]))
        found = next(data for name, data in stream if name == "readings" and any(row["time"] == NOW for row in data))
        assert [(row["pond"], row["quantity"], row["value"]) for row in found if row["time"] == NOW] == [("p1", "do", 1.9)]
        lan.desk.entries.add([_said()])
        assert next(data for name, data in stream if name == "live" and data["mark"].endswith("-1"))["mark"] != first["mark"]


def _said() -> Any:  # noqa: ANN401
    content = {"alarm": ALARM, "revision": 1}
    return {
        "id": "entry-0001",
        "kind": "acknowledgement",
        "pond": "p1",
        "at": NOW,
        "by": "x",
        "where": "cloud",
        "content": content,
    }


def test_streams_end_when_the_server_does(lan: Lan, make_alarm: Callable[..., Any]) -> None:
    del make_alarm
    opened, ended = threading.Event(), threading.Event()
    token = lan.token()
    with lan.served() as address:

        def listen() -> None:
            with httpx.stream(
                "GET", f"{address}/api/v1/events", headers={"Authorization": f"Bearer {token}"}, timeout=20
            ) as response:
                for _ in response.iter_lines():
                    opened.set()
            ended.set()

        thread = threading.Thread(target=listen)
        thread.start()
        assert opened.wait(10)
    assert ended.wait(10)
    thread.join()


def test_what_is_no_number_or_too_large_is_told(app: httpx.Client) -> None:
    for query in ({"start": "x"}, {"start": "9", "end": "8"}, {"points": "1"}, {"quantity": "gold"}):
        reply = app.get("/api/v1/ponds/p1/readings", params=query)
        assert reply.status_code == 422
        assert next(iter(query)) in reply.json()["detail"]
    assert app.post("/api/v1/ponds/p1/hand-readings", content=b"x" * 70_000).status_code == 413
    assert app.post("/api/v1/ponds/p1/hand-readings", content=b"[1").status_code == 422


def test_a_salvaged_database_is_read_from_its_new_file(lan: Lan, app: httpx.Client) -> None:
    path = lan.config.database
    lan.store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = path.with_name("copy.db")
    lan.store._connection.execute(f"VACUUM INTO '{copy}'")
    lan.store.close()
    for end in ("", "-wal", "-shm"):
        aside = path.with_name(path.name + end)
        if aside.exists():
            aside.rename(path.with_name(f"aside{end}"))
    copy.rename(path)
    lan.store = type(lan.store)(path)
    lan.store.commit(Changes(samples=[sample(4000, NOW - 1, do=4.44)]))
    for _ in range(200):
        if any(row["value"] == 4.44 for row in app.get("/api/v1/latest").json()):
            return
    pytest.fail("still reads the file that was put aside")
