"""How far detection of injected faults can go at all: the second table of ``docs/detection.md``.

usage: python benchmarks/ceiling.py HEALTHY_DIR INJECTED_DIR --injector INJECT.py [--flags DIR] [--only NAME] [--seeds 6]

HEALTHY_DIR holds ``<name>.csv.gz`` as recorded (known faults in ``<name>.labels.csv`` are taken out), INJECTED_DIR the same series with faults put in
and their labels; ``inject`` of INJECT.py is the function that put them in. With ``--flags`` (``benchmarks/detection.py INJECTED_DIR`` leaves them in
``build/detection/ours/<folder>``) what the detector found in time stands beside. Printed by kind and quantity, all series together:

unchanged, one step  share of the faults that leave the series, rounded to the probe's own resolution, as it was, or nowhere more than one step off
larger               share that is larger than what the same probe does by itself once a month (`larger`)
learner              recall, in the time asked, of a learner that is told the truth: gradient boosting on all quantities (`Sight`), trained on one
                     half of each series with hundreds of other faults of the same kind put in by the same function, asked on the other half;
                     its threshold is set on that very half, for each kind and quantity by itself, so that healthy water raises one
                     false alarm a sensor-month, and one in ten months. A detector that learns from unlabelled readings cannot be expected to pass it.
                     ``--seeds 0`` leaves it out
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sight import Array, Frame, Sight, interval
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits
from tqdm import tqdm

WITHIN = {"spike": 0, "burst": 120, "stuck": 240}  # minutes asked, from the beginning; of a spike one sample after its end
DENSE = 36.0  # training faults a sensor-month; each is put into healthy values by itself
LEARNER = ("learner at 1", "learner at 0.1")
SHARES = ("unchanged", "one step", "larger", *LEARNER, "ours")
ALLOWED = (1.0, 0.1)  # false alarms a sensor-month of the learner
Event = Any  # a row of labels, as pandas gives it
Faults = tuple[Array, list[tuple[int, int, int]]]


def read(path: Path) -> tuple[Frame, Frame]:
    """Return a series in order of time, and its labels (none where there is no file of them)."""
    frame = pd.read_csv(path, index_col="time", parse_dates=["time"])
    labels = path.with_name(path.name.replace(".csv.gz", ".labels.csv"))
    known = (
        pd.read_csv(labels, parse_dates=["start", "end"])
        if labels.exists()
        else pd.DataFrame(columns=["start", "end", "quantity", "kind"])
    )
    return frame[~frame.index.duplicated()].sort_index(), known


def resolution(values: Array) -> float:
    """Return the step of a probe's values, a power of ten: the coarsest of which 99 % of them are multiples."""
    values = values[np.isfinite(values)]
    steps = (10.0**-digits for digits in range(5))
    return next((step for step in steps if np.mean(np.abs(values / step - np.round(values / step)) < 1e-6) > 0.99), 1e-4)


def span(frame: Frame, event: Event) -> tuple[int, int]:
    """Return the first position of an event and the one behind its last."""
    return int(frame.index.searchsorted(event.start)), int(frame.index.searchsorted(event.end, side="right"))


def asked(event: Event, begin: int, end: int, frame: Frame) -> int:
    """Return the position behind the last one at which a flag is in time."""
    samples = round(pd.Timedelta(minutes=WITHIN[event.kind]) / interval(frame))
    return end + 1 if event.kind == "spike" else begin + samples + 1


def alarms(passed: Array, day: int) -> int:
    """Return how many alarms the positions of the rows that passed make: those within an hour of one another are one."""
    return int(len(passed) and 1 + np.sum(np.diff(passed) > max(1, day // 24)))


def told_the_truth(
    sight: Sight, own: Array, halves: tuple[Array, Array], train: list[Faults], test: Faults, kind: str
) -> list[tuple[bool, ...] | None]:
    """Return, for each fault of `test`, whether a learner that was told the truth of the half `halves[0]` finds it in time; ``None`` in that half.

    Parameters
    ----------
    sight : what it sees, fitted on the same half
    own : healthy values
    halves : positions to learn from, and to be asked about
    train, test : values of the quantity with faults of this kind alone put in; begin, end and last position asked of each
    """
    learn, ask = halves
    usable, healthy = np.isfinite(own), sight.healthy
    rows = [healthy[learn[usable[learn]]]]
    for series, spans in train:
        late = {"spike": 0, "burst": 2, "stuck": 8}[kind]  # samples before which nothing is to be seen
        at = [i for begin, _, last in spans if begin >= learn[0] and last <= learn[-1] for i in range(begin + late, last)]
        rows.append(sight.rows(series, np.unique(np.array(at, dtype=int))))
    x, y = np.concatenate(rows), np.r_[np.zeros(len(rows[0])), np.ones(sum(map(len, rows[1:])))]
    models = [
        HistGradientBoostingClassifier(
            max_iter=150, learning_rate=0.08, max_leaf_nodes=15, l2_regularization=1.0, max_features=0.3, random_state=seed
        ).fit(x, y)
        for seed in range(2)
    ]

    def score(seen: Array) -> Array:
        return np.sum([model.decision_function(seen) for model in models], axis=0)

    scores = np.where(usable[ask], score(healthy[ask]), -1e9)
    ranked, limits = np.sort(scores)[::-1], []
    for monthly in ALLOWED:
        allowed = monthly * np.sum(usable[ask]) / sight.day / 30
        low, high = 0, len(ask) - 1  # halving: the lowest limit that raises no more than are allowed
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (
                (middle, high) if alarms(np.flatnonzero(scores > ranked[middle]), sight.day) <= allowed else (low, middle - 1)
            )
        limits.append(ranked[low])
    series, spans = test
    found: list[tuple[bool, ...] | None] = []
    for begin, _, last in spans:
        top = score(sight.rows(series, np.arange(begin, last))).max() if ask[0] <= begin <= ask[-1] else None
        found.append(None if top is None else tuple(bool(top > limit) for limit in limits))
    return found


def _height(values: Array, at: int, width: int) -> float:
    """Return how far `width` values from `at` on lie off the straight line between those beside them."""
    line = np.interp(np.arange(width) + 1, [0, width + 1], [values[at - 1], values[at + width]])
    return float(np.nanmax(np.abs(values[at : at + width] - line), initial=0.0))


def larger(values: Array, events: list[tuple[str, int, int]], month: int) -> list[bool]:
    """Return, for each fault of one quantity, whether it is larger than what its own probe does by itself once a month.

    Its size, as it is or over the mean change of the day before, is compared with what the probe reaches outside all faults: height of one or two
    values over the line beside them (spike), mean second difference of eight values (burst), equal values in a row within four hours (stuck).

    Parameters
    ----------
    values : with faults in
    events : kind, first position, the one behind the last
    month : samples a month
    """
    faulty = np.isnan(values)
    for _, begin, end in events:
        faulty[max(0, begin - 9) : end + 9] = True
    month = max(1, round(int((~faulty).sum()) / month))
    rough = pd.Series(np.abs(np.diff(values, 2, prepend=np.nan, append=np.nan))).rolling(8).mean().to_numpy()
    local = pd.Series(np.abs(np.diff(values, prepend=np.nan))).rolling(96, min_periods=24).mean().shift(9).to_numpy() + 1e-3
    windows = np.flatnonzero(~faulty & ~np.isnan(rough))[::8]  # that do not overlap
    heights = {
        w: {i: _height(values, i, w) for i in range(8, len(values) - 8) if not faulty[i - 1 : i + w + 1].any()} for w in (1, 2)
    }
    runs = np.diff(np.flatnonzero(np.r_[True, (np.diff(values) != 0) | faulty[1:]]))

    def limit_of(sizes: Iterable[float]) -> float:
        return float(np.sort(np.nan_to_num(list(sizes)))[-month])

    tall = {w: (limit_of(h.values()), limit_of(size / local[i] for i, size in h.items())) for w, h in heights.items()}
    rugged, still = (limit_of(rough[windows]), limit_of(rough[windows] / local[windows])), limit_of(runs)
    seen = []
    for kind, begin, end in events:
        if kind == "stuck":
            seen.append(min(end - begin, 16) > still)
            continue
        width = min(end - begin, 2)
        size = _height(values, begin, width) if kind == "spike" else float(np.nanmax(rough[begin + 4 : begin + 9], initial=0.0))
        limits = tall[width] if kind == "spike" else rugged
        seen.append(bool(size > limits[0] or size / local[begin] > limits[1]))
    return seen


def study(job: tuple[Path, Path, str, Path, Path | None, int]) -> list[dict[str, Any]]:
    """Return a row for each fault of one quantity of one series."""
    path, injected, quantity, injector, flags, seeds = job
    module_spec = importlib.util.spec_from_file_location("injector", injector)
    if module_spec is None or module_spec.loader is None:
        raise ValueError(f"{injector} is no Python file; give the one whose `inject` made {injected}")
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    frame, known = read(path)
    for event in known.itertuples():
        if event.quantity in frame:
            frame.loc[event.start : event.end, event.quantity] = np.nan
    faulty, labels = read(injected)
    steps = {name: resolution(frame[name].to_numpy(dtype=float)) for name in frame}
    clean = frame.apply(lambda column: (column / steps[column.name]).round() * steps[column.name])
    own, step, half = clean[quantity].to_numpy(dtype=float), steps[quantity], len(clean) // 2
    first, second = np.arange(half), np.arange(half, len(clean))
    sights = (Sight(clean, quantity, first), (first, second)), (Sight(clean, quantity, second), (second, first))
    hits = np.zeros(len(clean), dtype=bool)
    if flags is not None:
        told = pd.read_csv(flags / injected.name.replace(".csv.gz", ".flags.csv"), parse_dates=["time"])
        hits = clean.index.isin(told.loc[(told["quantity"] == quantity) & told["flag"].isin((3, 4)), "time"])

    def put_in(with_faults: Frame, marks: Frame, kind: str) -> Faults:
        series, spans = own.copy(), []
        values = (with_faults[quantity].to_numpy(dtype=float) / step).round() * step
        for event in marks[(marks["quantity"] == quantity) & (marks["kind"] == kind)].itertuples():
            begin, end = span(clean, event)
            series[begin:end] = values[begin:end]
            spans.append((begin, end, min(asked(event, begin, end, clean), len(clean))))
        return series, spans

    extra = [module.inject(frame, 1000 + seed, DENSE) for seed in range(seeds)]
    events = [(e.kind, *span(clean, e)) for e in labels[labels["quantity"] == quantity].itertuples()]
    large = dict(zip(events, larger(faulty[quantity].to_numpy(dtype=float), events, 30 * sights[0][0].day), strict=True))
    rows = []
    for kind in WITHIN:
        test, train = put_in(faulty, labels, kind), [put_in(*part, kind) for part in extra]
        found: list[list[tuple[bool, ...] | None]] = [[None] * len(test[1])] * 2
        with threadpool_limits(1):  # jobs run side by side
            if seeds:
                found = [told_the_truth(sight, own, halves, train, test, kind) for sight, halves in sights]
        for (begin, end, last), one, other in zip(test[1], *found, strict=True):
            moved = np.abs(test[0][begin:end] - own[begin:end]) / step
            rows.append(
                {
                    "kind": kind,
                    "quantity": quantity,
                    "unchanged": not np.nanmax(moved, initial=0.0) > 0.5,
                    "one step": not np.nanmax(moved, initial=0.0) > 1.5,
                    "larger": large[kind, begin, end],
                    **dict(zip(LEARNER, one or other or (float("nan"),) * len(LEARNER), strict=True)),
                    "ours": bool(hits[begin:last].any()),
                }
            )
    return rows


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("healthy", type=Path)
    parser.add_argument("injected", type=Path)
    parser.add_argument("--injector", type=Path, required=True)
    parser.add_argument("--flags", type=Path, help="folder of <name>.flags.csv")
    parser.add_argument("--only", default="", help="series whose name holds this text")
    parser.add_argument("--seeds", type=int, default=6, help="training faults: how many times the injector is run")
    parser.add_argument("--jobs", type=int, default=2)
    a = parser.parse_args()
    jobs = [
        (a.healthy / path.name, path, quantity, a.injector, a.flags, a.seeds)
        for path in sorted(a.injected.glob("*.csv.gz"))
        if a.only in path.name and (a.healthy / path.name).exists()
        for quantity in dict.fromkeys(read(path)[1]["quantity"])
    ]
    if not jobs:
        sys.stderr.write(
            f"no series is both in {a.healthy} and in {a.injected}; give two folders that hold the same <name>.csv.gz\n"
        )
        return 2
    with ProcessPoolExecutor(a.jobs) as pool:
        rows = [row for part in tqdm(pool.map(study, jobs), total=len(jobs), file=sys.stderr) for row in part]
    table = pd.DataFrame(rows)
    columns = ("injected", "quantity", "faults", *SHARES, "ours, of the larger", "ours, of the others")
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    groups = [((kind, "all"), part) for kind, part in table.groupby("kind")] + list(table.groupby(["kind", "quantity"]))
    for (kind, quantity), part in sorted(groups, key=lambda group: group[0]):
        shares = [part[name] for name in SHARES]
        shares += [part.loc[part["larger"], "ours"], part.loc[~part["larger"], "ours"]]
        cells = " | ".join(f"{share.mean():.2f}" if share.notna().any() else "–" for share in shares)
        print(f"| {kind} | {quantity} | {len(part)} | {cells} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
