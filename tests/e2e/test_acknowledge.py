"""An acknowledgement made at the gateway, in the app or in the cloud ends up in all three; the earliest wins. Real processes, cut off in between."""

from __future__ import annotations

import re
import sqlite3
import time

import httpx
import pytest

from tests.e2e.conftest import PASSWORD, PIN, System, until, water

pytestmark = pytest.mark.slow


def effective(client: httpx.Client, alarm: str) -> tuple[int | None, str | None, str | None, str]:
    row = next(row for row in client.get("/api/v1/alarms", params={"open": "false"}).json() if row["id"] == alarm)
    return row["acknowledged"], row["acknowledged_by"], row["acknowledged_where"], row["state"]


def stored(system: System, alarm: str) -> tuple[int | None, str]:
    """Return what the ingest made of it: its alarms' table, which escalation and siren go by."""
    with sqlite3.connect(f"file:{system.database}?mode=ro", uri=True) as connection:
        row: tuple[int | None, str] = connection.execute(
            "SELECT acknowledged, state FROM alarms WHERE id = ?", (alarm,)
        ).fetchone()
    return row


def acknowledge(client: httpx.Client, alarm: str, at: int) -> None:
    reply = client.post(f"/api/v1/alarms/{alarm}/acknowledgement", json={"time": at})
    assert reply.status_code == 200, reply.text


def test_both_sides_acknowledge_while_cut_off_and_the_earliest_wins_everywhere(system: System) -> None:
    lan, cloud = system.app("lan", name="Cô Sáu"), system.app("cloud")
    alarms = water(lan)
    now = int(time.time())
    early, late = now - 40, now - 20
    # pond → what is said, in the order in which it is said
    said = {
        "ao-1": [(lan, early), (cloud, late)],
        "ao-2": [(cloud, late), (lan, early)],
        "ao-3": [(cloud, early), (lan, late)],
        "ao-4": [(lan, late), (cloud, early)],
        "ao-5": [(lan, early)],
        "ao-6": [(cloud, early)],
    }
    system.cable.pull()
    for pond, words in said.items():
        for client, at in words:
            acknowledge(client, alarms[pond], at)
            acknowledge(client, alarms[pond], at)  # a finger that presses twice
    # What each side knows of itself it shows at once; of the other it cannot know.
    assert effective(lan, alarms["ao-5"])[:3] == (early, "Cô Sáu", "app")
    assert effective(cloud, alarms["ao-6"])[:3] == (early, "ba", "app")
    time.sleep(3)
    assert effective(lan, alarms["ao-6"])[0] is None
    assert effective(cloud, alarms["ao-5"])[0] is None
    until(lambda: stored(system, alarms["ao-5"]) == (early, "acknowledged"))
    # The gateway loses power before the network comes back.
    system.kill("gateway")
    system.start("gateway")
    system.cable.plug()
    for pond, words in said.items():
        alarm, first = alarms[pond], min(at for _, at in words)
        by = "Cô Sáu" if next(client for client, at in words if at == first) is lan else "ba"
        expected = (first, by, "app", "acknowledged")
        for side in (lan, cloud):
            until(lambda side=side, alarm=alarm, expected=expected: effective(side, alarm) == expected)
        until(lambda alarm=alarm, first=first: stored(system, alarm) == (first, "acknowledged"))


def form_token(page: str) -> str:
    found = re.search(r'name="token" value="([0-9a-f]+)"', page)
    assert found
    return found.group(1)


def test_a_press_on_the_gateways_page_reaches_the_cloud_and_back(system: System) -> None:
    """The farmer has no app: PIN, page, button; an earlier word of the cloud then wins."""
    cloud = system.app("cloud")
    with httpx.Client(base_url=system.lan, follow_redirects=True) as browser:
        door = browser.get("/sign-in").text
        page = browser.post("/sign-in", data={"pin": PIN, "name": "Chú Ba", "token": form_token(door)}).text
        reading = {"pond": "ao-1", "quantity": "tan", "value": "1,5", "note": "bộ test", "token": form_token(page)}
        assert "1,50 mg/L" in browser.post("/hand-readings", data=reading).text
    until(lambda: [row["value"] for row in cloud.get("/api/v1/ponds/ao-1/hand-readings").json()] == [1.5])
    row = cloud.get("/api/v1/ponds/ao-1/hand-readings").json()[0]
    assert (row["quantity"], row["by"], row["where"], row["note"]) == ("tan", "Chú Ba", "gateway", "bộ test")


def test_a_hand_reading_made_in_the_cloud_reaches_the_gateway(system: System) -> None:
    lan, cloud = system.app("lan"), system.app("cloud")
    posted = {"id": "reading-of-the-cloud-1", "quantity": "alkalinity", "value": 120}
    for _ in range(2):
        assert cloud.post("/api/v1/ponds/ao-2/hand-readings", json=posted).status_code == 201
    until(lambda: [row["id"] for row in lan.get("/api/v1/ponds/ao-2/hand-readings").json()] == ["reading-of-the-cloud-1"])


def test_the_clouds_pages_have_a_button_that_only_their_own_form_can_press(system: System) -> None:
    with httpx.Client(base_url=system.cloud, follow_redirects=True) as browser:
        door = browser.get("/sign-in").text
        browser.post("/sign-in", data={"login": "ba", "password": PASSWORD, "token": form_token(door)})
        alarm = next(iter(water(system.app("lan")).values()))
        refused = browser.post(f"/alarms/{alarm}/acknowledge", data={"revision": "1", "token": "0" * 64})
        assert refused.status_code == 403
        page = browser.get("/alarms").text
        done = browser.post(f"/alarms/{alarm}/acknowledge", data={"revision": "1", "token": form_token(page), "next": "/alarms"})
        assert done.status_code == 200
        assert str(done.url).startswith(f"{system.cloud}/alarms")


def test_the_gateways_conditional_get_is_answered_with_304(system: System) -> None:
    own = {"Authorization": "Bearer token-of-the-gateway-0123456789"}
    first = httpx.get(f"{system.cloud}/api/v1/entries", headers=own)
    assert first.status_code == 200
    again = httpx.get(f"{system.cloud}/api/v1/entries", headers={**own, "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert httpx.get(f"{system.cloud}/api/v1/entries").status_code == 401
