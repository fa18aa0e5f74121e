"""One quantity of one node: forecast, noise, and the evidence that a value is not of the water.

Values are compared with a forecast of the channel's own making: the last trusted value plus an increment that a normalised least-mean-squares filter
(Widrow & Hoff 1960; Haykin, *Adaptive Filter Theory*, ch. 7) predicts from the last increments, the distance from the day's mean and two harmonics of
the day. The forecast error is measured in units of the channel's noise. Five kinds of evidence are made of it:

step       the error of this value
excursion  one to four values that left and came back (the opposite of a front, which stays)
burst      mean error of the last six values
stuck      how unlikely the run of equal values is, in nats, from how often this channel repeats itself at this hour and in these days
together   made by `gateway.detection.node` out of the steps of all quantities

Each is compared with its own *usual level*: what this channel itself passes about once in `EVERY` days. A usual level rises by a fixed share at each
pass, however large, so that no fault can teach much; it falls slowly in between (a Robbins-Monro quantile in logarithmic steps).
After a jump the values are followed with the jump taken off, so that the forecast of the healthy level moves with the water and is not learned from
the faulty probe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import exp, log, sqrt
from typing import Final

from gateway.detection import settings as s


class Evidence(IntEnum):
    """Kinds of evidence; the first six have a usual level."""

    STEP = 0
    EXCURSION = 1
    BURST = 2
    STUCK = 3
    HOLD = 4
    TOGETHER = 5
    LEVEL = 6
    IMPLAUSIBLE = 7


@dataclass(frozen=True, slots=True)
class Day:
    """Where a moment lies in the day: two harmonics of local solar time, and the hour."""

    sin1: float
    cos1: float
    sin2: float
    cos2: float
    hour: int


_NEVER = -1e18
_LOG_LOW, _LOG_HIGH = -log(0.03), -log(0.97)


class Channel:
    """What is known of one quantity of one node.

    Parameters
    ----------
    quantity : name in the table of quantities

    Attributes
    ----------
    step : error of the latest value in units of noise; evidence of kind `Evidence.STEP`
    forecast : of the latest value, in its own scale (`natural` gives the unit back)
    offset : jump that has been taken off, 0 where the level is trusted
    """

    __slots__ = (
        "anchor",
        "bad",
        "burst",
        "c1",
        "c2",
        "c3",
        "c4",
        "calm",
        "count",
        "days_noise",
        "dt",
        "error",
        "excursion",
        "forecast",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "hours_noise",
        "implausible",
        "impossible",
        "increment",
        "jumped",
        "level",
        "log",
        "long_noise",
        "noise",
        "offset",
        "one_sided",
        "passed",
        "pulses",
        "quantity",
        "raw",
        "repeat",
        "repeat_hour",
        "ring",
        "run",
        "step",
        "stuck",
        "time",
        "usual",
        "value",
        "was_flat",
        "weights",
        "x",
    )  # fmt: skip

    def __init__(self, quantity: str) -> None:
        self.quantity = quantity
        self.log = quantity == "turbidity"  # its noise grows with it
        self.one_sided = quantity in {"conductivity", "salinity"}
        self.pulses = s.PULSES.get(quantity, 1.0)
        self.implausible = s.IMPLAUSIBLE.get(quantity, 1e30)
        self.time = 0
        self.anchor = True  # the next value is taken as it is
        self.value = self.raw = self.forecast = self.increment = self.error = 0.0
        self.c1 = self.c2 = self.c3 = self.c4 = self.level = 0.0
        self.h1 = self.h2 = self.h3 = self.h4 = self.h5 = 0.0
        self.dt = 1.0
        self.weights = [0.0] * 8
        self.x = [0.0] * 8
        self.long_noise = self.days_noise = self.hours_noise = self.noise = 0.0
        self.count = 0
        self.offset = 0.0
        self.bad = self.calm = 0
        self.impossible = self.jumped = False
        self.ring = [0.0] * 6
        self.run = 0
        self.stuck = 0.0
        self.repeat = 0.3
        self.repeat_hour = [0.3] * 24
        self.was_flat = False
        self.step = self.excursion = self.burst = 0.0
        self.usual = [0.0] * 6
        self.passed = [_NEVER] * 6

    def natural(self, scaled: float) -> float:
        """Return a value of the channel's scale in the quantity's unit."""
        return exp(min(scaled, 50.0)) - 1.0 if self.log else scaled

    def _restart(self, time: int, raw: float, value: float) -> None:
        """Take the level anew; what is known of noise and day stays."""
        if self.count == 0 and self.time == 0:
            self.level = value
        self.c1 = self.c2 = self.c3 = self.c4 = value
        self.h1 = self.h2 = self.h3 = self.h4 = self.h5 = value
        self.raw, self.value, self.time = raw, value, time
        self.bad = self.calm = self.run = 0
        self.offset = self.stuck = 0.0
        self.anchor = False

    def look(self, time: int, raw: float, day: Day, interval: float) -> bool:
        """Compare a value with its forecast; return whether there was one.

        Parameters
        ----------
        time : UTC seconds, later than the last
        raw : the value in the quantity's unit, inside the physical range
        day : of `time`
        interval : seconds between two samples of this node
        """
        value = log(max(raw, 0.0) + 1.0) if self.log else raw
        gap = (time - self.time) / interval
        per = s.DAY / interval
        if self.anchor or gap > per / 2.0:
            self._restart(time, raw, value)
            return False
        self.dt = gap
        c1 = self.c1
        scale = self.long_noise if self.long_noise > 1e-9 else 1e-9
        a, b, c, d = (
            (c1 - self.c2) / scale,
            (self.c2 - self.c3) / scale,
            (self.c3 - self.c4) / scale,
            (c1 - self.level) / scale * 0.05,
        )
        if not -20.0 < a < 20.0:
            a = 20.0 if a > 0 else -20.0
        if not -20.0 < b < 20.0:
            b = 20.0 if b > 0 else -20.0
        if not -20.0 < c < 20.0:
            c = 20.0 if c > 0 else -20.0
        if not -20.0 < d < 20.0:
            d = 20.0 if d > 0 else -20.0
        self.x = [a, b, c, d, day.sin1, day.cos1, day.sin2, day.cos2]
        if self.count < per:
            increment = 0.0
        else:
            w = self.weights
            increment = (
                w[0] * a + w[1] * b + w[2] * c + w[3] * d
                + w[4] * day.sin1 + w[5] * day.cos1 + w[6] * day.sin2 + w[7] * day.cos2
            )  # fmt: skip
            increment = (6.0 if increment > 6.0 else -6.0 if increment < -6.0 else increment) * scale
        self.increment, self.forecast = increment, c1 + increment
        error = self.error = value - self.offset - c1 - increment
        local = self.days_noise if self.days_noise > self.hours_noise else self.hours_noise
        floor = s.NOISE_FLOOR * self.long_noise
        noise = self.noise = (local if local > floor else floor) + 1e-9
        size = (error if error > 0 else -error) / noise
        if gap > 1.0:
            widening = sqrt(1.0 + s.WIDEN * (gap - 1.0))
            size /= widening if widening < 4.0 else 4.0
        if self.one_sided and error > 0:
            size /= s.RISE
        self.step = size
        self.excursion = self._excursion(value, local)
        threshold = s.FACTORS[0] * self.usual[0]
        ring = self.ring
        ring.pop(0)
        ring.append(size if size < threshold else threshold)
        self.burst = sum(ring) / 6.0
        self._repeats(raw, day.hour)
        self.value = value
        return True

    def _excursion(self, value: float, local: float) -> float:
        """Return how far the last one to four values lay off the straight line from the value before them to this one, in units of noise."""
        h1, h2, h3, h4, h5 = self.h1, self.h2, self.h3, self.h4, self.h5
        best = 0.0
        d1 = h1 - (value + h2) * 0.5
        up = d1 > 0
        moved = value - h2
        size = (d1 if up else -d1) - 0.5 * (moved if moved > 0 else -moved)
        best = size if size > 0 else 0.0
        # two values out
        d1, d2 = h1 - (2.0 * value + h3) / 3.0, h2 - (value + 2.0 * h3) / 3.0
        if (d1 > 0) == (d2 > 0):
            size = min(abs(d1), abs(d2)) - 0.5 * abs(value - h3)
            if size > best:
                best, up = size, d1 > 0
        # three
        d1, d2, d3 = h1 - (3.0 * value + h4) * 0.25, h2 - (value + h4) * 0.5, h3 - (value + 3.0 * h4) * 0.25
        if (d1 > 0) == (d2 > 0) == (d3 > 0):
            size = min(abs(d1), abs(d2), abs(d3)) - 0.5 * abs(value - h4)
            if size > best:
                best, up = size, d1 > 0
        # four
        d1, d2 = h1 - (4.0 * value + h5) * 0.2, h2 - (3.0 * value + 2.0 * h5) * 0.2
        d3, d4 = h3 - (2.0 * value + 3.0 * h5) * 0.2, h4 - (value + 4.0 * h5) * 0.2
        if (d1 > 0) == (d2 > 0) == (d3 > 0) == (d4 > 0):
            size = min(abs(d1), abs(d2), abs(d3), abs(d4)) - 0.5 * abs(value - h5)
            if size > best:
                best, up = size, d1 > 0
        if self.one_sided and up:
            best /= s.RISE
        stepped = value - h1
        self.impossible = best > s.EXCURSION_SHARE * self.implausible or abs(stepped) > s.STEP_SHARE * self.implausible
        self.h5, self.h4, self.h3, self.h2, self.h1 = h4, h3, h2, h1, value
        floor = s.NOISE_FLOOR_SPIKE * self.long_noise
        return best / ((local if local > floor else floor) + 1e-9)

    def _repeats(self, raw: float, hour: int) -> None:
        """Count a run of equal values, and how unlikely it is."""
        if raw == self.raw:
            self.run += 1
            often = self.repeat if self.repeat > self.repeat_hour[hour] else self.repeat_hour[hour]
            self.stuck += _LOG_LOW if often < 0.03 else _LOG_HIGH if often > 0.97 else -log(often)
            repeated = 1.0
        else:
            self.run, self.stuck, repeated = 0, 0.0, 0.0
        if self.run <= s.LEARNABLE_RUN:
            self.repeat_hour[hour] += (repeated - self.repeat_hour[hour]) / s.REPEAT_MEMORY_HOUR

    def surprise_of_run(self) -> float:
        """Return how unlikely it is, in nats, that this value repeats the last ones (three at most); learns how often values repeat."""
        repeat = self.repeat
        if self.run <= s.LEARNABLE_RUN:
            self.repeat = repeat + ((1.0 if self.run else 0.0) - repeat) / s.REPEAT_MEMORY
        if not self.run:
            return 0.0
        return -(self.run if self.run < 3 else 3) * log(repeat if repeat > 0.02 else 0.02)

    def share(self) -> float:
        """Return the latest error as a multiple of its usual level, 3 at most."""
        usual = self.usual[0]
        if usual <= 0.0:
            return 0.0
        return self.step / usual if self.step < 3.0 * usual else 3.0

    def judge(self, hold: float, together: float, interval: float, *, excused: bool) -> tuple[Evidence | None, float]:
        """Weigh the evidence of the latest value and learn from it; return the kind that passed, and the largest evidence over its threshold.

        Parameters
        ----------
        hold, together : evidence of the whole node, 0 where this channel takes no part
        interval : seconds between two samples
        excused : another probe agrees with this one that the water did move
        """
        per = s.DAY / interval
        evidence = (self.step, self.excursion, self.burst, self.stuck, hold, together)
        found, score = (None, 0.0) if self.count <= s.WARM_UP_DAYS * per else self._weigh(evidence, interval, excused=excused)
        step_found = score > 1.0 and self.jumped
        self._settle(evidence, interval, per)
        if found is None and self.impossible:
            found, score = Evidence.IMPLAUSIBLE, max(score, 1.0)
        was_bad = self.bad > 0
        self._follow(found, step_found, interval, per)
        if was_bad and self.bad and found is None:
            found, score = Evidence.LEVEL, max(score, 1.0)
        return found, score

    def _weigh(self, evidence: tuple[float, ...], interval: float, *, excused: bool) -> tuple[Evidence | None, float]:
        """Compare every evidence with its threshold."""
        found: Evidence | None = None
        score = 0.0
        self.jumped = False
        usual, factors = self.usual, s.FACTORS
        for kind in range(6):
            level = usual[kind]
            if level <= 0.0:
                continue
            ratio = evidence[kind] / (factors[kind] * level)
            if kind == 1:
                ratio /= self.pulses
            if ratio <= score and ratio <= 1.0:
                continue
            if kind == 3 and self.run * interval < s.STUCK_HOURS * s.HOUR:
                continue
            if (excused and kind not in {3, 4}) or (kind == 0 and self.was_flat):
                continue
            score = max(score, ratio)
            if ratio > 1.0:
                found = Evidence(kind) if found is None else found
                self.jumped = self.jumped or kind in {0, 5}
        return found, score

    def _settle(self, evidence: tuple[float, ...], interval: float, per: float) -> None:
        """Learn what is usual of every evidence; while a jump is followed, of runs alone."""
        usual, passed, factors, count = self.usual, self.passed, s.FACTORS, self.count
        now = self.time + self.dt * interval
        pace = 3.0 if count < s.FIRST_WEEK * per else 1.0
        decay = 1.0 - pace * s.GROWTH / (s.EVERY * per)
        brief = 1.0 - pace * s.GROWTH / (s.EVERY_BRIEF * per)
        for kind in (3, 4) if self.bad else range(6):
            size, level = evidence[kind], usual[kind]
            if size > level:
                if count < per / 2.0:
                    level = 0.0
                elif count < 3.0 * per:
                    level = min(size, max(level * 1.5, s.CAPS[kind]))
                elif (kind in {1, 2} or size < s.FAR * factors[kind] * level) and now - passed[kind] > s.CLUSTER_HOURS * s.HOUR:
                    level *= 1.0 + pace * s.GROWTH
                    passed[kind] = now
            elif count >= per:
                level *= brief if kind in {1, 2} else decay
            usual[kind] = level if level > s.FLOORS[kind] else s.FLOORS[kind]

    def _follow(self, found: Evidence | None, step_found: bool, interval: float, per: float) -> None:
        """Take the value as the next trusted one, or keep the jump off it."""
        value = self.value
        if self.bad:
            self._follow_jump(interval)
        elif step_found:
            self.bad, self.calm, self.offset = 1, 0, self.error
            self._shift(self.forecast)
        else:
            self._shift(value)
            flat = found is Evidence.STUCK or found is Evidence.HOLD
            if not flat:
                self.level += (value - self.level) / per
            self.was_flat = flat
            self._learn(per, noise=not flat, model=found is None)

    def _shift(self, value: float) -> None:
        self.c4, self.c3, self.c2, self.c1 = self.c3, self.c2, self.c1, value

    def _follow_jump(self, interval: float) -> None:
        """Go on with the jump taken off until the values come back, or have behaved for so long that the level is accepted."""
        value, threshold = self.value, s.FACTORS[0] * self.usual[0]
        tolerance = s.BACK * threshold * self.noise * sqrt(1.0 + s.WIDEN * (self.bad if self.bad < 32 else 32))
        away = value - self.forecast
        if -tolerance <= away <= tolerance:
            self.offset, self.bad = 0.0, 0
            self.c1 = self.c2 = self.c3 = self.c4 = value
            return
        self.bad += 1
        if self.step > threshold:
            self.offset += self.error
            self.calm = 0
        elif self.run <= max(self.usual[3], 4.0):
            self.calm += 1
        self._shift(value - self.offset)
        if self.calm * interval >= s.ACCEPT_HOURS * s.HOUR:
            self.accept_level()

    def accept_level(self) -> None:
        """Take the present level for the water's own."""
        shift = self.offset
        self.c1 += shift
        self.c2 += shift
        self.c3 += shift
        self.c4 += shift
        self.level += shift
        self.offset, self.bad, self.calm = 0.0, 0, 0
        self.ring = [0.0] * 6

    def _learn(self, per: float, *, noise: bool, model: bool) -> None:
        """Learn noise and model from a trusted value that came in time."""
        if self.dt >= 1.5:
            return
        size = abs(self.error)
        if self.count >= per and noise:
            clipped = size if size < 3.0 * self.noise else 3.0 * self.noise
            self.days_noise += (clipped - self.days_noise) / (per * s.NOISE_DAYS)
            self.hours_noise += (clipped - self.hours_noise) / max(1.0, s.NOISE_HOURS / 24.0 * per)
        if not model:
            return
        self.count += 1
        if self.count < per:
            self.long_noise += (size - self.long_noise) / self.count
            self.days_noise = self.hours_noise = self.long_noise
        else:
            limit = 6.0 * self.long_noise
            self.long_noise += ((size if size < limit else limit) - self.long_noise) / (per * s.NOISE_MONTHS_DAYS)
        if self.count > 8 and self.long_noise > 0.0:
            error = self.error / self.long_noise
            x = self.x
            a, b, c, d = x[0], x[1], x[2], x[3]
            gain = (
                s.LEARNING
                * (3.0 if error > 3.0 else -3.0 if error < -3.0 else error)
                / (1.0 + a * a + b * b + c * c + d * d + 2.0)
            )
            self.weights = [w + gain * v for w, v in zip(self.weights, x, strict=True)]

    def close(self, time: int, raw: float) -> None:
        """Make the latest value the last one."""
        self.time, self.raw = time, raw

    def state(self) -> list[float]:
        """Return everything that is remembered as numbers, as `restore` takes them."""
        numbers: list[float] = []
        for name, _, _ in _KEPT:
            value = getattr(self, name)
            if isinstance(value, list):
                numbers += value
            else:
                numbers.append(value)
        return numbers

    def restore(self, numbers: Sequence[float]) -> None:
        """Take back what `state` returned."""
        at = 0
        for name, kind, length in _KEPT:
            if length:
                setattr(self, name, [float(v) for v in numbers[at : at + length]])
            else:
                setattr(self, name, kind(numbers[at]))
            at += length or 1


def _kept() -> tuple[tuple[str, type, int], ...]:
    """Return name, type and length (0 of a single number) of every attribute that is remembered."""
    blank, found = Channel("do"), []
    for name in Channel.__slots__:
        value = getattr(blank, name)
        if name not in {"quantity", "log", "one_sided", "implausible", "pulses"}:
            found.append((name, type(value), len(value) if isinstance(value, list) else 0))
    return tuple(found)


_KEPT = _kept()
NUMBERS: Final = len(Channel("do").state())
