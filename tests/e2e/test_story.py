"""The told night, seen as a person sees it: in a browser, on the demo's own pages."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from demo.system import System
from tests.browser import SWITCHES, chromium
from vuong.i18n import text

pytestmark = pytest.mark.slow

MIDNIGHT = 1_795_194_000  # 21 November 2026, 00:00 in Vietnam


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=chromium(), args=SWITCHES)
        yield found
        await found.close()


async def signed_in(browser: Browser, system: System, *, width: int) -> Page:
    context = await browser.new_context(viewport={"width": width, "height": 900})
    page = await context.new_page()
    official = next(person for person in system.farm.people if person.role == "official")
    await page.goto(system.address)
    await page.fill("input[name=login]", official.login)
    await page.fill("input[name=password]", official.password)
    async with page.expect_navigation(url=re.compile("/(ponds)?$")):  # what is asked while it is under way would be broken off
        await page.keyboard.press("Enter")
    return page


def words(key: str, language: str = "vi") -> str:
    """Return a stretch of a catalogue text that no number interrupts."""
    return max(re.split(r"\{[^}]*\}", text(key, language)), key=len).strip()


async def until(page: Page, address: str, wanted: dict[str, str], seconds: float) -> None:
    """Reload the alarms page until every wanted text has been on it."""
    missing, deadline = dict(wanted), time.monotonic() + seconds
    while missing and time.monotonic() < deadline:
        await page.goto(f"{address}/alarms")
        seen = await page.inner_text("main")
        missing = {name: words for name, words in missing.items() if words not in seen}
        await page.wait_for_timeout(500)
    assert not missing, f"never on the alarms page: {missing}"


async def test_the_night_is_seen_with_cause_and_advice(browser: Browser, tmp_path: Path) -> None:
    begun = time.monotonic()
    async with System(tmp_path, ponds=6, start=MIDNIGHT, factor=360.0) as system:
        page = await signed_in(browser, system, width=1440)
        await expect(page.locator("main")).to_contain_text("mg/L", timeout=15_000)
        assert time.monotonic() - begun < 40  # on a busy machine too; the README's figure is of a quiet one
        for pond in system.farm.ponds:
            assert pond.name in await page.inner_text("main")
        wanted = {
            f"{kind}.{part}": words(f"alarm.{kind}.{part}")
            for kind, part in (
                ("node_offline", "advice"),
                ("salinity_rise", "advice"),
                ("probe_fault", "advice"),
                ("oxygen_critical", "advice"),
                ("oxygen_critical", "cause"),
            )
        }
        await until(page, system.address, wanted, 120)
        for width in (1440, 390):
            narrow = await signed_in(browser, system, width=width)
            for path in ("/", "/alarms", "/ponds/ao-1"):
                await narrow.goto(system.address + path)
                assert await narrow.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), (
                    width,
                    path,
                )
            await narrow.context.close()
