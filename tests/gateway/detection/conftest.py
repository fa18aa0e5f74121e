"""A month of a simulated pond, and a harness that passes samples through quality control and detection."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from functools import cache

import pytest

from gateway import detection, quality
from gateway.detection import Detection, SlowChange
from gateway.observation import Observation, Stage
from gateway.observation import Pond as KnownPond
from models.pond import Fault, Pond, Probes, shrimp_pond
from vuong.flags import Flag
from vuong.limits import limits_of
from vuong.readings import Sample

NODE = "00124b0000000001"
BESIDE = "00124b0000000002"
START = 1_795_107_600  # 20 November 2026, 00:00 in Vietnam
STEP, DAY = 900, 86_400
QUANTITIES = ("temperature", "do", "ph", "salinity")
Rows = list[tuple[int, dict[str, float]]]


@cache
def true_water(days: int, seed: int) -> tuple[tuple[int, dict[str, float]], ...]:
    pond = Pond(seed, START, shrimp_pond(), weather_seed=1)
    return tuple((t, pond.step_to(t)) for t in range(START, START + days * DAY, STEP))


def readings(days: int = 24, seed: int = 5, faults: Iterable[Fault] = ()) -> Rows:
    probes = Probes(QUANTITIES, seed, faults)
    return [(t, probes.read(water, t)) for t, water in true_water(days, seed)]


class Bench:
    """The stages of one gateway."""

    def __init__(self, beside: str | None = None) -> None:
        limits = limits_of("vannamei")
        self.ponds = {NODE: KnownPond("p1", "p1", limits, neighbours=("p2",) if beside else ())}
        if beside:
            self.ponds[beside] = KnownPond("p2", "p2", limits, neighbours=("p1",))
        self.stages: list[Stage] = [*quality.stages(self.ponds), *detection.stages(self.ponds)]

    @property
    def detector(self) -> Detection:
        return next(s for s in self.stages if isinstance(s, Detection))

    @property
    def slow(self) -> SlowChange:
        return next(s for s in self.stages if isinstance(s, SlowChange))

    def take(self, time: int, values: dict[str, float], *, node: str = NODE, maintenance: bool = False) -> Observation:
        observation = Observation(Sample(node, 1, 1, time, dict(values)), self.ponds[node], time, maintenance)
        for stage in self.stages:
            stage.update(observation)
        return observation

    def run(self, rows: Rows) -> list[Observation]:
        return [self.take(*row) for row in rows]

    def restarted(self) -> Bench:
        other = Bench()
        other.ponds = self.ponds
        other.stages = [*quality.stages(self.ponds), *detection.stages(self.ponds)]
        for old, new in zip(self.stages, other.stages, strict=True):
            for node in self.ponds:
                new.restore(node, old.snapshot(node))
        return other

    def copied(self) -> Bench:
        return copy.deepcopy(self)


def flags(observations: Iterable[Observation], quantity: str) -> list[Flag]:
    return [o.assessments[quantity].flag for o in observations if quantity in o.assessments]


def keys(observations: Iterable[Observation], quantity: str) -> set[str]:
    found = (o.assessments[quantity] for o in observations if quantity in o.assessments)
    return {a.reason.key for a in found if a.reason is not None and a.flag in {Flag.SUSPECT, Flag.FAIL}}


@pytest.fixture(scope="session")
def learned() -> Bench:
    """Return a bench that has seen sixteen healthy days; take a copy."""
    bench = Bench()
    bench.run(readings()[: 16 * 96])
    return bench


@pytest.fixture
def bench(learned: Bench) -> Bench:
    return learned.copied()
