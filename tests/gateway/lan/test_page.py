"""The farmer's page in a real browser: on a phone and a desk, by finger and by keyboard, live, and with the gateway gone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from gateway.store.store import Changes
from tests.gateway.lan.conftest import ALARM, NOW, PIN, Lan, alarm, sample
from vuong.i18n import LANGUAGES

_CHROMIUM = Path("/usr/bin/chromium")
_OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip


def form_token(page: str) -> str:
    found = re.search(r'name="token" value="([0-9a-f]+)"', page)
    assert found
    return found.group(1)


def test_without_scripts_the_page_does_everything(lan: Lan, browser: httpx.Client) -> None:
    browser.follow_redirects = True
    door = browser.get("/").text
    assert browser.post("/sign-in", data={"pin": PIN, "name": "Cô Sáu"}).status_code == 403
    wrong = browser.post("/sign-in", data={"pin": "000111", "name": "Cô Sáu", "token": form_token(door)})
    assert (wrong.status_code, "Mã PIN không đúng" in wrong.text) == (401, True)
    page = browser.post("/sign-in", data={"pin": PIN, "name": "Cô Sáu", "token": form_token(door)}).text
    assert "Oxy" in page
    assert "2,7 mg/L" in page
    token = form_token(page)
    done = browser.post("/acknowledge", data={"alarm": ALARM, "revision": "1", "token": token}).text
    assert "Cô Sáu đã xác nhận lúc 03:59" in done
    assert "/acknowledge" not in done
    for value, told in (("x", "Hãy nhập một con số"), ("900", "ngoài khoảng")):
        refused = browser.post(
            "/hand-readings", data={"pond": "p1", "quantity": "do", "value": value, "note": "ghi chú", "token": token}
        )
        assert refused.status_code == 422
        assert told in refused.text
        assert "ghi chú" in refused.text, "what was typed stays"
    assert (
        "4,50 mg/L" in browser.post("/hand-readings", data={"pond": "p1", "quantity": "do", "value": "4,5", "token": token}).text
    )
    browser.post("/sign-out", data={"token": token})
    assert browser.get("/").url.path == "/sign-in"


def test_a_viewer_has_no_buttons(lan: Lan, browser: httpx.Client) -> None:
    browser.cookies.set("vuong_lan", lan.token("viewer"))
    page = browser.get("/").text
    assert "2,7 mg/L" in page
    assert "/acknowledge" not in page
    assert "/hand-readings" not in page


def test_a_scanned_code_is_spent_by_the_form_not_by_looking(lan: Lan, browser: httpx.Client) -> None:
    browser.follow_redirects = True
    code = lan.desk.access.pairing_code("farmer", "", NOW)
    for _ in range(2):
        page = browser.get("/pair", params={"code": code}).text
    assert "Oxy" in browser.post("/pair", data={"code": code, "name": "Chú Ba", "token": form_token(page)}).text
    again = browser.post("/pair", data={"code": code, "name": "x", "token": form_token(page)})
    assert again.status_code == 401


def test_what_a_device_is_called_is_written_as_text(lan: Lan, browser: httpx.Client) -> None:
    browser.cookies.set("vuong_lan", lan.token("farmer", "<script>alert(1)</script>"))
    assert "<script>alert" not in browser.get("/").text


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not _CHROMIUM.exists():
        pytest.skip("LEFT OUT: Chromium is not installed (scripts/install_test_system.sh)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(_CHROMIUM), args=_OPTIONS)
        yield browser
        browser.close()
    # Playwright leaves its loop behind as the thread's current one.
    asyncio.set_event_loop(None)


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Any]:
    """Give a function that opens a page of some width."""
    contexts = []

    def make(width: int = 390) -> Page:
        context = chromium.new_context(viewport={"width": width, "height": 844}, reduced_motion="reduce")
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 390, 1440])
def test_nothing_is_broken_on_any_screen_or_in_any_language(lan: Lan, address: str, opened: Any, width: int) -> None:  # noqa: ANN401
    page = opened(width)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("request", lambda request: None if request.url.startswith((address, "data:")) else problems.append(request.url))
    page.on("response", lambda response: problems.append(f"{response.status} {response.url}") if response.status >= 400 else None)
    page.goto(address)
    page.fill("#pin", PIN)
    page.fill("#name", "Cô Sáu")
    page.click("button.big")
    page.wait_for_selector("#alarms")
    for language in LANGUAGES:
        page.goto(f"{address}/?lang={language}")
        page.wait_for_selector(f"html[lang={language}]")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing to scroll sideways"
        small = page.evaluate(
            "[...document.querySelectorAll('button, select, input:not([type=hidden]), .languages a')]"
            ".filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"
        )
        assert small == []
    assert problems == []


@pytest.mark.slow
def test_values_alarms_and_acknowledgements_come_by_themselves(lan: Lan, address: str, opened: Any) -> None:  # noqa: ANN401
    page = opened()
    page.context.add_cookies([{"name": "vuong_lan", "value": lan.token(), "url": address}])
    page.goto(address)
    page.wait_for_selector("#pond-p1 .number")
    page.fill("#hand-note", "đang gõ dở")
    page.wait_for_timeout(500)  # the stream's first word
    lan.store.commit(Changes(samples=[sample(5000, NOW, do=1.7)], alarms=[alarm("lethal-1", kind="oxygen_lethal")]))
    page.wait_for_selector("#pond-p1 .number:has-text('1,7')", timeout=10_000)
    page.wait_for_selector("#alarm-lethal-1")
    assert page.input_value("#hand-note") == "đang gõ dở", "a form that somebody fills in stays as it is"
    content = {"alarm": "lethal-1", "revision": 1}
    lan.desk.entries.add(
        [
            {
                "id": "from-cloud-1",
                "kind": "acknowledgement",
                "pond": "p1",
                "at": NOW,
                "by": "Tư",
                "where": "cloud",
                "content": content,
            }
        ]
    )
    page.wait_for_selector("#alarm-lethal-1 .seen:has-text('Tư')", timeout=10_000)


@pytest.mark.slow
def test_the_button_is_pressed_by_keyboard(lan: Lan, address: str, opened: Any) -> None:  # noqa: ANN401
    page = opened(1440)
    page.context.add_cookies([{"name": "vuong_lan", "value": lan.token(name="Cô Sáu"), "url": address}])
    page.goto(address)
    page.wait_for_selector(f"#ack-{ALARM}")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == f"ack-{ALARM}":
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px", "the focus is seen"
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#alarm-{ALARM} .seen:has-text('Cô Sáu')")
    assert [entry["where"] for _, entry in lan.desk.entries.after(0)] == ["gateway"]


@pytest.mark.slow
def test_a_page_that_lost_the_gateway_says_so(lan: Lan, opened: Any) -> None:  # noqa: ANN401
    page = opened()
    with lan.served() as address:
        page.context.add_cookies([{"name": "vuong_lan", "value": lan.token(), "url": address}])
        page.goto(address)
        page.wait_for_selector("#pond-p1 .number")
        assert page.is_hidden("#cut-off")
        page.wait_for_timeout(500)
    page.wait_for_selector("#cut-off:not([hidden])", timeout=30_000)
