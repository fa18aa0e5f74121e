"""The pages of nodes, calibrations and statistics: what is there is shown, and to whom."""

from __future__ import annotations

import httpx

from gateway.alarms.journal import JournalRow
from gateway.store.store import Changes
from tests.gateway.lan.conftest import ALARM, NODES, NOW, Lan, alarm
from vuong.i18n import LANGUAGES

DETAIL: dict[str, float | int | str | None] = {
    "firmware": "0.4", "battery": 3.81, "rssi": -71, "heap": 41_000, "held": 812, "dropped": 3, "faults": "ph: no answer",
    "safe_mode": "after repeated failed starts", "power": "save",
    "solar": 5.52, "motor_current": 7.4, "crash": "ImportError: probes", "config": 12, "refused": "version 13: interval is 5",
}  # fmt: skip


def test_a_node_tells_all_of_itself(lan: Lan, browser: httpx.Client) -> None:
    browser.cookies.set("vuong_lan", lan.token())
    lan.store.commit(Changes(statuses=[{"node": NODES["p1"], "time": NOW - 120, "state": "online", "detail": DETAIL}]))
    page = browser.get("/nodes").text
    for told in (
        "3,81 V",
        "-71 dBm",
        "40 KB",
        "812",
        "ph: no answer",
        "after repeated failed starts",
        "save",
        "5,52 V",
        "7,4 A",
        "ImportError: probes",
        "version 13: interval is 5",
    ):
        assert told in page, told
    assert page.index(NODES["p1"]) < page.index("Chưa có số liệu"), "the other node has said nothing yet"
    lan.clock.set(NOW + 10_000)
    assert "Không có tín hiệu" in browser.get("/nodes").text


def test_calibrations_of_people_and_of_nodes(lan: Lan, browser: httpx.Client) -> None:
    browser.cookies.set("vuong_lan", lan.token())
    assert "Chưa có hiệu chuẩn nào" in browser.get("/nodes").text
    common = {"kind": "calibration", "pond": "p1", "at": NOW, "by": "Tư"}
    content = {"node": NODES["p1"], "quantity": "ph"}
    lan.desk.entries.add(
        [
            {
                **common,
                "id": "by-hand-1",
                "where": "app",
                "content": content | {"points": [[7.0, 6.92]], "note": "dung dịch mới"},
            },
            {
                **common,
                "id": "by-node-1",
                "where": "node",
                "content": content | {"points": [], "lot": "A12", "before": [100.0], "after": [96.4]},
            },
        ]  # type: ignore[list-item]
    )
    page = browser.get("/nodes").text
    for told in ("7,00 / 6,92", "dung dịch mới", "100,00 → 96,40", "A12", "Tư"):
        assert told in page, told


def test_statistics_are_for_technicians(lan: Lan, browser: httpx.Client) -> None:
    browser.cookies.set("vuong_lan", lan.token("farmer"))
    assert browser.get("/statistics").status_code == 403
    assert "/statistics" not in browser.get("/").text
    browser.cookies.set("vuong_lan", lan.token("technician"))
    assert "/statistics" in browser.get("/").text
    journal = [JournalRow(NOW - 3000 + 60 * n, ALARM, "p1", NODES["p1"], "oxygen_low", "raised", 1, "") for n in range(12)]
    old = alarm(
        "old", raised=NOW - 200_000, kind="probe_fault", state="shelved", numbers={"shelved_until": NOW + 600, "shelved_by": "Tư"}
    )
    lan.store.commit(Changes(journal=journal, alarms=[old]))
    page = browser.get("/statistics").text
    assert "12 lần gọi" in page
    assert "Oxy thấp" in page
    assert "2 ngày" in page, "one has stood since the day before yesterday"
    assert "đến 04:09" in page
    for language in LANGUAGES:
        for path in ("/statistics", "/nodes", f"/alarms/{ALARM}", "/alarms/none"):
            assert "{" not in browser.get(path, params={"lang": language}).text


def test_nobody_sees_them_unasked(browser: httpx.Client) -> None:
    for path in ("/nodes", "/statistics", f"/alarms/{ALARM}"):
        assert (browser.get(path).status_code, browser.get(path).headers["Location"]) == (303, "/sign-in")
