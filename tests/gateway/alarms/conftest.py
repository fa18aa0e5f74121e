"""The alarms by themselves: of all tests of quality only the physical range, so that made-up values are not taken for broken probes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gateway import ingest
from gateway.derived.ammonia import Ammonia
from gateway.derived.daily_change import DailyChange
from gateway.derived.oxygen import OxygenCourse
from gateway.observation import Assessment, Observation, Pond, Reason, Stage
from vuong.flags import Flag
from vuong.quantities import QUANTITIES


class Judge:
    """Gives each reading the flag that the test asked for (`flags`), else good; fail outside the physical range."""

    flags: dict[str, Flag]

    def __init__(self) -> None:
        type(self).flags = {}

    def update(self, observation: Observation) -> None:
        for name, value in observation.sample.values.items():
            row = QUANTITIES[name]
            assessment = observation.assessments[name] = Assessment(Flag.GOOD)
            if not row.low <= value <= row.high:
                assessment.judge(Flag.FAIL, Reason("physical_range", {"low": row.low, "high": row.high, "value": value}))
            elif name in self.flags:
                assessment.judge(self.flags[name], Reason("stuck", {"value": value}))

    def snapshot(self, node: str) -> bytes:
        return b""

    def restore(self, node: str, state: bytes) -> None:
        """Nothing is remembered."""


def stages(nodes: Mapping[str, Pond]) -> list[Stage]:
    return [Judge(), DailyChange(), OxygenCourse(), Ammonia()]


@pytest.fixture(autouse=True)
def judge(monkeypatch: pytest.MonkeyPatch) -> type[Judge]:
    monkeypatch.setattr(ingest, "make_stages", stages)
    Judge.flags = {}
    return Judge
