"""What travels through the pipeline: one node's sample, its pond, and what each stage has said of it so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from vuong.flags import Flag, worst
from vuong.limits import Limits
from vuong.readings import Sample

Numbers = dict[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a reading was flagged: the key of a text in the gateway's catalogue, and the numbers that fill it."""

    key: str
    numbers: Numbers = field(default_factory=dict)


@dataclass(slots=True)
class Assessment:
    """What is said of one reading: the worst flag of all tests, the reason of that flag, the anomaly score (0 usual, 1 at the threshold)."""

    flag: Flag = Flag.NOT_EVALUATED
    score: float = 0.0
    reason: Reason | None = None

    def judge(self, flag: Flag, reason: Reason | None = None) -> None:
        """Take a test's verdict in: a worse flag replaces flag and reason; the first of equals stays."""
        if worst(self.flag, flag) is not self.flag:
            self.flag, self.reason = flag, reason


@dataclass(frozen=True, slots=True)
class Pond:
    """What the gateway knows of a pond: identity, neighbours on the same canal, limits, longitude for local noon, how many aerators it has."""

    id: str
    name: str
    limits: Limits
    neighbours: tuple[str, ...] = ()
    longitude: float = 105.97  # Sóc Trăng; only the diel harmonics' phase starts from it
    species: str = "vannamei"
    aerators: int = 0


@dataclass(slots=True)
class Observation:
    """One sample under way.

    Attributes
    ----------
    sample : the node's sample; times are resolved
    pond : the pond that the node stands in
    arrived : UTC seconds at which the gateway had it
    maintenance : the probes are out of the water, or being cleaned or calibrated: nothing is learned and no alarm is raised
    assessments : by quantity; stages add to it
    derived : what a stage worked out beside the quantities, for the alarms, e.g. ``salinity_rise``
    """

    sample: Sample
    pond: Pond
    arrived: int
    maintenance: bool = False
    assessments: dict[str, Assessment] = field(default_factory=dict)
    derived: Numbers = field(default_factory=dict)


class Stage(Protocol):
    """A step of the pipeline: it adds to an observation and remembers what it needs for the next one.

    A stage must be deterministic, so that after a restart the gateway restores the last snapshot and passes the readings stored since then
    through `update` again, and nothing is forgotten.
    """

    def update(self, observation: Observation) -> None:
        """Take one observation, in order of arrival."""

    def snapshot(self, node: str) -> bytes:
        """Return what is remembered of one node; empty where nothing is."""

    def restore(self, node: str, state: bytes) -> None:
        """Take back what `snapshot` returned."""
