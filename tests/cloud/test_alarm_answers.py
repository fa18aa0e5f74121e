"""Alarms in the cloud's API and page: in the asker's language, put aside, taken back, reset; on both stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from cloud.accounts.secrets import form_token
from tests.cloud.batches import NOW, TOKENS, alarm, batch
from vuong.clock import ManualClock
from vuong.contract.api import FORM_HEADER

GATEWAY = {"Authorization": f"Bearer {TOKENS['gw-a']}"}
WHY = "đầu dò đang rửa"
SignIn = Callable[[str], httpx.Client]


@pytest.fixture
def raised(post: Callable[..., httpx.Response]) -> None:
    """Have an oxygen alarm in pond ao-a1."""
    assert post(batch(alarms=[alarm()])).status_code == 200


def press(client: httpx.Client, path: str, **body: object) -> httpx.Response:
    """Post as a page's script does, with the form token of its session."""
    token = form_token(b"k" * 32, client.cookies.get("vuong_session", ""))
    return client.post(f"/api/v1/alarms/a1/{path}", json=body, headers={FORM_HEADER: token})


def row(client: httpx.Client, language: str = "vi") -> dict[str, Any]:
    (found,) = client.get("/api/v1/alarms", params={"language": language}).json()
    return dict(found)


@pytest.mark.usefixtures("raised")
def test_an_alarm_is_told_in_three_languages_with_cause_and_advice(sign_in: SignIn) -> None:
    browser = sign_in("sau")
    told = [row(browser, language) for language in ("vi", "en", "km")]
    for name in ("title", "message", "cause", "advice"):
        assert len({detail[name] for detail in told}) == 3
        assert all(len(detail[name]) > 10 for detail in told)
    assert "3,3 mg/L" in told[0]["message"]
    assert "3.3 mg/L" in told[1]["message"]
    assert {detail["confidence"] for detail in told} == {""}, "its gateway did not say"


@pytest.mark.usefixtures("raised")
def test_an_alarm_is_put_aside_and_calls_again(client: httpx.Client, clock: ManualClock, sign_in: SignIn) -> None:
    browser = sign_in("sau")
    aside = press(browser, "shelving", minutes=60, reason=WHY, id="shelf-0001")
    assert aside.status_code == 200, aside.text
    expected = {"state": "shelved", "shelved_until": NOW + 3600, "shelved_by": "Cô Sáu", "shelved_reason": WHY}
    assert aside.json().items() >= expected.items()
    assert row(browser) == aside.json()
    assert press(browser, "shelving", minutes=60, reason=WHY, id="shelf-0001").status_code == 200, "a repeat is no fault"
    assert press(browser, "shelving", minutes=30, reason=WHY).status_code == 409, "it is shelved"
    said = client.get("/api/v1/entries", headers={**GATEWAY, "Cookie": ""}).json()["entries"]
    assert [(entry["kind"], entry["content"]["minutes"]) for entry in said] == [("shelving", 60)], "its gateway hears of it once"
    clock.set(NOW + 3601)
    assert row(browser)["state"] == "unacknowledged"
    assert press(browser, "shelving", minutes=15, reason=WHY).status_code == 200
    clock.set(NOW + 3602)
    back = press(browser, "unshelving")
    assert (back.json()["state"], back.json()["shelved_until"]) == ("unacknowledged", None)
    assert press(browser, "unshelving").status_code == 409


@pytest.mark.usefixtures("raised")
def test_what_stays_until_it_is_reset(sign_in: SignIn, post: Callable[..., httpx.Response]) -> None:
    post(batch(alarms=[alarm(revision=2, state="latched", numbers={"value": 3.2, "limit": 4.0, "latched": 2})]))
    browser = sign_in("sau")
    assert press(browser, "reset", revision=1).status_code == 409, "it latched after that"
    assert press(browser, "reset").json()["state"] == "returned"
    press(browser, "acknowledgement")
    assert row(browser)["state"] == "normal"
    assert press(browser, "reset").status_code == 409


@pytest.mark.usefixtures("raised")
def test_who_may_not_and_what_cannot_be(client: httpx.Client, sign_in: SignIn, post: Callable[..., httpx.Response]) -> None:
    post(batch(alarms=[alarm(revision=2, kind="oxygen_lethal")]))
    browser = sign_in("sau")
    for body in (
        {},
        {"minutes": 0},
        {"minutes": 60},
        {"minutes": 60, "reason": ""},
        {"minutes": "x", "reason": "x"},
        {"colour": 1},
    ):
        assert press(browser, "shelving", **body).status_code == 422, body
    long = press(browser, "shelving", minutes=61, reason=WHY)
    assert long.status_code == 409
    assert "up to 60" in long.json()["detail"], "a siren is not put aside for longer"
    assert press(browser, "shelving", minutes=60, reason=WHY, revision=1).status_code in {200, 409}
    client.cookies.clear()
    for who, status in (("canbo", 403), ("nam", 404)):
        browser = sign_in(who)
        assert press(browser, "shelving", minutes=5, reason=WHY).status_code == status
        assert press(browser, "unshelving").status_code == status
        assert press(browser, "reset").status_code == status
        client.cookies.clear()
    assert client.post("/api/v1/alarms/a1/shelving", json={"minutes": 5, "reason": "x"}).status_code == 401


@pytest.mark.usefixtures("raised")
def test_the_page_puts_aside_and_takes_back(sign_in: SignIn, clock: ManualClock) -> None:
    browser = sign_in("sau")
    page = browser.get("/alarms").text
    token = page.split('name="token" value="')[1].split('"')[0]
    form = {"token": token, "revision": "1", "next": "/alarms", "minutes": "240", "reason": WHY}
    assert browser.post("/alarms/a1/shelve", data=form | {"token": "x"}).status_code == 403
    assert browser.post("/alarms/a1/dance", data=form).status_code == 422
    assert browser.post("/alarms/a1/shelve", data=form).headers["Location"] == "/alarms#alarm-a1"
    page = browser.get("/alarms").text
    assert page.index('id="aside"') < page.index('id="alarm-a1"')
    assert WHY in page
    assert "Cô Sáu" in page
    clock.set(NOW + 1)
    assert browser.post("/alarms/a1/unshelve", data=form).status_code == 303
    assert 'id="aside"' not in browser.get("/alarms").text


@pytest.mark.usefixtures("raised")
def test_the_page_tells_who_speaks_for_an_alarm(sign_in: SignIn, post: Callable[..., httpx.Response]) -> None:
    numbers = {"value": 3.2, "limit": 4.0, "suppressed_by": "maintenance"}
    post(batch(alarms=[alarm(revision=2, state="suppressed", numbers=numbers)]))
    browser = sign_in("sau")
    assert row(browser)["suppressed_by"] == "maintenance"
    assert "đang được bảo trì" in browser.get("/alarms").text
