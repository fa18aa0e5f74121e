"""The one pipeline: live traffic, replay of recorded files and tests pass their samples through it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from gateway.alarms.engine import AlarmEngine
from gateway.detection import SlowChange
from gateway.observation import Assessment, Numbers, Observation, Pond, Stage
from vuong.readings import Sample

_LOG = logging.getLogger(__name__)

StageState = tuple[str, str, int, bytes]  # node, stage, position, state


class Pipeline:
    """Stages, then alarms.

    Parameters
    ----------
    gateway : id of the gateway
    nodes : node id → pond; every sample must be of one of them
    stages : the stages, in order (`gateway.stages.make_stages`)

    Attributes
    ----------
    derived : pond id → what was worked out from its last sample, with the sample's ``time``
    """

    def __init__(self, gateway: str, nodes: Mapping[str, Pond], stages: Sequence[Stage]) -> None:
        self._nodes = nodes
        self.stages = stages
        self.alarms = AlarmEngine(gateway, nodes)
        self.derived: dict[str, Numbers] = {}

    def take(self, sample: Sample, arrived: int) -> Observation:
        """Pass one new sample through stages and alarms; return what is said of it."""
        return self._pass(sample, arrived, (*self.stages, self.alarms))

    def learn(self, sample: Sample, arrived: int) -> Observation:
        """Pass a sample through the stages alone: after a restart, for what was stored after the last snapshot."""
        return self._pass(sample, arrived, self.stages)

    def _pass(self, sample: Sample, arrived: int, steps: Iterable[Stage | AlarmEngine]) -> Observation:
        observation = Observation(sample, self._nodes[sample.node], arrived)
        for step in steps:
            try:
                step.update(observation)
            except Exception:  # noqa: BLE001 - a mistake of ours in one test costs a pond neither its reading nor its alarms
                _LOG.exception("sample %s/%d/%d could not be judged by all tests", sample.node, sample.boot, sample.seq)
        if observation.derived:
            self.derived[observation.pond.id] = {"time": sample.time, **observation.derived}
        if len(observation.assessments) < len(sample.values):
            for name in sample.values:
                observation.assessments.setdefault(name, Assessment())
        return observation

    def note_hand_reading(self, node_or_pond: str, quantity: str, time: int, value: float) -> bool:
        """Compare what a person measured with the probes of a node, or of all nodes of a pond; any number of times, in any order.

        It is part of the next snapshot; what was noted since the last one is to be noted again after a restart.

        Parameters
        ----------
        node_or_pond : id of either; one that is not known is passed over
        time : UTC seconds at which it was measured
        value : in the quantity's unit

        Returns
        -------
        bool
            whether a probe of it was read within half an hour of `time`, in the last hours
        """
        nodes = [node for node, pond in self._nodes.items() if node_or_pond in {node, pond.id}]
        slow = [stage for stage in self.stages if isinstance(stage, SlowChange)]
        return max([stage.note_hand_reading(node, quantity, time, value) for stage in slow for node in nodes], default=False)

    def note_calibration(self, node: str, quantity: str, time: int, before: Sequence[float], after: Sequence[float]) -> None:
        """Take a probe's numbers before and after a calibration (an electrode of pH: slope in % first); as `note_hand_reading`.

        Parameters
        ----------
        node : id; one that is not known is passed over
        time : UTC seconds of the calibration
        before, after : as the node's own entry has them; empty where they are not known
        """
        if node in self._nodes:
            for stage in self.stages:
                if isinstance(stage, SlowChange):
                    stage.note_calibration(node, quantity, time, before, after)

    def snapshots(self, position: int) -> list[StageState]:
        """Return what every stage remembers of every node after the sample at `position`."""
        return [(node, type(stage).__name__, position, stage.snapshot(node)) for node in self._nodes for stage in self.stages]

    def restore(self, snapshots: Iterable[StageState], samples: Iterable[tuple[int, Sample, int]]) -> int:
        """Take snapshots back and learn from the samples stored after them; return how many those were."""
        by_name = {type(stage).__name__: stage for stage in self.stages}
        for node, name, _, state in snapshots:
            if state and name in by_name and node in self._nodes:
                try:
                    by_name[name].restore(node, state)
                except Exception:  # noqa: BLE001 - salvaged from a damaged file, or of an older version: it learns anew
                    _LOG.exception("what %s remembered of node %s cannot be used; it learns anew", name, node)
        count = 0
        for _, sample, arrived in samples:
            if sample.node in self._nodes:
                self.learn(sample, arrived)
                count += 1
        return count
