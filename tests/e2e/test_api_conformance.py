"""One black-box suite for the API of `vuong.contract.api`: it takes a base address, and runs against a real gateway and a real cloud.

The app works against either because both pass this. It knows nothing of how they are made; only signing in differs (a pairing code there, login
and password here), and that is given to it.
"""

from __future__ import annotations

import json
import time
import types
import typing
import uuid
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

import httpx
import pytest
import typing_extensions
from paho.mqtt import client as mqtt

from tests.e2e.conftest import System, node, until, water
from vuong.acknowledgement import WHERE
from vuong.alarms import ALARM_KINDS
from vuong.contract import api, topics
from vuong.i18n import LANGUAGES
from vuong.quantities import QUANTITIES

pytestmark = pytest.mark.slow


def fits(value: object, kind: Any) -> str | None:  # noqa: ANN401, PLR0911 - a type; one a case
    """Return what of a JSON value does not fit a type of the contract."""
    if kind is Any:
        return None
    if get_origin(kind) in {types.UnionType, typing.Union}:
        faults = [fits(value, one) for one in get_args(kind)]
        return None if None in faults else f"{value!r} is none of {kind}"
    if typing_extensions.is_typeddict(kind):
        hints, marked = get_type_hints(kind), get_type_hints(kind, include_extras=True)
        needed = {
            name for name, hint in marked.items() if get_origin(hint) not in {typing.NotRequired, typing_extensions.NotRequired}
        }
        if not isinstance(value, dict) or not needed <= set(value) <= set(hints):
            return f"{kind.__name__} has {sorted(value) if isinstance(value, dict) else value!r}, not {sorted(hints)}"
        return next((f"{name}: {fault}" for name in value if (fault := fits(value[name], hints[name]))), None)
    if get_origin(kind) is list:
        faults = [fits(entry, get_args(kind)[0]) for entry in value] if isinstance(value, list) else [f"{value!r} is no list"]
        return next((fault for fault in faults if fault), None)
    if get_origin(kind) is dict:
        return None if isinstance(value, dict) else f"{value!r} is no object"
    if kind is type(None):
        return None if value is None else f"{value!r} is not null"
    wanted = (int, float) if kind is float else kind
    return (
        None
        if isinstance(value, wanted) and (kind is bool or not isinstance(value, bool))
        else f"{value!r} is no {kind.__name__}"
    )


def get(client: httpx.Client, path: str, kind: Any, **query: object) -> Any:  # noqa: ANN401
    response = client.get(path, params={name: str(value) for name, value in query.items()})
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/json"
    document = response.json()
    assert fits(document, kind) is None, f"{path}: {fits(document, kind)}"
    return document


@pytest.fixture(params=["lan", "cloud"])
def side(request: pytest.FixtureRequest) -> str:
    """Give the name of the side that is asked."""
    return str(request.param)


@pytest.fixture
def farmer(system: System, side: str) -> httpx.Client:
    """Give a farmer's app."""
    return system.app(side)


@pytest.fixture
def technician(system: System, side: str) -> httpx.Client:
    """Give a technician's app."""
    return system.app(side, "technician", "Tư")


@pytest.fixture
def viewer(system: System, side: str) -> httpx.Client:
    """Give an app that may only look."""
    return system.app(side, "viewer", "Cán bộ")


def test_me(farmer: httpx.Client, viewer: httpx.Client, technician: httpx.Client) -> None:
    rights = {right.value for right in api.Right}
    assert rights & set(get(farmer, api.ME, api.Me)["rights"]) == {"read", "acknowledge", "enter"}
    assert rights & set(get(viewer, api.ME, api.Me)["rights"]) == {"read"}
    assert rights & set(get(technician, api.ME, api.Me)["rights"]) == rights


def test_ponds(farmer: httpx.Client) -> None:
    found = get(farmer, api.PONDS, list[api.PondSummary])
    assert [pond["id"] for pond in found] == [f"ao-{n}" for n in range(1, 7)]
    one = get(farmer, f"{api.PONDS}/ao-2", api.PondDetail)
    assert one["nodes"] == [node(2)]
    assert one["limits"]["do"]["low_critical"] == 3.0


def test_latest(farmer: httpx.Client) -> None:
    found = get(farmer, api.LATEST, list[api.LastValue])
    rows = {(row["pond"], row["quantity"]): row for row in found}
    assert len(rows) == len(found) == 6 * 4
    for row in found:
        assert row["unit"] == QUANTITIES[row["quantity"]].unit
        assert row["flag"] in {1, 2, 3, 4, 9}
    assert rows["ao-1", "do"]["value"] == pytest.approx(2.3)


def test_readings(farmer: httpx.Client) -> None:
    now = int(time.time())
    found = get(farmer, f"{api.PONDS}/ao-1/readings", api.Readings, quantity="do", start=now - 86_400, end=now + 60)
    assert found["total"] == len(found["time"]) == len(found["value"]) == len(found["flag"]) == 36
    assert found["time"] == sorted(found["time"])
    assert found["value"][0] == pytest.approx(7.0)
    thinned = get(farmer, f"{api.PONDS}/ao-1/readings", api.Readings, quantity="do", start=now - 86_400, end=now + 60, points=8)
    assert len(thinned["time"]) <= 8
    assert thinned["total"] == 36
    assert (min(thinned["value"]), max(thinned["value"])) == (min(found["value"]), max(found["value"]))


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/ao-99", {}, 404),
        ("/ao-99/readings", {}, 404),
        ("/ao-99/hand-readings", {}, 404),
        ("/ao-1/readings", {"quantity": "gold"}, 422),
        ("/ao-1/readings", {"start": "10", "end": "9"}, 422),
        ("/ao-1/readings", {"points": "x"}, 422),
    ],
)
def test_what_cannot_be_answered_is_told(farmer: httpx.Client, path: str, query: dict[str, str], status: int) -> None:
    response = farmer.get(api.PONDS + path, params=query)
    assert response.status_code == status
    assert response.json()["detail"]


def test_alarms(farmer: httpx.Client) -> None:
    found = get(farmer, api.ALARMS, list[api.AlarmDetail])
    assert {row["pond"] for row in found} == {f"ao-{n}" for n in range(1, 7)}
    for row in found:
        kind = ALARM_KINDS[row["kind"]]
        assert (row["category"], row["priority"]) == (kind.category.value, kind.priority.name.lower())
        assert row["cleared"] is None
        assert (row["acknowledged"] is None) == (row["state"] == "unacknowledged")
        assert row["acknowledged_where"] in {*WHERE, None}
        assert "{" not in row["title"] + row["message"] + row["cause"] + row["advice"]
    assert [row["pond"] for row in get(farmer, api.ALARMS, list[api.AlarmDetail], pond="ao-3")] == ["ao-3"]
    told = {language: get(farmer, api.ALARMS, list[api.AlarmDetail], pond="ao-3", language=language)[0] for language in LANGUAGES}
    for name in ("title", "message", "cause", "advice", "confidence"):
        assert len({row[name] for row in told.values()}) == 3, name
    assert "2,3 mg/L" in told["vi"]["title"]
    assert "2.3 mg/L" in told["en"]["title"]
    assert "Ao 3" in told["vi"]["message"]


def test_both_sides_tell_the_same(system: System) -> None:
    lan, cloud = system.app("lan"), system.app("cloud")
    now = int(time.time())
    query = {"start": now - 86_400, "end": now + 60}
    one = f"{api.PONDS}/ao-1"
    assert lan.get(f"{one}/readings", params=query).json() == cloud.get(f"{one}/readings", params=query).json()
    assert lan.get(one).json()["limits"] == cloud.get(one).json()["limits"]

    def alarms(client: httpx.Client) -> list[dict[str, Any]]:
        return sorted(client.get(api.ALARMS).json(), key=lambda row: row["id"])

    until(lambda: alarms(lan) == alarms(cloud), 90)


def test_acknowledging(farmer: httpx.Client, viewer: httpx.Client) -> None:
    alarm = water(farmer)["ao-4"]
    path, at = f"{api.ALARMS}/{alarm}/acknowledgement", int(time.time()) - 5
    assert viewer.post(path, json={}).status_code == 403
    assert httpx.post(f"{farmer.base_url}{path}", json={}).status_code == 401
    first = farmer.post(path, json={"time": at})
    assert first.status_code == 200
    assert fits(first.json(), api.Acknowledgement) is None
    assert first.json()["alarm"] == alarm
    assert first.json()["at"] <= at
    earlier = farmer.post(path, json={"time": first.json()["at"] - 5})
    assert earlier.json()["at"] == first.json()["at"] - 5, "the earliest wins"
    later = farmer.post(path, json={})
    assert later.json() == earlier.json()
    row = get(farmer, api.ALARMS, list[api.AlarmDetail], pond="ao-4")[0]
    assert (row["state"], row["acknowledged"]) == ("acknowledged", earlier.json()["at"])
    for body, status in (
        ({"time": at + 10_000}, 422),
        ({"time": 5}, 422),
        ({"time": "x"}, 422),
        ({"colour": 1}, 422),
        ({"id": "x"}, 422),
    ):
        assert farmer.post(path, json=body).status_code == status, body
    assert farmer.post(f"{api.ALARMS}/{uuid.uuid4()}/acknowledgement", json={}).status_code == 404


def settle(system: System, pond: str) -> None:
    """Wait until both sides have what the gateway says last of a pond's alarm, and it calls: what is said of an earlier call does not count."""

    def same() -> bool:
        rows = [system.app(side).get(api.ALARMS, params={"pond": pond}).json()[0] for side in ("lan", "cloud")]
        return rows[0] == rows[1] and rows[0]["state"] == "unacknowledged"

    until(same, 90)
    time.sleep(1.5)  # an entry that nobody has carried out yet is by now
    until(same, 90)


def test_shelving(system: System, farmer: httpx.Client, viewer: httpx.Client) -> None:
    alarm = water(farmer)["ao-2"]
    path, body = f"{api.ALARMS}/{alarm}", {"minutes": 30, "reason": "đang thay nước", "id": str(uuid.uuid4())}

    def row() -> dict[str, Any]:
        return dict(get(farmer, api.ALARMS, list[api.AlarmDetail], pond="ao-2")[0])

    settle(system, "ao-2")
    assert viewer.post(f"{path}/shelving", json=body).status_code == 403
    for _ in range(2):  # a phone that does not know whether it got through
        reply = farmer.post(f"{path}/shelving", json=body)
        assert reply.status_code == 200, reply.text
        assert fits(reply.json(), api.AlarmDetail) is None
        assert (reply.json()["state"], reply.json()["shelved_reason"]) == ("shelved", "đang thay nước")
    assert row()["shelved_until"] > time.time()
    for what, wrong, status in (
        ("shelving", {"minutes": 30}, 422),
        ("shelving", {"minutes": 0, "reason": "x"}, 422),
        ("shelving", {"minutes": 30, "reason": "x"}, 409),
        ("shelving", {"minutes": 30, "reason": "x", "colour": 1}, 422),
        ("reset", {}, 409),
    ):
        refused = farmer.post(f"{path}/{what}", json=wrong)
        assert (refused.status_code, bool(refused.json()["detail"])) == (status, True), (what, wrong)
    time.sleep(1.1)  # what is said within one second has no order
    back = farmer.post(f"{path}/unshelving", json={})
    assert (back.status_code, back.json()["state"]) == (200, "unacknowledged"), back.text
    assert farmer.post(f"{path}/unshelving", json={}).status_code == 409
    assert farmer.post(f"{api.ALARMS}/{uuid.uuid4()}/shelving", json=body | {"id": str(uuid.uuid4())}).status_code == 404


def test_a_shelving_reaches_the_other_side(system: System, side: str) -> None:
    here, there = system.app(side), system.app("cloud" if side == "lan" else "lan")
    alarm = water(here)["ao-3"]

    def row(client: httpx.Client) -> dict[str, Any]:
        return dict(client.get(api.ALARMS, params={"pond": "ao-3"}).json()[0])

    settle(system, "ao-3")
    assert here.post(f"{api.ALARMS}/{alarm}/shelving", json={"minutes": 30, "reason": "thay nước"}).status_code == 200
    until(lambda: row(there)["state"] == "shelved", 90)
    assert there.post(f"{api.ALARMS}/{alarm}/unshelving", json={}).status_code == 200
    settle(system, "ao-3")


def test_hand_readings(farmer: httpx.Client, viewer: httpx.Client) -> None:
    path, name = f"{api.PONDS}/ao-5/hand-readings", str(uuid.uuid4())
    at = int(time.time()) - 60
    body = {"id": name, "quantity": "tan", "value": 0.8, "note": "bộ thử Sera", "time": at}
    assert viewer.post(path, json=body).status_code == 403
    for _ in range(3):  # a phone that does not know whether it got through
        reply = farmer.post(path, json=body)
        assert reply.status_code == 201, reply.text
        assert fits(reply.json(), api.HandReading) is None
    found = get(farmer, path, list[api.HandReading])
    assert [row for row in found if row["id"] == name] == [reply.json()]
    assert (reply.json()["unit"], reply.json()["time"], reply.json()["where"]) == ("mg/L", at, "app")
    assert name not in [row["id"] for row in get(farmer, path, list[api.HandReading], end=at)]
    for wrong in ({"value": 101}, {"value": "x"}, {"quantity": "gold"}, {"note": "x" * 600}, {"colour": "red"}):
        refused = farmer.post(path, json={"quantity": "tan", "value": 0.8} | wrong)
        assert refused.status_code == 422
        assert next(iter(wrong)) in refused.json()["detail"]


def test_calibrations(technician: httpx.Client, farmer: httpx.Client) -> None:
    path = f"{api.PONDS}/ao-6/calibrations"
    body = {"node": node(6), "quantity": "ph", "points": [[7.0, 6.92], [4.01, 4.05]], "note": "dung dịch mới"}
    assert farmer.post(path, json=body).status_code == 403
    reply = technician.post(path, json=body)
    assert reply.status_code == 201, reply.text
    assert fits(reply.json(), api.Calibration) is None
    assert reply.json() in get(farmer, path, list[api.Calibration])
    for wrong in ({"node": node(1)}, {"points": []}, {"points": [[1]]}, {"quantity": "gold"}):
        assert technician.post(path, json=body | wrong).status_code == 422


def _publish(system: System, topic: str, payload: bytes) -> None:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", system.broker_port)
    client.loop_start()
    client.publish(topic, payload, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_what_a_node_tells_of_its_calibration_is_on_both_sides(system: System, side: str) -> None:
    technician = system.app(side, "technician", "Tư")
    entry = {
        "quantity": "ph", "time": int(time.time()) - 30, "operator": "Tư", "lot": "4.01 A12", "sent": False,
        "before": [100.0, 0.0], "after": [96.4, -3.1],
    }  # fmt: skip
    for _ in range(2):
        _publish(system, topics.topic(node(6), topics.REPLY), json.dumps({"calibration": entry}).encode())

    def found() -> list[dict[str, Any]]:
        rows = get(technician, f"{api.PONDS}/ao-6/calibrations", list[api.Calibration])
        return [row for row in rows if row["where"] == "node" and row["time"] == entry["time"]]

    until(found, 90)
    (row,) = found()
    assert (row["by"], row["lot"], row["after"], row["points"]) == ("Tư", "4.01 A12", [96.4, -3.1], [])


def test_live(farmer: httpx.Client) -> None:
    before = get(farmer, api.LIVE, api.Live)
    assert before["alarms"] >= 6
    farmer.post(f"{api.PONDS}/ao-5/hand-readings", json={"quantity": "do", "value": 5.5})
    until(lambda: get(farmer, api.LIVE, api.Live)["mark"] != before["mark"])


def _events(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_events(farmer: httpx.Client) -> None:
    with farmer.stream("GET", api.EVENTS) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        events = _events(response)
        name, first = next(events)
        assert name == "live"
        assert fits(first, api.Live) is None
        farmer.post(f"{api.PONDS}/ao-5/hand-readings", json={"quantity": "do", "value": 5.6})
        assert next(data for name, data in events if name == "live" and data["mark"] != first["mark"])


def test_a_token_ends_with_sign_out_and_a_wrong_one_is_refused(system: System, side: str) -> None:
    client = system.app(side, fresh=True)
    assert httpx.get(f"{client.base_url}/api/v1/ponds", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.delete(api.DEVICES + "/me").status_code == 204
    assert client.get(api.PONDS).status_code == 401
