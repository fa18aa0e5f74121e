"""The stage of online detection: it judges every reading against what its own channel has learned."""

from __future__ import annotations

from typing import Final

from gateway.detection import settings as s
from gateway.detection.channel import Channel
from gateway.detection.evidence import Evidence
from gateway.detection.node import Node
from gateway.detection.out_of_water import out_of_water
from gateway.observation import Assessment, Numbers, Observation, Reason
from vuong.flags import Flag

CONFIRMED: Final = "salinity_confirmed"  # derived by the multivariate test: salinity and conductivity moved alike
_UNUSABLE: Final = frozenset({Flag.FAIL, Flag.MISSING})
_MANY: Final = 2  # quantities that are strange at once: the water, or the node as a whole, not one probe
_SURE: Final = 3.0  # a run of equal values this many times beyond its threshold is a stuck probe, not a calm night

_KEYS: Final = {
    Evidence.STEP: "detection.step",
    Evidence.EXCURSION: "detection.excursion",
    Evidence.BURST: "detection.burst",
    Evidence.STUCK: "detection.stuck",
    Evidence.HOLD: "detection.hold",
    Evidence.TOGETHER: "detection.together",
    Evidence.LEVEL: "detection.level",
    Evidence.IMPLAUSIBLE: "detection.implausible",
    Evidence.FLOOR: "detection.floor",
    Evidence.RETURN: "detection.return",
}


class Detection:
    """Learns from each reading what is usual for its channel and flags what is not.

    One strange quantity is a probe's fault (``detection.step`` and the like); several at once are told as a movement of the water or of the whole
    node (``detection.together``); all dry at once are told as out of the water, and count as maintenance.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    def update(self, observation: Observation) -> None:
        """Judge the readings of a sample.

        A sample that is not later than the node's last one (out of a backlog) is neither judged nor learned from: its neighbours in time are gone.
        """
        sample = observation.sample
        node = self._nodes.get(sample.node)
        if node is None:
            node = self._nodes[sample.node] = Node()
        if sample.time <= node.time:
            return
        if observation.maintenance:
            self._rest(node, observation)
            return
        assessments = observation.assessments
        values = {
            quantity: value
            for quantity, value in sample.values.items()
            if (known := assessments.get(quantity)) is not None and known.flag not in _UNUSABLE
        }
        excused = _BOTH if CONFIRMED in observation.derived else _NONE
        found = node.take(sample.time, values, observation.pond.longitude, excused)
        dry = out_of_water(node, values)
        strange = node.strange() if any(kind is not None for kind, _ in found.values()) else 0
        for quantity, (kind, score) in found.items():
            assessment = assessments[quantity]
            assessment.score = max(assessment.score, score)
            if dry:
                assessment.judge(Flag.FAIL, Reason("detection.out_of_water", {"value": values[quantity]}))
            elif kind is not None:
                _tell(assessment, node.channels[quantity], kind, node.interval.seconds, strange)
        if dry:
            observation.maintenance = True

    def _rest(self, node: Node, observation: Observation) -> None:
        """Let a node's probes be worked on: nothing is judged or learned, and the next level is taken as it comes."""
        for channel in node.channels.values():
            channel.rest(observation.sample.time)
        for quantity, assessment in observation.assessments.items():
            assessment.judge(Flag.NOT_EVALUATED, Reason("detection.maintenance", {"value": observation.sample.values[quantity]}))
            if assessment.reason is None:
                assessment.reason = Reason("detection.maintenance")

    def node(self, node: str) -> Node | None:
        """Return what is known of a node; ``None`` before its first sample."""
        return self._nodes.get(node)

    def forecast(self, node: str, quantity: str) -> float | None:
        """Return the forecast of the latest value of a channel, in the quantity's unit; ``None`` where there is none."""
        found = self._nodes.get(node)
        channel = found.channels.get(quantity) if found else None
        return channel.natural(channel.forecast) if channel else None

    def snapshot(self, node: str) -> bytes:
        """Return what is remembered of one node; empty where nothing is."""
        found = self._nodes.get(node)
        return found.state() if found else b""

    def restore(self, node: str, state: bytes) -> None:
        """Take back what `snapshot` returned."""
        if state:
            found = self._nodes[node] = Node()
            found.restore(state)


_NONE: Final[frozenset[str]] = frozenset()
_BOTH: Final = frozenset({"salinity", "conductivity"})


def _tell(assessment: Assessment, channel: Channel, kind: Evidence, interval: float, strange: int) -> None:
    """Put the verdict of one channel into its assessment."""
    numbers: Numbers = {"value": channel.natural(channel.value), "expected": channel.natural(channel.forecast)}
    flag = Flag.SUSPECT
    if kind is Evidence.STUCK:
        numbers["hours"] = round(channel.runs.run * interval / s.HOUR, 1)
        if channel.runs.stuck > _SURE * s.FACTORS[3] * channel.usual.levels[3]:
            flag = Flag.FAIL
    elif kind is Evidence.RETURN:
        numbers["days"] = channel.silence
    elif kind is Evidence.LEVEL:
        numbers["jump"] = channel.natural(channel.value) - channel.natural(channel.value - channel.offset)
    elif kind is Evidence.STEP and strange >= _MANY:
        kind = Evidence.TOGETHER
    if kind is Evidence.TOGETHER:
        numbers["count"] = strange
    assessment.judge(flag, Reason(_KEYS[kind], numbers))
