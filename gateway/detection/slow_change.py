"""What shows only from day to day: a probe that drifts, and one that a film of slime cuts off from the water.

Once a local solar day has ended, its median and its swing (of hourly means) are compared with the days before:

- *fouling*: the swing of the last three days is a fraction of what it was, and the temperature's swing is not (a film damps the probe, clouds damp
  everything), nor is that of the ponds beside it;
- *drift*: the median went one way, day after day, further than it did in any like number of days before, and the ponds beside did not;
- *hand readings*: the probe lies off what a person measured beside it, twice in the same direction, since it was last calibrated;
- *calibration*: the slope of an electrode falls from one calibration to the next, and will soon be too flat (`gateway.detection.calibration`).

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
from gateway.detection.calibration import SLOPES, WORN, days_left
from gateway.observation import Observation, Pond, Reason
from vuong.flags import Flag
from vuong.quantities import QUANTITIES

VERSION: Final = 2
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
# By how much a hand reading may differ, in the quantity's unit: a colour kit of pH has steps of 0.5, a refractometer of 1 ‰.
HAND: Final[dict[str, float]] = {"temperature": 0.7, "do": 0.7, "ph": 0.4, "salinity": 2.0, "conductivity": 3.0, "depth": 0.1}
BESIDE: Final = 1800  # s between a hand reading and the probe's
SPARSE: Final = 600  # s between two of the readings that are kept for hand readings entered later
KEPT: Final = 24  # of them: four hours
RENEWED: Final = 5.0  # % by which the slope of an electrode rises only where a new one was put in
NOTICE: Final = 30.0  # days before an electrode is worn from which it is told
TOLD_FOR: Final = 3600  # s after midnight

Told = tuple[str, dict[str, float | int | str]]


class Days:
    """The days of one channel: medians and swings, and the day under way.

    Attributes
    ----------
    medians, swings : of the days that count, oldest first, in the quantity's unit
    hand : time of a hand reading, and how far the probe lay off it
    slopes : time of a calibration, and the slope that it found in % of Nernst's
    recent : time and value of the last hours' trusted readings, `SPARSE` apart
    """

    __slots__ = ("_counts", "_day", "_sums", "hand", "last", "medians", "recent", "slopes", "swings", "told")

    def __init__(self) -> None:
        self._day = -1
        self._sums, self._counts = [0.0] * 24, [0.0] * 24
        self.medians: deque[float] = deque(maxlen=HISTORY)
        self.swings: deque[float] = deque(maxlen=HISTORY)
        self.hand: list[tuple[int, float]] = []
        self.slopes: list[tuple[int, float]] = []
        self.recent: deque[tuple[int, float]] = deque(maxlen=KEPT)
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
        if not self.recent or self.last[0] - self.recent[-1][0] >= SPARSE:
            self.recent.append(self.last)
        return ended

    def beside(self, time: int) -> float | None:
        """Return what the probe read within half an hour of `time`; ``None`` where it was not read, or longer ago than is kept."""
        found = min((self.last, *self.recent), key=lambda reading: abs(reading[0] - time))
        return found[1] if abs(found[0] - time) <= BESIDE else None

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
        pairs: Sequence[Sequence[tuple[int, float]]] = (self.hand, self.slopes, self.recent)
        numbers = [self._day, *self.last, *self._sums, *self._counts]
        for part in (self.medians, self.swings):
            numbers += [len(part), *part]
        for readings in pairs:
            numbers += [len(readings), *(number for reading in readings for number in reading)]
        return numbers

    def restore(self, state: list[float]) -> None:
        """Take back what `state` returned; what was told is worked out anew at the next midnight."""
        self._day, self.last = int(state[0]), (int(state[1]), state[2])
        self._sums, self._counts = state[3:27], state[27:51]
        at = 51
        for part in (self.medians, self.swings):
            size = int(state[at])
            part.extend(state[at + 1 : at + 1 + size])
            at += size + 1
        pairs: Sequence[list[tuple[int, float]] | deque[tuple[int, float]]] = (self.hand, self.slopes, self.recent)
        for readings in pairs:
            size = int(state[at])
            readings.extend((int(state[i]), state[i + 1]) for i in range(at + 1, at + 1 + 2 * size, 2))
            at += 2 * size + 1


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
        left = days_left(days.slopes)
        if left is not None and left < NOTICE:
            return "detection.calibration", {"slope": f"{days.slopes[-1][1]:.0f}", "limit": f"{WORN:.0f}", "days": f"{left:.0f}"}
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

    def note_hand_reading(self, node: str, quantity: str, time: int, value: float) -> bool:
        """Take what a person measured beside the probe, any number of times.

        Returns
        -------
        bool
            whether the probe was read within half an hour of it, in the last hours
        """
        days = self._channels.get(node, {}).get(quantity)
        beside = None if days is None else days.beside(time)
        if days is None or beside is None:
            return False
        days.hand = sorted({**dict(days.hand), time: beside - value}.items())[-2:]
        return True

    def note_calibration(self, node: str, quantity: str, time: int, before: Sequence[float], after: Sequence[float]) -> None:
        """Take the numbers of a probe before and after a calibration, any number of times, in any order.

        Hand readings from before it count no more, unless it left the numbers as they were. The slope of an electrode is kept from calibration to
        calibration.
        """
        days = self._channels.setdefault(node, {}).setdefault(quantity, Days())
        if not after or list(before) != list(after):
            days.hand = [reading for reading in days.hand if reading[0] > time]
            days.recent = deque((r for r in days.recent if r[0] > time), maxlen=KEPT)
        if quantity in SLOPES and after:
            slopes = sorted({**dict(days.slopes), time: float(after[0])}.items())[-HISTORY:]
            new = [at for at, (a, b) in enumerate(pairwise(slopes), 1) if b[1] - a[1] > RENEWED]
            days.slopes = slopes[new[-1] :] if new else slopes

    def off_hand(self, node: str, quantity: str) -> float | None:
        """Return how far the probe lies off the last two hand readings; ``None`` within tolerance or with fewer."""
        days = self._channels.get(node, {}).get(quantity)
        if days is None or len(days.hand) < 2:
            return None
        (_, first), (_, second) = days.hand
        off = min(first, second, key=abs)
        return off if first * second > 0.0 and abs(off) > HAND.get(quantity, 5.0 * QUANTITIES[quantity].resolution) else None

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
