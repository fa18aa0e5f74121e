"""The alarms by themselves: of all tests of quality only the physical range, so that made-up values are not taken for broken probes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway import ingest
from gateway.derived.ammonia import Ammonia
from gateway.derived.daily_change import DailyChange
from gateway.derived.oxygen import OxygenCourse
from gateway.observation import Assessment, Observation, Pond, Reason, Stage
from tests.gateway.conftest import Bench
from vuong.flags import Flag
from vuong.quantities import QUANTITIES

Pack = Callable[..., bytes]
NOON = 1_763_614_800
MINUTE = 60


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


class Feed:
    """Sends one sample after the other at the pace of its clock."""

    def __init__(self, bench: Bench, make_pack: Pack) -> None:
        self.bench, self.pack, self.seq = bench, make_pack, 0

    def __call__(self, minute: float, **values: float) -> None:
        self.seq += 1
        at = NOON + round(minute * MINUTE)
        self.bench.clock.set(at)
        self.bench.send(self.pack(self.seq, at=at, **values))

    def alarms(self, kind: str) -> list[tuple[str, float, float | None]]:
        """Return state, minute raised and minute cleared of each alarm of a kind."""
        rows = self.bench.rows(f"SELECT state, raised, cleared FROM alarms WHERE kind = '{kind}' ORDER BY raised")
        return [(s, (r - NOON) / MINUTE, None if c is None else (c - NOON) / MINUTE) for s, r, c in rows]  # type: ignore[operator]

    def numbers(self, kind: str) -> dict[str, Any]:
        """Return the numbers of the newest alarm of a kind."""
        rows = self.bench.rows(f"SELECT numbers FROM alarms WHERE kind = '{kind}' ORDER BY raised DESC LIMIT 1")
        return dict(json.loads(str(rows[0][0])))

    def tick(self, minute: float) -> None:
        """Let the clock alone move."""
        self.bench.clock.set(NOON + round(minute * MINUTE))
        self.bench.ingest.tick()
        self.bench.ingest.commit()


@pytest.fixture
def feed(bench: Bench, make_pack: Pack) -> Feed:
    return Feed(bench, make_pack)
