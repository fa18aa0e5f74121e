"""Detection beside three baselines, on recorded series with known faults: the tables of ``docs/detection.md``.

usage: python benchmarks/detection.py DATA_DIR --scorer SCORE_EVENTS.py [--work DIR] [--only NAME] [--skip-river]

Every ``<name>.csv.gz`` below DATA_DIR that has ``<name>.labels.csv`` beside it is a series. Each method writes the same ``flags.csv``
(``time,quantity,flag``), which the scorer given turns into events found and false alarms. What is added here: false alarms per month that the series
really has readings for (the scorer counts gaps of years as time watched), recall of events longer than 16 samples, and for injected
faults recall within the delay that is asked of each kind. What of the injected faults could be found at all is printed by ``benchmarks/ceiling.py``
from the flags that are left in the work folder.

The baselines: fixed  QARTOD tests with fixed thresholds (gross range, spike, rate of change, flat line of 3 h)
               hst     river's Half-Space Trees alone on value, first difference and hourly difference, alarm above the 0.998
                      quantile of its own scores of a month
               zscore rolling z-score: 4 standard deviations from the mean of the last day
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from time import process_time
from typing import Any

import pandas as pd
from tqdm import tqdm

sys.path.pop(0)  # this file's folder: `gateway.py` in it has the package's name

from gateway import detection, quality
from gateway.observation import Observation, Pond
from gateway.quality import gross_range
from gateway.quality.flat_line import FlatLine
from gateway.quality.rate_of_change import THRESHOLDS as RATES
from gateway.quality.rate_of_change import RateOfChange
from gateway.quality.spike import THRESHOLDS as SPIKES
from gateway.quality.spike import Spike
from vuong.flags import Flag
from vuong.limits import limits_of
from vuong.quantities import QUANTITIES
from vuong.readings import Sample

NODE = "0" * 16
WITHIN = {"spike": 1, "dropout": 1, "stuck": 16, "burst": 8}  # samples of 15 min
LONG = 16
Row = dict[str, float]
Method = Callable[[], Callable[[int, Row], dict[str, int]]]


def ours() -> Callable[[int, Row], dict[str, int]]:
    """Return the stages of quality control and detection."""
    pond = Pond("bench", "bench", limits_of("vannamei"))
    stages = [*quality.stages({NODE: pond}), *detection.stages({NODE: pond})]

    def judge(time: int, values: Row) -> dict[str, int]:
        observation = Observation(Sample(NODE, 0, 0, time, values), pond, time)
        for stage in stages:
            stage.update(observation)
        return {name: int(observation.assessments[name].flag) for name in values}

    return judge


def fixed() -> Callable[[int, Row], dict[str, int]]:
    """Return QARTOD tests whose thresholds are a table; they learn nothing."""
    tests: dict[str, tuple[Spike, RateOfChange, FlatLine]] = {}

    def judge(time: int, values: Row) -> dict[str, int]:
        flags = {}
        for name, value in values.items():
            if name not in tests:
                row = QUANTITIES[name]
                low, high = SPIKES[name]
                tests[name] = Spike(low / 3, high / 3), RateOfChange(RATES[name] / 3), FlatLine(row.resolution / 2, 10800, 43200)
            spike, rate, flat = tests[name]
            found = [
                gross_range.check(value, gross_range.RANGES[name]),
                spike.check(value),
                rate.check(time, value),
                flat.check(time, value),
            ]
            flags[name] = max((int(f) for f in found if f is not Flag.NOT_EVALUATED), default=2)
        return flags

    return judge


def zscore(window: int = 96, factor: float = 4.0) -> Callable[[int, Row], dict[str, int]]:
    """Return the rolling z-score of the last `window` readings of each quantity."""
    seen: dict[str, deque[float]] = {}

    def judge(_: int, values: Row) -> dict[str, int]:
        flags = {}
        for name, value in values.items():
            past = seen.setdefault(name, deque(maxlen=window))
            flags[name] = 2
            if len(past) == window:
                mean = sum(past) / window
                deviation = (sum((v - mean) ** 2 for v in past) / window) ** 0.5
                flags[name] = 3 if abs(value - mean) > factor * max(deviation, 1e-9) else 1
            past.append(value)
        return flags

    return judge


def hst() -> Callable[[int, Row], dict[str, int]]:
    """Return river's Half-Space Trees, one a quantity, features scaled by the range seen so far."""
    from river import anomaly  # noqa: PLC0415 - 3 s and 100 MB: only this baseline needs it

    models: dict[str, Any] = {}
    history: dict[str, deque[float]] = {}
    scale: dict[str, list[float]] = {}
    scores: dict[str, deque[float]] = {}
    limits: dict[str, float] = {}
    seen: dict[str, int] = {}

    def judge(_: int, values: Row) -> dict[str, int]:
        flags = {}
        for name, value in values.items():
            past = history.setdefault(name, deque(maxlen=5))
            if len(past) == 5:
                model = models.setdefault(
                    name,
                    anomaly.HalfSpaceTrees(
                        n_trees=25, height=8, window_size=480, limits=dict.fromkeys("abc", (0.0, 1.0)), seed=3
                    ),
                )
                low, high, step = scale.setdefault(name, [value, value, 1e-9])
                low, high, step = min(low, value), max(high, value), 0.999 * max(step, abs(value - past[-1]))
                scale[name] = [low, high, step]
                span = max(high - low, 1e-9)
                x = {
                    "a": (value - low) / span,
                    "b": min(max(0.5 + 0.5 * (value - past[-1]) / step, 0.0), 1.0),
                    "c": min(max(0.5 + 0.25 * (value - past[1]) / step, 0.0), 1.0),
                }
                score = model.score_one(x)
                model.learn_one(x)
                own = scores.setdefault(name, deque(maxlen=2880))
                own.append(score)
                seen[name] = seen.get(name, 0) + 1
                if seen[name] >= 960 and seen[name] % 96 == 0:
                    limits[name] = sorted(own)[int(0.998 * len(own))]
                flags[name] = 3 if score > limits.get(name, 2.0) else 1 if name in limits else 2
            else:
                flags[name] = 2
            past.append(value)
        return flags

    return judge


METHODS: dict[str, Method] = {"ours": ours, "fixed": fixed, "zscore": zscore, "hst": hst}


def rows_of(series: Path) -> tuple[list[str], Iterator[tuple[str, int, Row]]]:
    """Return the known columns of a series and its rows in order of time."""
    frame = pd.read_csv(series, index_col="time", parse_dates=["time"])
    frame = frame[~frame.index.duplicated()].sort_index()
    names = [name for name in frame.columns if name in QUANTITIES]

    def rows() -> Iterator[tuple[str, int, Row]]:
        cells = frame[names].to_numpy(dtype=float)
        for moment, line in zip(frame.index, cells, strict=True):
            values = {n: float(v) for n, v in zip(names, line, strict=True) if v == v}  # noqa: PLR0124 - NaN
            yield moment.strftime("%Y-%m-%dT%H:%M:%SZ"), int(moment.timestamp()), values

    return names, rows()


def run(series: Path, method: str, out: Path) -> float:
    """Write the flags of one method on one series; return µs of processor time a row."""
    names, rows = rows_of(series)
    judge, spent, count = METHODS[method](), 0.0, 0
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("time", "quantity", "flag"))
        for text, time, values in rows:
            began = process_time()
            flags = judge(time, values)
            spent += process_time() - began
            count += 1
            writer.writerows((text, name, flags.get(name, 9)) for name in names)
    return 1e6 * spent / max(count, 1)


def measure(labels: Path, flags_file: Path, scorer: Path) -> dict[str, Any]:
    """Return the scorer's figures and those that are added here."""
    told = subprocess.run([sys.executable, scorer, labels, flags_file, "--json"], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(told.stdout)
    flags = pd.read_csv(flags_file, parse_dates=["time"])
    truth = pd.read_csv(labels, parse_dates=["start", "end"])
    begin, tolerance = flags["time"].min() + pd.Timedelta(days=7), pd.Timedelta(minutes=60)
    flags = flags[flags["time"] >= begin]
    truth = truth[(truth["end"] >= begin) & (truth["end"] <= flags["time"].max() + tolerance)]
    times = flags["time"].drop_duplicates()
    step = times.diff().median()
    months = len(times) * step / pd.Timedelta(days=30)
    hits = {q: part.loc[part["flag"].isin((3, 4)), "time"].reset_index(drop=True) for q, part in flags.groupby("quantity")}
    long = [0, 0]
    kinds: dict[str, list[int]] = {}
    for event in truth.itertuples():
        times_hit = hits.get(event.quantity)
        if times_hit is None:
            continue
        at = times_hit.searchsorted(event.start)
        first = times_hit[at] if at < len(times_hit) and times_hit[at] <= event.end + tolerance else None
        if (event.end - event.start) / step + 1 > LONG:
            long[1] += 1
            long[0] += first is not None
        if event.kind in WITHIN:
            limit = event.end + step if event.kind == "spike" else event.start + WITHIN[event.kind] * pd.Timedelta(minutes=15)
            count = kinds.setdefault(event.kind, [0, 0])
            count[1] += 1
            count[0] += first is not None and first <= limit
    alarms = sum(
        q["false_alarms_per_month"] * _months(q, flags, n) for n, q in found["quantities"].items() if q["false_alarms_per_month"]
    )
    everything = found["all"]
    return {
        **everything,
        "false": round(alarms),
        "months": months * len(found["quantities"]),
        "found": round(everything["recall"] * everything["events"]),
        "long": long,
        "within": kinds,
        "kinds": {k: [int(x) for x in v.split("/")] for k, v in found["recall_by_kind"].items()},
    }


def _months(_: dict[str, Any], flags: pd.DataFrame, name: str) -> float:
    times = flags.loc[flags["quantity"] == name, "time"]
    return float((times.max() - times.min()) / pd.Timedelta(days=30))


def _job(arguments: tuple[Path, str, Path, Path]) -> tuple[Path, str, dict[str, Any]]:
    series, method, work, scorer = arguments
    name = series.name.removesuffix(".csv.gz")
    flags = work / method / series.parent.name / f"{name}.flags.csv"
    spent = run(series, method, flags)
    return series, method, {**measure(series.with_name(f"{name}.labels.csv"), flags, scorer), "us": spent}


def _share(pair: list[int]) -> str:
    return f"{pair[0] / pair[1]:.2f}" if pair[1] else "–"


def _line(name: str, method: str, r: dict[str, Any]) -> str:
    precision = r["precision"] if r["precision"] is not None else float("nan")
    delay = r["median_delay_min"] if r["median_delay_min"] is not None else float("nan")
    return (
        f"| {name} | {method} | {r['events']} | {r['recall'] or 0:.3f} | {_share(r['long'])} | {r['false'] / r['months']:.2f} "
        f"| {precision:.2f} | {r['f1'] or 0:.2f} | {delay:.0f} | {r['us']:.0f} |"
    )


def _group(path: Path) -> str:
    """Return the folder and the first word of a series' name: sites of one network are summed up."""
    return f"{path.parent.name}/{path.name.split('_')[0].removesuffix('.csv.gz')}"


def main() -> int:
    """Run every method on every series and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--scorer", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("build/detection"))
    parser.add_argument("--only", default="", help="series whose path holds this text")
    parser.add_argument("--methods", default="ours,fixed,zscore,hst")
    parser.add_argument("--skip-river", action="store_true", help="leave out the baseline that takes long")
    a = parser.parse_args()
    series = [
        p
        for p in sorted(a.data.rglob("*.csv.gz"))
        if p.with_name(p.name.replace(".csv.gz", ".labels.csv")).exists() and a.only in str(p)
    ]
    methods = [m for m in a.methods.split(",") if not (a.skip_river and m == "hst")]
    if not series:
        sys.stderr.write(f"no labelled series below {a.data}; give a folder with <name>.csv.gz and <name>.labels.csv\n")
        return 2
    jobs = [(p, m, a.work, a.scorer) for m in methods for p in series]
    with ProcessPoolExecutor(2) as pool:
        results = list(tqdm(pool.map(_job, jobs), total=len(jobs), file=sys.stderr))
    print(
        "| series | method | events | recall | > 16 samples | false alarms/sensor-month | precision | F1 | median delay, min | µs/message |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for path, method, r in results:
        print(_line(f"{path.parent.name}/{path.name.removesuffix('.csv.gz')}", method, r))
    print(
        "\n| group | method | recall | > 16 samples | false alarms/sensor-month | by kind (any delay) | within the delay asked |"
    )
    print("|---|---|---|---|---|---|---|")
    for group in sorted({_group(p) for p, _, _ in results}):
        for method in methods:
            part = [r for p, m, r in results if m == method and _group(p) == group]
            long = [sum(r["long"][i] for r in part) for i in (0, 1)]
            recall = sum(r["found"] for r in part) / max(1, sum(r["events"] for r in part))
            false = sum(r["false"] for r in part) / sum(r["months"] for r in part)
            told = [
                " ".join(
                    f"{k} {_share([sum(r[key].get(k, [0, 0])[i] for r in part) for i in (0, 1)])}"
                    for k in sorted({k for r in part for k in r[key]})
                )
                for key in ("kinds", "within")
            ]
            print(f"| {group} | {method} | {recall:.3f} | {_share(long)} | {false:.2f} | {told[0]} | {told[1]} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
