"""What the learner of ``benchmarks/ceiling.py`` sees of a series."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

Frame = pd.DataFrame
Array = np.ndarray[Any, np.dtype[Any]]


def interval(frame: Frame) -> pd.Timedelta:
    """Return the usual time between two samples."""
    return pd.Timedelta(frame.index.to_series().diff().median())


class Sight:
    """What the learner sees of one quantity: everything that was known when the row came, nothing of what came after.

    Of all quantities, the last two hours' steps and turns; of its own also run lengths, ranges of the last four hours, the differences to the same
    time yesterday and to one and two tides ago, how restless the last day and the last week were, how often values repeat; the hour; and
    how far the last two values lie from what a linear regression on all values beside them (own and others', before and after) gives.

    Parameters
    ----------
    clean : healthy series of all quantities, rounded as the probes round
    quantity : the one that is asked about
    fit : positions of the half that may be learned from
    """

    LAGS = 9

    def __init__(self, clean: Frame, quantity: str, fit: Array) -> None:
        self.own = clean[quantity].to_numpy(dtype=float)
        self.others = [clean[name].to_numpy(dtype=float) for name in clean.columns if name != quantity]
        self.day = round(pd.Timedelta(days=1) / interval(clean))
        hours = (clean.index.hour + clean.index.minute / 60.0).to_numpy()
        self.static = [np.sin(hours * np.pi / 12), np.cos(hours * np.pi / 12)]
        for other in self.others:
            self.static += [other, *self._moves(other, 6), self._range(other, self.day // 6), self._range(other, self.day // 12)]
        self.lines: list[Ridge] = []
        for at in (0, 1, 2):
            x, y = self._beside(self.own, at)
            known = fit[np.isfinite(x[fit]).all(axis=1) & np.isfinite(y[fit])]
            self.lines.append(Ridge(1e-3).fit(x[known], y[known]))
        self.healthy = self.rows(self.own, np.arange(len(clean)))

    @staticmethod
    def _shift(values: Array, by: int) -> Array:
        return np.r_[np.full(by, np.nan), values[: len(values) - by]] if by else values

    def _moves(self, values: Array, lags: int) -> list[Array]:
        steps = np.diff(values, prepend=np.nan)
        return [self._shift(s, k) for s in (steps, np.diff(steps, prepend=np.nan)) for k in range(lags)]

    @staticmethod
    def _range(values: Array, width: int) -> Array:
        window = pd.Series(values).rolling(width, min_periods=2)
        return (window.max() - window.min()).to_numpy()

    def _beside(self, own: Array, at: int) -> tuple[Array, Array]:
        """Return what lies beside the value of `at` samples ago (2: beside those of one and two ago), and that value, over one known before."""
        before = 3 if at == 2 else at + 1
        base = self._shift(own, before)
        known = [*range(before + 1, before + 4), *([0] if at else [])]
        columns = [self._shift(own, k) - base for k in known]
        columns += [self._shift(own, self.day + k) - self._shift(own, self.day + before) for k in range(before)]
        for other in self.others:
            columns += [self._shift(other, k) - self._shift(other, before) for k in (*range(before), before + 1, before + 2)]
        return np.nan_to_num(np.column_stack(columns)), self._shift(own, max(at, 0)) - base

    def rows(self, own: Array, at: Array) -> Array:
        """Return the features of the rows `at` where the quantity's values are `own`; shape (rows, features)."""
        day, shift = self.day, self._shift
        turns = np.abs(np.diff(own, 2, prepend=(np.nan, np.nan)))
        before = pd.Series(shift(turns, self.LAGS))
        restless = [
            before.rolling(day, min_periods=9).mean(),
            before.rolling(7 * day, min_periods=9).mean(),
            before.rolling(day, min_periods=9).max(),
        ]
        calm = [r.to_numpy() + 1e-3 for r in restless]
        equal = np.diff(own, prepend=np.nan) == 0
        begin = np.maximum.accumulate(np.where(equal, 0, np.arange(len(own))))
        run = (np.arange(len(own)) - begin).astype(float)
        repeats = pd.Series(equal.astype(float))
        columns = [own, run, *calm, *self._moves(own, self.LAGS), *self.static]
        columns += [repeats.rolling(w, min_periods=8).mean().to_numpy() for w in (8, day, 7 * day)]
        columns += [
            shift(run, day),
            pd.Series(shift(run, 9)).rolling(day, min_periods=9).max(),
            pd.Series(shift(run, 9)).rolling(7 * day, min_periods=9).max(),
        ]
        for width in (day // 12, day // 6):
            reach = self._range(own, width)
            columns += [reach, shift(reach, day), shift(reach, round(day * 12.42 / 24)), shift(reach, round(day * 24.84 / 24))]
        # two values over the line beside them
        columns += [
            shift(own, 1) * 2 / 3 + shift(own, 2) / 3 - own * 2 / 3 - shift(own, 3) / 3,
            shift(own, 1) + shift(own, 2) - own - shift(own, 3),
        ]
        columns += [
            shift(own, k) - shift(own, k + lag) for k in (0, 1) for lag in (day, round(day * 12.42 / 24), round(day * 24.84 / 24))
        ]
        columns += [turns / c for c in calm] + [pd.Series(turns).rolling(8, min_periods=3).mean().to_numpy() / c for c in calm]
        for way, line in enumerate(self.lines):
            x, y = self._beside(own, way)
            off = y - line.predict(x)
            size = pd.Series(np.abs(off))
            columns += [
                off,
                size.rolling(8, min_periods=3).mean(),
                size / (size.shift(9).rolling(day, min_periods=9).mean() + 1e-3),
            ]
        return np.column_stack([np.asarray(c)[at] for c in columns]).astype(np.float32)
