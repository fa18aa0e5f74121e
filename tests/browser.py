"""How tests start the real browser: Debian's Chromium, quiet and without its background traffic."""

from __future__ import annotations

import shutil

import pytest

SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str:
    """Return the browser's path; skip the test, loudly, where there is none."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if binary is None:
        pytest.skip("LEFT OUT: Chromium is not installed here (Debian: chromium), so the pages are not tested in a browser")
    return binary
