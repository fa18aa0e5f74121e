"""What shows only from day to day: a probe that drifts, and one that a film of slime cuts off from the water.

Once a local solar day has ended, its median and its swing (of hourly means) are compared with the days before:

- *fouling*: the swing of the last three days is a fraction of what it was, and the temperature's swing is not (a film damps the probe, clouds damp
  everything), nor is that of the ponds beside it;
- *drift*: the median went one way, day after day, further than it did in any like number of days before, and the ponds beside did not;
- *hand readings*: the probe lies off what a person measured beside it, twice in the same direction.

A finding is told on the readings of the hour after midnight, every day until it is over. Days of delay lie in the nature of it.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Final

from gateway.derived.slope import theil_sen
from gateway.observation import Observation, Pond, Reason
from vuong.flags import Flag
from vuong.quantities import QUANTITIES

VERSION: Final = 1
DAY: Final = 86400
HISTORY: Final = 45  # days kept
HOURS_NEEDED: Final = 18  # of a day, for it to count
RECENT: Final = 3  # days of the swing
BEFORE: Final = 14  # days that must lie before
DAMPED: Final = 0.25  # share of the earlier swing
SPARED: Final = 2.0  # times the share of the temperature, or of the neighbours, that the probe's own may reach
SPAN: Final = 6  # days of a drift
BEYOND: Final = 3.0  # times the largest change of as many days before
STEPS: Final = 25.0  # smallest drift, in resolutions of the probe
SUNLIT: Final = frozenset({"do", "ph"})  # quantities whose swing is the sun's, as the temperature's is
WANDERING: Final = frozenset({"turbidity", "depth"})  # quantities that may go one way for days
HAND: Final = 5.0  # resolutions by which a hand reading may differ
TOLD_FOR: Final = 3600  # s after midnight

Told = tuple[str, dict[str, float | int | str]]


class Days:
    """The days of one channel: medians and swings, and the day under way.

    Attributes
    ----------
    medians, swings : of the days that count, oldest first, in the quantity's unit
    """

    __slots__ = ("_counts", "_day", "_sums", "hand", "last", "medians", "swings", "told")

    def __init__(self) -> None:
        self._day = -1
        self._sums, self._counts = [0.0] * 24, [0.0] * 24
        self.medians: deque[float] = deque(maxlen=HISTORY)
        self.swings: deque[float] = deque(maxlen=HISTORY)
        self.hand: deque[float] = deque(maxlen=2)
        self.last = (0, 0.0)
        self.told: Told | None = None

    def take(self, local: float, value: float) -> bool:
        """Take a trusted value at local solar seconds; return whether a day that counts has just ended."""
        day, ended = int(local // DAY), False
        if day != self._day:
            ended = self._close()
            self._day, self._sums, self._counts = day, [0.0] * 24, [0.0] * 24
        hour = int(local % DAY // 3600)
        self._sums[hour] += value
        self._counts[hour] += 1.0
        return ended

    def _close(self) -> bool:
        means = [total / count for total, count in zip(self._sums, self._counts, strict=True) if count]
        if len(means) < HOURS_NEEDED:
            return False
        means.sort()
        self.medians.append(median(means))
        self.swings.append(means[-2] - means[1])  # one hour off at either end is not the day's swing
        return True

    def damping(self) -> float | None:
        """Return the swing of the last days as a share of the swing before; ``None`` where too few days are known."""
        swings = list(self.swings)
        if len(swings) < BEFORE + RECENT:
            return None
        before = median(swings[:-RECENT])
        return median(swings[-RECENT:]) / before if before > 0.0 else None

    def drift(self) -> tuple[float, float] | None:
        """Return the change of the last `SPAN` days, and the largest of as many days before; ``None`` where it went to and fro."""
        medians = list(self.medians)
        if len(medians) < BEFORE + SPAN + 1:
            return None
        recent = medians[-SPAN - 1 :]
        moves = [b - a for a, b in pairwise(recent)]
        slope = theil_sen(list(enumerate(recent)))
        if slope.low * slope.high <= 0.0 or min(sum(m > 0 for m in moves), sum(m < 0 for m in moves)) > 1:
            return None
        before = medians[:-SPAN]
        largest = max(abs(b - a) for a, b in zip(before, before[SPAN:], strict=False))
        return slope.middle * SPAN, largest

    def state(self) -> list[float]:
        """Return what is remembered."""
        series: Sequence[Sequence[float]] = (self.medians, self.swings, self.hand)
        return [self._day, *self.last, *self._sums, *self._counts, *(x for part in series for x in (len(part), *part))]

    def restore(self, state: list[float]) -> None:
        """Take back what `state` returned; what was told is worked out anew at the next midnight."""
        self._day, self.last = int(state[0]), (int(state[1]), state[2])
        self._sums, self._counts = state[3:27], state[27:51]
        at = 51
        for part in (self.medians, self.swings, self.hand):
            size = int(state[at])
            part.extend(state[at + 1 : at + 1 + size])
            at += size + 1


class SlowChange:
    """Tells of fouling and drift of every channel, and of its distance from hand readings.

    Parameters
    ----------
    ponds : node id → pond
    """

    def __init__(self, ponds: Mapping[str, Pond]) -> None:
        self._channels: dict[str, dict[str, Days]] = {}
        self._beside = {
            node: tuple(n for n, p in ponds.items() if n != node and (p.id == pond.id or p.id in pond.neighbours))
            for node, pond in ponds.items()
        }

    def update(self, observation: Observation) -> None:
        """Take the trusted readings of a sample; at the end of a day, compare it with those before."""
        sample = observation.sample
        if observation.maintenance:
            return
        channels = self._channels.get(sample.node)
        if channels is None:
            channels = self._channels[sample.node] = {}
        local = sample.time + observation.pond.longitude * 240.0
        for quantity, value in sample.values.items():
            assessment = observation.assessments[quantity]
            if assessment.flag is not Flag.GOOD:
                continue
            days = channels.get(quantity)
            if days is None:
                days = channels[quantity] = Days()
            if sample.time <= days.last[0]:
                continue
            days.last = (sample.time, value)
            if days.take(local, value):
                days.told = self._compare(sample.node, quantity, days)
            if days.told is not None and local % DAY < TOLD_FOR:
                key, numbers = days.told
                assessment.judge(Flag.SUSPECT, Reason(key, {"value": value, **numbers}))

    def _compare(self, node: str, quantity: str, days: Days) -> Told | None:
        """Return what the day that ended shows."""
        resolution = QUANTITIES[quantity].resolution
        off = self.off_hand(node, quantity)
        if off is not None:
            return "detection.hand", {"difference": off}
        damping = days.damping() if quantity in SUNLIT else None
        if damping is not None and damping < DAMPED and median(days.swings) > 5.0 * resolution:
            others = [d for d in self._other_dampings(node, quantity) if d is not None]
            if others and damping * SPARED < min(others):
                return "detection.fouling", {"share": f"{100.0 * damping:.0f}"}
        found = None if quantity in WANDERING else days.drift()
        if found is not None:
            change, largest = found
            if abs(change) > max(BEYOND * largest, STEPS * resolution) and not self._shared(node, quantity, change):
                return "detection.drift", {"difference": change, "days": SPAN}
        return None

    def _other_dampings(self, node: str, quantity: str) -> list[float | None]:
        """Return how much the swing of the temperature beside the probe, and of the same quantity in the ponds beside it, has changed."""
        own = self._channels[node]
        found = [own["temperature"].damping()] if quantity != "temperature" and "temperature" in own else []
        for other in self._beside.get(node, ()):
            days = self._channels.get(other, {}).get(quantity)
            if days is not None:
                found.append(days.damping())
        return found

    def _shared(self, node: str, quantity: str, change: float) -> bool:
        """Return whether a pond beside this one went at least half as far the same way."""
        for other in self._beside.get(node, ()):
            days = self._channels.get(other, {}).get(quantity)
            if days is not None and len(days.medians) > SPAN and (days.medians[-1] - days.medians[-SPAN - 1]) / change > 0.5:
                return True
        return False

    def note_hand_reading(self, node: str, quantity: str, time: int, value: float) -> None:
        """Take what a person measured beside the probe, if the probe was read within half an hour of it."""
        days = self._channels.get(node, {}).get(quantity)
        if days is not None and abs(days.last[0] - time) <= 1800:
            days.hand.append(days.last[1] - value)

    def off_hand(self, node: str, quantity: str) -> float | None:
        """Return how far the probe lies off the last two hand readings; ``None`` within tolerance or with fewer."""
        days = self._channels.get(node, {}).get(quantity)
        if days is None or len(days.hand) < 2:
            return None
        first, second = days.hand
        off = min(first, second, key=abs)
        return off if first * second > 0.0 and abs(off) > HAND * QUANTITIES[quantity].resolution else None

    def snapshot(self, node: str) -> bytes:
        """Return what is remembered of one node; empty where nothing is."""
        channels = self._channels.get(node)
        if not channels:
            return b""
        numbers: list[float] = []
        for days in channels.values():
            state = days.state()
            numbers += [len(state), *state]
        head = ",".join(channels).encode()
        return bytes([VERSION]) + len(head).to_bytes(2, "little") + head + struct.pack(f"<{len(numbers)}d", *numbers)

    def restore(self, node: str, state: bytes) -> None:
        """Take back what `snapshot` returned; one of another version is left aside."""
        if not state or state[0] != VERSION:
            return
        begin = 3 + int.from_bytes(state[1:3], "little")
        numbers = list(struct.unpack(f"<{(len(state) - begin) // 8}d", state[begin:]))
        at, channels = 0, self._channels.setdefault(node, {})
        for quantity in state[3:begin].decode().split(","):
            size = int(numbers[at])
            days = channels[quantity] = Days()
            days.restore(numbers[at + 1 : at + 1 + size])
            at += size + 1
