"""The pond model beside a recorded series: one picture and a table of statistics.

usage: python -m models.compare SERIES.csv.gz [--labels LABELS.csv] [--out docs/images/pond-model.png] [--longitude -84.9]
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.pond import Parameters, Pond, Probes, estuary, shrimp_pond
from vuong.problems import Problem
from vuong.series import Series, SeriesError

STEP: Final = 900
QUANTITIES: Final = ("temperature", "do", "ph", "salinity")
_DAY: Final = 86400 // STEP
_TITLES: Final = {"temperature": "Temperature, °C", "do": "Dissolved oxygen, mg/L", "ph": "pH", "salinity": "Salinity, PSU"}

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Record:
    """Columns on an even grid of `STEP` seconds from `start`; NaN where there is no reading."""

    start: int
    longitude: float
    columns: dict[str, Array]

    def hours(self) -> Array:
        """Return the mean solar hour of each row."""
        rows = len(next(iter(self.columns.values())))
        return np.asarray((np.arange(rows) * STEP + self.start) / 3600 + self.longitude / 15, dtype=np.float64) % 24

    def days(self, name: str) -> Array:
        """Return a column as whole days by rows, each beginning at local midnight."""
        skip = int((24 - self.hours()[0]) % 24 * 3600 / STEP)
        column = self.columns[name][skip:]
        return column[: len(column) // _DAY * _DAY].reshape(-1, _DAY)


def _tell(problem: Problem) -> None:
    sys.stderr.write(f"{problem}\n")


def recorded(path: Path, labels: Path | None, longitude: float) -> Record:
    """Return a recorded series on an even grid; labelled stretches and what lies outside any water are left out.

    Raises
    ------
    SeriesError
        if the file cannot be read
    """
    with Series(path, _tell) as series:
        rows = list(series)
    if not rows:
        raise SeriesError(f"{path} has no row that can be read")
    start = rows[0][0]
    columns = {name: np.full((rows[-1][0] - start) // STEP + 1, np.nan) for name in QUANTITIES}
    for time, values in rows:
        for name in QUANTITIES:
            columns[name][(time - start) // STEP] = values.get(name, np.nan)
    if labels is not None:
        with labels.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["quantity"] in columns:
                    ends = [int(datetime.fromisoformat(row[end]).replace(tzinfo=UTC).timestamp()) for end in ("start", "end")]
                    columns[row["quantity"]][max(0, (ends[0] - start) // STEP) : (ends[1] - start) // STEP + 1] = np.nan
    return Record(start, longitude, columns)


def modelled(parameters: Parameters, seed: int, start: int, rows: int) -> Record:
    """Return what usual probes would say of the model's water, with the resolution of the recorded ones (0.1)."""
    pond, probes = Pond(seed, start, parameters), Probes(QUANTITIES, seed)
    columns = {name: np.full(rows, np.nan) for name in QUANTITIES}
    for row in range(rows):
        time = start + row * STEP
        for name, value in probes.read(pond.step_to(time), time).items():
            columns[name][row] = round(value, 1)
    return Record(start, parameters.climate.longitude, columns)


def _correlation(a: Array, b: Array) -> float:
    both = np.isfinite(a) & np.isfinite(b)
    return float(np.corrcoef(a[both], b[both])[0, 1])


def statistics(record: Record) -> dict[str, float]:
    """Return what a series looks like, by name.

    For each quantity: mean; standard deviation; median range within a day; range of the mean day and the local hours of its highest and lowest
    point; correlation with itself 15 minutes, 6 hours and a day later; 90 % quantile of the change in 15 minutes. And the correlation of oxygen and
    pH within the day.
    """
    found = dict[str, float]()
    within = dict[str, Array]()
    for name in QUANTITIES:
        column, days = record.columns[name], record.days(name)
        days = days[np.isfinite(days).mean(axis=1) > 0.8]
        departures = days - np.nanmean(days, axis=1, keepdims=True)
        mean_day = np.nanmean(departures, axis=0)
        smooth = np.convolve(np.concatenate([mean_day[-4:], mean_day, mean_day[:4]]), np.ones(9) / 9, "valid")
        found[f"{name} mean"] = float(np.nanmean(column))
        found[f"{name} deviation"] = float(np.nanstd(column))
        found[f"{name} daily range"] = float(np.nanmedian(np.nanmax(days, axis=1) - np.nanmin(days, axis=1)))
        found[f"{name} mean day's range"] = float(np.ptp(smooth))
        found[f"{name} highest at"] = float(np.argmax(smooth) * STEP / 3600)
        found[f"{name} lowest at"] = float(np.argmin(smooth) * STEP / 3600)
        for label, lag in (("15 min", 1), ("6 h", 24), ("24 h", 96)):
            found[f"{name} correlation after {label}"] = _correlation(column[:-lag], column[lag:])
        found[f"{name} change in 15 min"] = float(np.nanquantile(np.abs(np.diff(column)), 0.9))
        whole = record.days(name)
        count = np.isfinite(whole).sum(axis=1, keepdims=True)
        within[name] = whole - np.nansum(whole, axis=1, keepdims=True) / np.maximum(count, 1)
    found["do with ph within a day"] = _correlation(within["do"].ravel(), within["ph"].ravel())
    return found


def draw(records: dict[str, Record], out: Path, first_day: int) -> None:
    """Draw a week of each record, and the mean day of all, quantity by quantity."""
    import matplotlib as mpl  # noqa: PLC0415 - only a drawing needs it

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    colours = ("#1b4965", "#c8553d", "#5f8b4c")
    figure, axes = plt.subplots(len(QUANTITIES), 4, figsize=(16, 9.5), layout="constrained")
    for row, name in enumerate(QUANTITIES):
        weeks = [record.days(name)[first_day : first_day + 7].ravel() for record in records.values()]
        for column, (title, week) in enumerate(zip(records, weeks, strict=True)):
            axis: Any = axes[row][column]
            axis.plot(np.arange(len(week)) / _DAY, week, color=colours[column], linewidth=0.9)
            axis.set_xlim(0, 7)
            axis.grid(alpha=0.25)
            if not row:
                axis.set_title(title)
            if not column:
                axis.set_ylabel(_TITLES[name])
            if row == len(QUANTITIES) - 1:
                axis.set_xlabel("local days")
        low = min(float(np.nanmin(w)) for w in weeks[:2])
        high = max(float(np.nanmax(w)) for w in weeks[:2])
        for column in (0, 1):
            axes[row][column].set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        axis = axes[row][3]
        for (title, record), colour in zip(records.items(), colours, strict=True):
            days = record.days(name)
            days = days[np.isfinite(days).mean(axis=1) > 0.8]
            departures = days - np.nanmean(days, axis=1, keepdims=True)
            hours = np.arange(_DAY) * STEP / 3600
            axis.plot(hours, np.nanmean(departures, axis=0), color=colour, label=title)
            axis.fill_between(
                hours,
                np.nanquantile(departures, 0.25, axis=0),
                np.nanquantile(departures, 0.75, axis=0),
                color=colour,
                alpha=0.15,
                linewidth=0,
            )
        axis.set_xlim(0, 24)
        axis.set_xticks(range(0, 25, 6))
        axis.grid(alpha=0.25)
        if not row:
            axis.set_title("departure from the day's mean, half of days")
            axis.legend(fontsize=8)
        if row == len(QUANTITIES) - 1:
            axis.set_xlabel("local solar hour")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=80)
    plt.close(figure)


def main(argv: list[str] | None = None) -> int:
    """Print the table and draw the picture; return 0, or 2 where the series cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", type=Path)
    parser.add_argument("--labels", type=Path, help="known bad stretches (start,end,quantity,kind) to leave out")
    parser.add_argument("--out", type=Path, help="picture to write")
    parser.add_argument("--longitude", type=float, default=-84.9)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=366, help="days to compare, from the series' beginning")
    parser.add_argument("--week", type=int, default=150, help="day at which the drawn week begins")
    options = parser.parse_args(argv)
    try:
        record = recorded(options.series, options.labels, options.longitude)
    except (SeriesError, OSError) as error:
        sys.stderr.write(f"compare: {error}\n")
        return 2
    rows = min(options.days * _DAY, len(record.columns["do"]))
    record = Record(record.start, record.longitude, {name: column[:rows] for name, column in record.columns.items()})
    records = {
        "recorded bay": record,
        "modelled bay": modelled(estuary(), options.seed, record.start, rows),
        "modelled shrimp pond": modelled(shrimp_pond(), options.seed, record.start, rows),
    }
    table = [statistics(r) for r in records.values()]
    sys.stdout.write(f"| | {' | '.join(records)} |\n|---|{'---:|' * len(records)}\n")
    for key in table[0]:
        sys.stdout.write(f"| {key} | {' | '.join(f'{row[key]:.2f}' for row in table)} |\n")
    if options.out is not None:
        draw(records, options.out, min(options.week, rows // _DAY - 9))
    return 0


if __name__ == "__main__":
    sys.exit(main())
