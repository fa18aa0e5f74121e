"""The stage of quality control: every reading through the tests of QARTOD, one after the other; the worst flag wins.

Tests with a state are run only on readings that are later than the node's last one; one out of a backlog gets syntax and gross range.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, Protocol

from gateway.observation import Assessment, Numbers, Observation, Pond, Reason
from gateway.quality import gross_range, neighbour, rate_of_change, spike, syntax
from gateway.quality.attenuated_signal import AttenuatedSignal
from gateway.quality.climatology import Climatology
from gateway.quality.flat_line import FlatLine
from gateway.quality.gap import Gap
from gateway.quality.interval import Interval
from gateway.quality.multivariate import Multivariate
from gateway.quality.neighbour import Neighbour
from gateway.quality.rate_of_change import RateOfChange
from gateway.quality.spike import Spike
from vuong.flags import Flag
from vuong.quantities import QUANTITIES

VERSION: Final = 1  # of a snapshot: raise it when a test remembers something else
WINDOW: Final = 96 * 3600  # s, of the attenuated signal
_HOURLY: Final = frozenset({"temperature", "do", "ph"})  # quantities that the sun rules; rain and tide rule the others
_FLAT_SHARE: Final = 0.5  # of the smallest step on the wire: only equal values are a flat line


class _Stateful(Protocol):
    def state(self) -> list[float]: ...
    def restore(self, state: list[float]) -> None: ...


class _Channel:
    """The tests of one quantity of one node."""

    __slots__ = ("attenuated", "climatology", "flat", "gap", "neighbour", "rate", "spike")

    def __init__(self, quantity: str) -> None:
        row = QUANTITIES[quantity]
        step = 10.0**-row.digits
        self.gap = Gap()
        self.spike = Spike(*spike.THRESHOLDS[quantity])
        self.rate = RateOfChange(rate_of_change.THRESHOLDS[quantity])
        self.flat = FlatLine(_FLAT_SHARE * step)
        self.attenuated = AttenuatedSignal(1.5 * step, _FLAT_SHARE * step, WINDOW)
        self.climatology = Climatology(row.resolution)
        self.neighbour = Neighbour(row.resolution)

    def tests(self) -> tuple[_Stateful, ...]:
        """Return the tests that remember something, in the order of a snapshot."""
        return self.gap, self.spike, self.rate, self.flat, self.attenuated, self.climatology, self.neighbour


class _Node:
    __slots__ = ("channels", "interval", "multivariate")

    def __init__(self) -> None:
        self.interval = Interval()
        self.multivariate = Multivariate()
        self.channels: dict[str, _Channel] = {}


class QualityControl:
    """Gives every reading its assessment.

    Parameters
    ----------
    ponds : node id → pond, for the neighbour test
    """

    def __init__(self, ponds: Mapping[str, Pond]) -> None:
        self._nodes: dict[str, _Node] = {}
        by_pond: dict[str, list[str]] = {}
        for node, pond in ponds.items():
            by_pond.setdefault(pond.id, []).append(node)
        # nodes of the same pond and of the ponds beside it on the canal
        self._neighbours = {
            node: tuple(other for p in (pond.id, *pond.neighbours) for other in by_pond.get(p, ()) if other != node)
            for node, pond in ponds.items()
        }
        self._latest: dict[str, tuple[int, dict[str, float]]] = {}

    def update(self, observation: Observation) -> None:
        """Judge all readings of a sample."""
        sample, assessments = observation.sample, observation.assessments
        time, arrived = sample.time, observation.arrived
        usable: dict[str, float] = {}
        for quantity, value in sample.values.items():
            assessment = assessments.get(quantity)
            if assessment is None:
                assessment = assessments[quantity] = Assessment()
            flag = syntax.check(quantity, value, time, arrived)
            if flag is not Flag.GOOD:
                assessment.judge(flag, Reason("quality.syntax" if flag is Flag.FAIL else "quality.gap"))
                continue
            span = gross_range.RANGES[quantity]
            flag = gross_range.check(value, span)
            if flag is Flag.GOOD:
                assessment.judge(Flag.GOOD)
                usable[quantity] = value
            else:
                assessment.score = 1.0
                assessment.judge(flag, Reason("physical_range", {"value": value, "low": span[0], "high": span[1]}))
        node = self._nodes.get(sample.node)
        if node is None:
            node = self._nodes[sample.node] = _Node()
        if time <= node.interval.last or observation.maintenance:
            return
        self._series(observation, node, usable)

    def _series(self, observation: Observation, node: _Node, usable: dict[str, float]) -> None:
        """Run the tests that know what came before."""
        sample, assessments = observation.sample, observation.assessments
        time = sample.time
        interval = node.interval.take(time)
        hour = int((time + observation.pond.longitude * 240.0) % 86400.0 // 3600.0)
        share = interval / 3600.0
        neighbours = self._neighbours.get(sample.node, ())
        for quantity, value in usable.items():
            channel = node.channels.get(quantity)
            if channel is None:
                channel = node.channels[quantity] = _Channel(quantity)
            assessment = assessments[quantity]
            channel.gap.check(time, value, interval)
            flag = channel.spike.check(value)
            bad = False
            if flag is Flag.SUSPECT or flag is Flag.FAIL:
                assessment.judge(Flag.SUSPECT, Reason("quality.spike", {"height": channel.spike.height}))
            if channel.rate.check(time, value) is Flag.SUSPECT:
                bad = True
                assessment.judge(Flag.SUSPECT, Reason("quality.rate_of_change", {"value": value, "rate": channel.rate.rate}))
            flag = channel.flat.check(time, value)
            if flag is not Flag.GOOD:
                bad = True
                assessment.judge(flag, Reason("quality.flat_line", {"value": value, "hours": channel.flat.seconds(time) // 3600}))
            flag = channel.attenuated.check(time, value)
            if (flag is Flag.SUSPECT or flag is Flag.FAIL) and not bad:
                assessment.judge(Flag.SUSPECT, Reason("quality.attenuated_signal", {"range": channel.attenuated.range}))
            if quantity in _HOURLY and channel.climatology.check(hour, value, share, learn=not bad) is Flag.SUSPECT:
                numbers: Numbers = {"value": value, "expected": channel.climatology.expected, "hour": hour}
                assessment.judge(Flag.SUSPECT, Reason("quality.climatology", numbers))
            if neighbours:
                self._compare(channel, quantity, value, time, neighbours, assessment)
        if "salinity" in usable and "conductivity" in usable:
            self._salts(observation, node, usable)
        if neighbours:
            self._latest[sample.node] = (time, usable)

    def _compare(
        self, channel: _Channel, quantity: str, value: float, time: int, neighbours: tuple[str, ...], assessment: Assessment
    ) -> None:
        """Run the neighbour test against the mean of what the neighbours sent lately."""
        total, count = 0.0, 0
        for other in neighbours:
            when, values = self._latest.get(other, (0, {}))
            if quantity in values and abs(time - when) <= neighbour.FRESH:
                total += values[quantity]
                count += 1
        if count and channel.neighbour.check(value, total / count) is Flag.SUSPECT:
            numbers: Numbers = {"value": value, "difference": channel.neighbour.difference}
            assessment.judge(Flag.SUSPECT, Reason("quality.neighbour", numbers))

    def _salts(self, observation: Observation, node: _Node, usable: dict[str, float]) -> None:
        """Run the multivariate test; a pair that agrees tells the detector that a move was the water's."""
        test = node.multivariate
        flag = test.check(observation.sample.time, usable["salinity"], usable["conductivity"], usable.get("temperature"))
        if flag is Flag.SUSPECT:
            for quantity in ("salinity", "conductivity"):
                numbers: Numbers = {"value": usable[quantity], "difference": test.difference}
                observation.assessments[quantity].judge(Flag.SUSPECT, Reason("quality.multivariate", numbers))
        elif test.confirmed:
            observation.derived["salinity_confirmed"] = 1

    def snapshot(self, node: str) -> bytes:
        """Return what is remembered of one node; empty where nothing is."""
        found = self._nodes.get(node)
        if found is None:
            return b""
        numbers: list[float] = []
        latest, values = self._latest.get(node, (0, {}))
        parts: list[tuple[str, list[float]]] = [("", found.interval.state()), ("", found.multivariate.state())]
        parts += [(q, test.state()) for q, channel in found.channels.items() for test in channel.tests()]
        parts += [(q, [latest, value]) for q, value in values.items()]
        for _, state in parts:
            numbers.append(len(state))
            numbers += state
        names = ",".join(found.channels) + ";" + ",".join(values)
        head = names.encode()
        return bytes([VERSION]) + len(head).to_bytes(2, "little") + head + struct.pack(f"<{len(numbers)}d", *numbers)

    def restore(self, node: str, state: bytes) -> None:
        """Take back what `snapshot` returned; one of another version is left aside and learned anew."""
        if not state or state[0] != VERSION:
            return
        begin = 3 + int.from_bytes(state[1:3], "little")
        names, latest = state[3:begin].decode().split(";")
        numbers = list(struct.unpack(f"<{(len(state) - begin) // 8}d", state[begin:]))
        at = 0

        def part() -> list[float]:
            nonlocal at
            size = int(numbers[at])
            at += size + 1
            return numbers[at - size : at]

        found = self._nodes[node] = _Node()
        found.interval.restore(part())
        found.multivariate.restore(part())
        for quantity in filter(None, names.split(",")):
            channel = found.channels[quantity] = _Channel(quantity)
            for test in channel.tests():
                test.restore(part())
        pairs = {quantity: part() for quantity in filter(None, latest.split(","))}
        if pairs:
            self._latest[node] = (int(next(iter(pairs.values()))[0]), {q: pair[1] for q, pair in pairs.items()})
