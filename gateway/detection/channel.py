"""One quantity of one node: forecast, noise, and the evidence that a value is not of the water.

Values are compared with a forecast of the channel's own making: the last trusted value plus an increment that a normalised least-mean-squares filter
(Widrow & Hoff 1960; Haykin, *Adaptive Filter Theory*, ch. 7) predicts from the last increments, the distance from the day's mean and two harmonics of
the day. The forecast error is measured in units of the channel's noise. Five kinds of evidence are made of it:

step       the error of this value
excursion  one to four values that left and came back (the opposite of a front, which stays); `gateway.detection.shape`
burst      how far the last eight steps turned back on themselves
stuck      how unlikely the run of equal values is, in nats; `gateway.detection.repeats`
together   made by `gateway.detection.node` out of the steps of all quantities

Each is compared with its own *usual level* (`gateway.detection.evidence`).
After a jump the values are followed with the jump taken off, so that the forecast of the healthy level moves with the water and is not learned from
the faulty probe.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log, sqrt

from gateway.detection import settings as s
from gateway.detection.evidence import Evidence, Usual
from gateway.detection.remembered import Remembered
from gateway.detection.repeats import Repeats
from gateway.detection.shape import Shape
from vuong.quantities import QUANTITIES


@dataclass(frozen=True, slots=True)
class Day:
    """Where a moment lies in the day: two harmonics of local solar time, and the hour."""

    sin1: float
    cos1: float
    sin2: float
    cos2: float
    hour: int


class Channel(Remembered):
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
        "back",
        "bad",
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
        "floor",
        "forecast",
        "hours_noise",
        "implausible",
        "increment",
        "level",
        "log",
        "long_noise",
        "noise",
        "offset",
        "one_sided",
        "quantity",
        "raw",
        "runs",
        "shape",
        "silence",
        "step",
        "time",
        "usual",
        "value",
        "was_flat",
        "weights",
        "x",
    )  # fmt: skip
    fixed = frozenset({"quantity", "log", "one_sided", "implausible", "floor"})

    def __init__(self, quantity: str) -> None:
        self.quantity = quantity
        self.log = quantity == "turbidity"  # its noise grows with it
        self.one_sided = quantity in s.SALTS
        self.implausible = s.IMPLAUSIBLE.get(quantity, 1e30)
        self.floor = -1e30 if quantity in s.FLOORLESS else QUANTITIES[quantity].low
        self.time = 0
        self.anchor = True  # the next value is taken as it is
        self.back = self.silence = 0
        self.value = self.raw = self.forecast = self.increment = self.error = 0.0
        self.c1 = self.c2 = self.c3 = self.c4 = self.level = 0.0
        self.dt = 1.0
        self.weights = [0.0] * 8
        self.x = [0.0] * 8
        self.long_noise = self.days_noise = self.hours_noise = self.noise = 0.0
        self.count = 0
        self.offset = 0.0
        self.bad = self.calm = 0
        self.was_flat = False
        self.step = self.excursion = 0.0
        self.shape = Shape()
        self.runs = Repeats()
        self.usual = Usual(quantity)

    def natural(self, scaled: float) -> float:
        """Return a value of the channel's scale in the quantity's unit."""
        return exp(min(scaled, 50.0)) - 1.0 if self.log else scaled

    def _restart(self, time: int, raw: float, value: float) -> None:
        """Take the level anew; what is known of noise and day stays."""
        if self.count == 0 and self.time == 0:
            self.level = value
        self.c1 = self.c2 = self.c3 = self.c4 = value
        self.shape.restart(value)
        self.runs.restart()
        self.raw, self.value, self.time = raw, value, time
        self.bad = self.calm = 0
        self.offset = 0.0
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
            self._note_silence(time)
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
        x = self.x
        x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7] = a, b, c, d, day.sin1, day.cos1, day.sin2, day.cos2
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
        self._take_shape(value, local)
        self.value = value
        return True

    def _take_shape(self, value: float, local: float) -> None:
        """Measure the shape of the last values in units of noise."""
        shape, small = self.shape, s.NOISE_FLOOR_SPIKE * self.long_noise
        small = (local if local > small else small) + 1e-9
        shape.take(value, small)
        self.excursion = shape.height / (small * s.RISE if self.one_sided and shape.above else small)

    def _note_silence(self, time: int) -> None:
        """Note when a probe comes back that was not heard for so long that nothing is known of it any more."""
        if self.time and time - self.time > s.SILENCE_DAYS * s.DAY:
            self.back, self.silence = time, int((time - self.time) / s.DAY)

    def rest(self, time: int) -> None:
        """Take the next value as it comes: somebody has had the probe in hand at `time`."""
        self.anchor, self.back, self.time = True, 0, time

    def unproved(self, time: int) -> bool:
        """Return whether the probe has come back from a long silence less than a day ago."""
        return 0 <= time - self.back < s.DAY

    def share(self) -> float:
        """Return the latest error as a multiple of its usual level, 3 at most."""
        usual = self.usual.levels[0]
        if usual <= 0.0:
            return 0.0
        return self.step / usual if self.step < 3.0 * usual else 3.0

    def judge(
        self, hold: float, together: float, others: float, interval: float, *, excused: bool
    ) -> tuple[Evidence | None, float]:
        """Weigh the evidence of the latest value and learn from it; return the kind that passed, and the largest evidence over its threshold.

        Parameters
        ----------
        hold, together : evidence of the whole node, 0 where this channel takes no part
        others : the largest excursion of another quantity over its usual level
        interval : seconds between two samples
        excused : another probe agrees with this one that the water did move
        """
        per, runs, usual = s.DAY / interval, self.runs, self.usual
        evidence = (self.step, self.excursion, self.shape.zigzag, runs.stuck, hold, together)
        found: Evidence | None = None
        score, step_found = 0.0, False
        if self.count > s.WARM_UP_DAYS * per:
            hours = runs.run * interval / s.HOUR
            proof = 1.0 if hours >= s.STUCK_HOURS else s.SHORT_RUN_PROOF if hours >= s.SHORT_RUN_HOURS else inf
            found, score = usual.weigh(evidence, others, run_proof=proof, excused=excused, was_flat=self.was_flat)
            step_found = usual.jumped
            if self.value <= self.floor and not self.bad and self.step > s.TO_THE_FLOOR * usual.levels[0] > 0.0:
                found, score, step_found = Evidence.FLOOR if found is None else found, max(score, 1.0), True
        usual.settle(evidence, self.time + self.dt * interval, self.count, per, runs_only=self.bad > 0)
        if found is None and self.shape.impossible(self.implausible) and self._rare():
            found, score = Evidence.IMPLAUSIBLE, max(score, 1.0)
        was_bad = self.bad > 0
        self._follow(found, step_found, interval, per)
        if was_bad and self.bad and found is None:
            found, score = Evidence.LEVEL, max(score, 1.0)
        return found, score

    def _rare(self) -> bool:
        """Return whether this channel does not jump or go and come back like that all the time: then its water does.

        Turbidity is not excused: what makes it four times as high for some minutes every day is weed or a snail at the window.
        """
        levels = self.usual.levels
        return self.log or self.step > s.RARE * levels[0] or self.excursion > s.RARE * levels[1]

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
        value, threshold = self.value, self.usual.factors[0] * self.usual.levels[0]
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
        elif self.runs.run <= max(self.usual.levels[3], 4.0):
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
        self.shape.calm()

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
