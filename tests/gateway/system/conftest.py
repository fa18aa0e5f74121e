"""Brokers for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.gateway.system.broker import MOSQUITTO, Broker


@pytest.fixture(scope="session")
def needs_mosquitto() -> None:
    if MOSQUITTO is None:
        pytest.skip("Mosquitto is not installed: scripts/install_test_system.sh")


@pytest.fixture(scope="module")
def broker(needs_mosquitto: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker that a file's tests share, each with nodes of its own."""
    running = Broker(tmp_path_factory.mktemp("broker"))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def make_broker(needs_mosquitto: None, tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Make a broker of its own for a test that kills or overfills it."""
    made: list[Broker] = []

    def make(**limits: int | str) -> Broker:
        made.append(Broker(tmp_path / f"broker{len(made)}", **limits))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.stop()
