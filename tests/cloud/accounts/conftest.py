"""Somebody with a second factor, and an administrator, who needs one."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from sqlalchemy import Engine

from cloud.accounts import people
from cloud.context import Context
from tests.cloud.accounts.phone import Phone, enrol
from tests.cloud.batches import NOW, PASSWORD
from tests.cloud.conftest import served
from vuong.clock import ManualClock
from vuong.command import main


@pytest.fixture
def administrator(engine: Engine) -> str:
    """Give the login of an administrator."""
    people.add(
        engine, login="quantri", name="Quản trị", role="administrator", cooperative=None, password=PASSWORD, now=NOW, actor="test"
    )
    return "quantri"


@pytest.fixture
def phone(engine: Engine) -> Phone:
    """Give the phone of the farmer, who has a second factor."""
    return enrol(engine, "sau", NOW - 3600)


@pytest.fixture
def at(engine: Engine) -> Iterator[Callable[..., httpx.Client]]:
    """Give a function that serves the cloud at another time, or with other settings, and gives a browser there."""
    with ExitStack() as stack:

        def browser(seconds: float = 0.0, **settings: object) -> httpx.Client:
            clock = ManualClock(NOW + seconds)
            address = stack.enter_context(served(Context(engine, b"k" * 32, clock=clock, wall=clock, **settings)))  # type: ignore[arg-type]
            return stack.enter_context(httpx.Client(base_url=address))

        yield browser


@pytest.fixture
def run(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Give a function that runs ``vuong cloud …`` on the farm with something on standard input."""

    def call(*words: str, stdin: str = "") -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        return main(["cloud", *words, "--database", engine.url.render_as_string(hide_password=False)])

    return call
