"""The real command, and the pages in a real browser."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from tests.browser import SWITCHES, chromium
from tests.cloud.accounts.phone import Phone
from tests.cloud.batches import NODES, NOW, PASSWORD, TOKENS, alarm, batch, packed, sample

pytestmark = pytest.mark.slow
FARM = f"""
[[cooperatives]]
id = "coop-a"
name = "HTX Alpha"
[[gateways]]
id = "gw-a"
cooperative = "coop-a"
token = "{TOKENS["gw-a"]}"
[[ponds]]
id = "ao-a1"
cooperative = "coop-a"
name = "Ao A1 · Cô Sáu"
species = "vannamei"
[[ponds]]
id = "ao-a2"
cooperative = "coop-a"
name = "Ao A2 · Chú Ba"
species = "monodon"
[[ponds]]
id = "ao-a3"
cooperative = "coop-a"
name = "Ao A3 · Anh Tư"
species = "monodon"
[[nodes]]
id = "{NODES["gw-a"][0]}"
pond = "ao-a1"
[[nodes]]
id = "{NODES["gw-a"][1]}"
pond = "ao-a2"
[[users]]
login = "sau"
name = "Cô Sáu"
role = "farmer"
cooperative = "coop-a"
password = "{PASSWORD}"
[[users]]
login = "ba"
name = "Chú Ba"
role = "farmer"
cooperative = "coop-a"
first_password = "{PASSWORD}"
"""


PAGES = (
    "/ponds",
    "/ponds/ao-a1",
    "/alarms",
    "/cooperatives/coop-a",
    "/nodes/" + NODES["gw-a"][0],
    "/gateways/gw-a",
    "/account",
    "/account/factor",
)


class Cloud:
    """A served cloud: where it is, and a way to post to it."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address, self.folder = address, folder

    def post(self, document: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {TOKENS['gw-a']}", "Content-Encoding": "gzip"}
        reply = httpx.post(f"{self.address}/api/v1/batches", content=packed(document), headers=headers, timeout=30)
        assert reply.json()["quarantined"] == []


@contextmanager
def cloud_process(folder: Path) -> Iterator[Cloud]:
    """Import the farm and serve it with the real command; its clock shows `NOW` at the start."""
    url = f"sqlite:///{folder}/cloud.db"
    (folder / "farm.toml").write_text(FARM, encoding="utf-8")
    command = [sys.executable, "-m", "vuong", "cloud"]
    subprocess.run([*command, "import", str(folder / "farm.toml"), "--database", url], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    clock = f"{time.time()},{NOW},1"
    environment = {name: value for name, value in os.environ.items() if name != "VUONG_SECRET_KEY"}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "serve", "--port", str(port), "--database", url, "--clock", clock], stdout=log, stderr=log, env=environment
        )
    address = f"http://127.0.0.1:{port}"
    try:
        last: object = None
        for _ in range(300):
            try:
                last = httpx.get(f"{address}/healthz", timeout=5).status_code
                if last == 200:
                    break
            except httpx.TransportError as error:
                last = error
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.2)
        else:
            pytest.fail(f"the cloud did not come up: {last!r}; {(folder / 'log').read_text()}")
        yield Cloud(address, folder)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Serve one cloud with a day of readings and alarms for the tests of this file."""
    with cloud_process(tmp_path_factory.mktemp("cloud")) as running:
        rows = [
            sample(n, time=NOW - 86_400 + n * 300, do=6.0 - n / 100, ph=8.1, salinity=15.0, temperature=29.5)
            for n in range(1, 288)
        ]
        rows[200]["values"]["ph"], rows[200]["flags"]["ph"] = 14.5, 4
        rows[200]["reasons"] = {"ph": {"key": "physical_range", "value": 14.5, "low": 0, "high": 14}}
        running.post(batch(rows, alarms=[alarm(), alarm("cleared", raised=NOW - 9000, cleared=NOW - 8000)]))
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """Start a real Chromium."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("browser"),
            executable_path=chromium(),
            args=SWITCHES,
        )
        yield context
        context.close()


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    """Give a page; any error in its console fails the test."""
    browser.clear_cookies()
    page, faults = browser.new_page(), list[str]()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("response", lambda reply: faults.append(f"{reply.status} {reply.url}") if reply.status >= 500 else None)
    yield page
    page.close()
    assert faults == []


def sign_in(page: Page, cloud: Cloud, target: str = "/ponds") -> None:
    """Sign in with the keyboard alone: the first field has the focus."""
    page.goto(cloud.address + target)
    expect(page.locator("input[name=login]")).to_be_focused()
    page.keyboard.type("sau")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(cloud.address + target)


def test_signing_in_and_walking_to_a_pond_by_keyboard(page: Page, cloud: Cloud) -> None:
    sign_in(page, cloud)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Ao A1 · Cô Sáu")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement, '::after').outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ao A1 · Cô Sáu")


def test_a_state_has_a_word_and_a_shape_beside_its_colour(page: Page, cloud: Cloud) -> None:
    sign_in(page, cloud)
    badge = page.locator(".card", has_text="Ao A1").locator(".badge")
    expect(badge).to_have_text("Cảnh báo")
    assert badge.locator("svg use").get_attribute("href") == "/static/icons.svg#warning"
    expect(page.locator(".card", has_text="Ao A3")).to_contain_text("Chưa có số liệu")
    expect(page.locator(".card", has_text="Ao A1")).to_contain_text("3,1")


def test_charts_are_drawn_and_a_failed_reading_tells_why(page: Page, cloud: Cloud) -> None:
    sign_in(page, cloud, "/ponds/ao-a1")
    expect(page.locator(".chart canvas")).to_have_count(4)
    page.locator("#flagged summary").click()
    expect(page.locator("#flagged tbody tr")).to_have_count(1)
    expect(page.locator("#flagged tbody")).to_contain_text("14,50 pH nằm ngoài khoảng đo được trong nước")
    page.locator(".chart .plot").first.hover(position={"x": 250, "y": 60})
    expect(page.locator(".readout").first).to_contain_text(re.compile(r"\d,\d+ mg/L · \d\d:\d\d"))


def test_alarms_tell_cause_and_advice_in_three_languages(page: Page, cloud: Cloud) -> None:
    sign_in(page, cloud, "/alarms")
    expect(page.locator(".alarm").first).to_contain_text("Việc cần làm")
    expect(page.locator(".alarm").first).to_contain_text("3,3")
    expect(page.locator(".alarm.cleared")).to_have_count(1)
    page.locator("a[hreflang=en]").click()
    expect(page.locator(".alarm").first).to_contain_text("3.3")
    page.locator("a[hreflang=km]").click()
    assert page.locator("html").get_attribute("lang") == "km"
    expect(page.locator(".draft")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_screen(page: Page, cloud: Cloud, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(cloud.address + "/sign-in")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sign_in(page, cloud)
    for language in ("vi", "en", "km"):
        for path in PAGES:
            page.goto(f"{cloud.address}{path}?lang={language}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, language)


def test_an_alarm_is_put_aside_by_keyboard_while_the_page_lives(page: Page, cloud: Cloud) -> None:
    cloud.post(batch(alarms=[alarm("aside", kind="salinity_low", quantity="salinity", raised=NOW - 600)]))
    sign_in(page, cloud, "/alarms")
    page.locator("#shelve-aside summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("đang rửa")
    cloud.post(batch(alarms=[alarm("other", raised=NOW - 300)]))
    page.wait_for_timeout(3000)  # the page asks what is new; what is being written stays
    page.keyboard.type(" đầu dò")
    page.keyboard.press("Enter")
    expect(page.locator("section", has=page.locator("#aside"))).to_contain_text("đang rửa đầu dò")
    page.wait_for_timeout(1000)  # what is said in one second has no order
    page.locator("#unshelve-aside").press("Enter")
    expect(page.locator("#aside")).to_have_count(0)


def test_the_password_is_changed_by_keyboard(page: Page, cloud: Cloud) -> None:
    sign_in(page, cloud, "/account")
    for present, new in ((PASSWORD, "một câu khác hẳn"), ("một câu khác hẳn", PASSWORD)):
        page.locator("#present").focus()
        for text in (present, new, new):
            page.keyboard.type(text)
            page.keyboard.press("Tab")  # to the button that shows what was typed
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text("Đã đổi mật khẩu.")
        page.goto(cloud.address + "/account")


def test_a_first_password_is_changed_and_a_second_factor_put_on_and_used(page: Page, cloud: Cloud) -> None:
    own = "một câu chỉ Ba biết"

    def enter(password: str) -> None:
        page.goto(cloud.address + "/sign-in")
        page.fill("#login", "ba")
        page.fill("#password", password)
        page.click("form.panel button[type=submit]")

    enter(PASSWORD)
    page.fill("#new", own)
    expect(page.locator("[data-strength]")).to_contain_text("Rất tốt")
    page.click(".typed:has(#new) button")
    assert page.get_attribute("#new", "type") == "text", "shown to who wants to see it"
    page.fill("#again", own)
    page.click("form.panel button[type=submit]")
    page.wait_for_url("**/ponds")
    page.goto(cloud.address + "/account/factor")
    page.fill("#present", own)
    page.click("form.panel button[type=submit]")
    drawn = "document.querySelector('img.qr').complete && document.querySelector('img.qr').naturalWidth > 100"
    page.wait_for_function(drawn)
    page.click("details summary")
    phone = Phone(page.inner_text("code.secret"), [])
    page.fill("#code", phone.code(time.time()))
    page.click("form.panel button[type=submit]")
    paper = page.locator("ol.codes code").all_inner_texts()
    assert len(paper) == 10
    page.click(".account button")
    enter(own)
    page.wait_for_url("**/sign-in/step")
    page.fill("#code", paper[0])
    page.click("form.panel button[type=submit]")
    page.wait_for_url("**/ponds")
    page.goto(cloud.address + "/account")
    expect(page.locator("body")).to_contain_text("Dùng một mã dự phòng")
    log = (cloud.folder / "log").read_text()
    for secret in (own, phone.secret, phone.secret.replace(" ", ""), *paper):
        assert secret not in log


def test_a_new_reading_shows_without_reloading(page: Page, cloud: Cloud) -> None:
    sign_in(page, cloud)
    card = page.locator(".card", has_text="Ao A2")
    expect(card).not_to_contain_text("4,4")
    page.wait_for_timeout(2500)
    cloud.post(batch([sample(1, node=NODES["gw-a"][1], time=NOW, do=4.44, ph=7.9)]))
    expect(card).to_contain_text("4,4", timeout=15_000)


def test_the_log_and_the_folder_hold_no_secret(cloud: Cloud) -> None:
    assert (cloud.folder / "secret.key").stat().st_mode & 0o777 == 0o600
    log = (cloud.folder / "log").read_text()
    for secret in (PASSWORD, *TOKENS.values(), (cloud.folder / "secret.key").read_text()):
        assert secret not in log
