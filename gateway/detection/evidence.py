"""Kinds of evidence that a value is not of the water, and what is usual of each."""

from __future__ import annotations

from enum import IntEnum
from math import sqrt
from typing import Final

from gateway.detection import settings as s
from gateway.detection.remembered import Remembered


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
    FLOOR = 8
    RETURN = 9


KINDS: Final = 6
_NEVER: Final = -1e18
_WHOLE: Final = (3, 4)  # runs of equal values: learned while a jump is followed, and no confirmation excuses them
_BRIEF: Final = (1, 2)  # they teach at any size


class Usual(Remembered):
    """The usual level of each evidence of one channel.

    A level rises by a fixed share at each pass, however large, so that no fault can teach much; it falls slowly in between, so that it is passed
    about once in `settings.EVERY` days (a Robbins-Monro quantile in logarithmic steps).

    Parameters
    ----------
    quantity : name in the table of quantities

    Attributes
    ----------
    levels : by kind; 0 where not known yet
    jumped : the latest evidence that passed was a step, or one together with other quantities
    """

    __slots__ = ("factors", "jumped", "levels", "passed")
    fixed = frozenset({"factors"})

    def __init__(self, quantity: str) -> None:
        factors = list(s.FACTORS)
        for kind, pulses in s.PULSES.items():
            factors[kind] *= pulses.get(quantity, 1.0)
        self.factors = tuple(factors)
        self.levels = [0.0] * KINDS
        self.passed = [_NEVER] * KINDS
        self.jumped = False

    def weigh(
        self, evidence: tuple[float, ...], others: float, *, run_proof: float, excused: bool, was_flat: bool
    ) -> tuple[Evidence | None, float]:
        """Compare every evidence with its threshold; return the first kind that passed, and the largest evidence over its threshold.

        Parameters
        ----------
        evidence : by kind
        others : the largest excursion of another quantity in the same values, over its usual level: water that moves moves several
        run_proof : how many times its threshold a run of equal values must reach, the more the shorter it is
        excused : another probe agrees with this one that the water did move
        was_flat : the last value was found to be stuck
        """
        found: Evidence | None = None
        score = 0.0
        self.jumped = False
        levels, factors = self.levels, self.factors
        for kind in range(KINDS):
            level = levels[kind]
            if level <= 0.0:
                continue
            # of excursions and bursts the root: a level that is high by rounding to a coarse resolution is seldom passed by far
            ratio = evidence[kind] / (factors[kind] * (sqrt(level) if kind in _BRIEF else level))
            if ratio <= score and ratio <= 1.0:
                continue
            if kind == 1:
                ratio /= (1.0 + others) ** s.OTHERS_WEIGHT
            elif kind == 3:
                ratio /= run_proof
            if (excused and kind not in _WHOLE) or (kind == 0 and was_flat):
                continue
            score = max(score, ratio)
            if ratio > 1.0:
                found = Evidence(kind) if found is None else found
                self.jumped = self.jumped or kind in {0, 5}
        return found, score

    def settle(self, evidence: tuple[float, ...], now: float, count: int, per: float, *, runs_only: bool) -> None:
        """Learn what is usual of every evidence.

        Parameters
        ----------
        now : UTC seconds
        count : values learned from
        per : samples a day
        runs_only : a jump is being followed: only runs of equal values are learned
        """
        levels, passed, factors = self.levels, self.passed, self.factors
        pace = 3.0 if count < s.FIRST_WEEK * per else 1.0
        fall = pace * s.GROWTH / per
        for kind in _WHOLE if runs_only else range(KINDS):
            size, level = evidence[kind], levels[kind]
            if size > level:
                if count < per / 2.0:
                    level = 0.0
                elif count < 3.0 * per:
                    level = min(size, max(level * 1.5, s.CAPS[kind]))
                elif (kind in _BRIEF or size < s.FAR * factors[kind] * level) and now - passed[kind] > s.CLUSTER_HOURS * s.HOUR:
                    level *= 1.0 + pace * s.GROWTH
                    passed[kind] = now
            elif count >= per:
                level *= 1.0 - fall / s.EVERY[kind]
            levels[kind] = level if level > s.FLOORS[kind] else s.FLOORS[kind]
