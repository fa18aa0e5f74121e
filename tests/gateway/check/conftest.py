"""A gateway to look at: its configuration in a file, its database, a real broker under the shipped configuration."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.check.finding import Finding, Status, Subject
from gateway.config import Config, Mqtt
from gateway.observation import Pond
from tests.gateway.system.broker import MOSQUITTO, Broker
from vuong.clock import ManualClock
from vuong.limits import Limits

NODE = "00124b0000000001"


@dataclass
class Gateway:
    """What the checks are given; tests change what they want wrong."""

    folder: Path
    mqtt: Mqtt = field(default_factory=Mqtt)
    clock: ManualClock = field(default_factory=lambda: ManualClock(time.time()))

    @property
    def config(self) -> Config:
        pond = Pond("p1", "Ao 1", Limits())
        return Config("gw-1", "Test", self.folder / "gateway.db", self.mqtt, None, {"p1": pond}, {NODE: pond})

    @property
    def subject(self) -> Subject:
        return Subject(self.config, self.clock, proc=self.folder / "proc", sys=self.folder / "sys")


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    if MOSQUITTO is None:
        pytest.skip("Mosquitto is not installed: scripts/install_test_system.sh")
    running = Broker(tmp_path_factory.mktemp("broker"))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def said() -> Callable[[Iterator[Finding]], list[tuple[str, str]]]:
    """Give a function that runs a check and returns (status, key) of what it finds; every finding must have its texts."""

    def collect(findings: Iterator[Finding]) -> list[tuple[str, str]]:
        found = list(findings)
        for finding in found:
            for language in ("vi", "en", "km"):
                assert not re.search(r"\{[a-z_]+\}", finding.sentence(language) + (finding.remedy(language) or ""))
                remedy = finding.remedy(language)
                assert (remedy is None) == (finding.status in {Status.OK, Status.NOT_APPLICABLE})
        return [(str(finding.status), finding.key) for finding in found]

    return collect
