"""The pages of a co-operative, a node and a gateway, on both stores."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import Engine

from cloud.accounts import people
from cloud.web.devices import QUIET
from tests.cloud.batches import NODES, NOW, PASSWORD, TOKENS, batch, sample
from vuong.clock import ManualClock

SignIn = Callable[[str], httpx.Client]
NODE = NODES["gw-a"][0]
DAY = 86_400


@pytest.fixture
def farm(client: httpx.Client, engine: Engine, post: Callable[..., httpx.Response]) -> httpx.Client:
    """Have readings, node states, a registered node with calibrations, and a manager of co-op A who looks at them."""
    who = {"login": "ql", "name": "Chị Hân", "role": "manager", "cooperative": "coop-a"}
    people.add(engine, **who, password=PASSWORD, now=NOW, actor="test")
    detail = {"battery": 3.87, "rssi": -71, "firmware": "1.4.2", "held": 14}
    states = [
        {"node": NODE, "time": NOW - 900, "state": "offline", "detail": {}},
        {"node": NODE, "time": NOW - 300, "state": "online", "detail": detail},
    ]
    assert post(batch([sample(50, do=5.1)], statuses=states)).json()["quarantined"] == []
    token = client.post("/api/v1/devices", json={"login": "ql", "password": PASSWORD}).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    facts = {"pond": "ao-a1", "gateway": "gw-a", "probes": ["do", "ph", "salinity"], "certificate": "5f3a09"}
    assert client.put(f"/api/v1/nodes/{NODE}", json=facts, headers=headers).status_code == 200
    for quantity, days in (("do", 5), ("ph", 31), ("ph", 90)):
        said = {"node": NODE, "quantity": quantity, "points": [[7.0, 6.92]], "time": NOW - days * DAY}
        assert client.post("/api/v1/ponds/ao-a1/calibrations", json=said, headers=headers).status_code == 201
    return client


def enter(client: httpx.Client, sign_in: SignIn, who: str) -> httpx.Client:
    client.cookies.clear()
    return sign_in(who)


def test_a_coop_shows_its_ponds_nodes_gateways_and_people(farm: httpx.Client, sign_in: SignIn) -> None:
    page = enter(farm, sign_in, "ql").get("/cooperatives/coop-a").text
    for told in ("HTX Alpha", "Ao A1 · Cô Sáu", "Ao A2 · Chú Ba", NODE, "gw-a", "3,87 V", "1.4.2", "5,1", "Chị Hân"):
        assert told in page, told
    assert "2 đầu dò cần hiệu chuẩn" in page, "pH is due, conductivity was never calibrated"
    assert "HTX Beta" not in farm.get("/cooperatives").text
    assert farm.get("/cooperatives/coop-b").status_code == 404
    farmer = enter(farm, sign_in, "sau").get("/cooperatives/coop-a").text
    assert "Ao A1" in farmer
    assert "Chị Hân" not in farmer, "who the others are is for those who may know it"
    assert "HTX Beta" in enter(farm, sign_in, "canbo").get("/cooperatives").text


def test_a_node_shows_its_state_power_certificate_and_calibrations(farm: httpx.Client, sign_in: SignIn) -> None:
    browser = enter(farm, sign_in, "sau")
    page = browser.get(f"/nodes/{NODE}").text
    for told in (
        "Đang kết nối",
        "3,87 V",
        "-71 dBm",
        "1.4.2",
        "5f3a09",
        "Đến hạn",
        "Còn hạn",
        "Chưa hiệu chuẩn",
        "7,00 → 6,92",
        "14",
    ):
        assert told in page, told
    assert page.count("7,00 → 6,92") == 3
    assert "Connected" in browser.get(f"/nodes/{NODE}?lang=en").text
    assert browser.get(f"/nodes/{NODES['gw-b'][0]}").status_code == 404
    assert NODE in browser.get("/ponds/ao-a1").text


def test_a_gateway_shows_when_it_spoke_and_what_could_not_be_taken(
    farm: httpx.Client, sign_in: SignIn, post: Callable[..., httpx.Response], engine: Engine
) -> None:
    post(batch([sample(60, node="ff", do=5.0)]))
    browser = enter(farm, sign_in, "sau")
    page = browser.get("/gateways/gw-a").text
    assert "Đang kết nối" in page
    assert NODE in page
    assert "<dd>1</dd>" in page, "one record was quarantined"
    assert browser.get("/gateways/gw-b").status_code == 404
    assert "Chưa có tin" in enter(farm, sign_in, "nam").get("/gateways/gw-b").text


def test_a_gateway_that_is_quiet_is_called_so(client: httpx.Client, wall: ManualClock, sign_in: SignIn) -> None:
    headers = {"Authorization": f"Bearer {TOKENS['gw-a']}"}
    assert client.get("/api/v1/entries", headers=headers).status_code == 200
    browser = enter(client, sign_in, "sau")
    assert "Cổng im lặng" not in browser.get("/gateways/gw-a").text
    wall.set(NOW + QUIET + 1)
    assert "Cổng im lặng" in browser.get("/gateways/gw-a").text
    browser.cookies.clear()
    assert client.get("/api/v1/entries", headers=headers).status_code == 200
    assert "Cổng im lặng" not in enter(client, sign_in, "sau").get("/gateways/gw-a").text
