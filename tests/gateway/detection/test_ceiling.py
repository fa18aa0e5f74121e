"""What the benchmark of the ceiling says of faults whose answer is known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

COMMAND = Path(__file__).parents[3] / "benchmarks" / "ceiling.py"
# puts a spike of 3 into the temperature every third day, as the real injector does with spikes of many sizes
INJECTOR = """
import pandas as pd

def inject(frame, seed, per_month):
    out, at = frame.copy(), range(700 + seed % 7, len(frame) - 100, 288)
    for i in at:
        out.iloc[i, 0] += 3.0
    rows = [(out.index[i], out.index[i], "temperature", "spike") for i in at]
    return out, pd.DataFrame(rows, columns=["start", "end", "quantity", "kind"])
"""


def write(path: Path, frame: pd.DataFrame) -> None:
    path.parent.mkdir()
    frame.to_csv(path, index_label="time", date_format="%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.slow
def test_a_fault_below_the_resolution_is_out_of_reach_and_a_tall_spike_is_not(tmp_path: Path) -> None:
    times = pd.date_range("2026-01-01", periods=60 * 96, freq="15min", tz="UTC")
    hours, random = np.arange(len(times)) / 4.0, np.random.default_rng(1)
    temperature = 28.0 + 2.0 * np.sin(hours * np.pi / 12.0) + random.normal(0.0, 0.1, len(times))
    healthy = pd.DataFrame({"temperature": temperature.round(1), "do": (6.0 + 0.5 * temperature).round(1)}, index=times)
    write(tmp_path / "healthy" / "pond.csv.gz", healthy)
    faulty, heights = healthy.copy(), {1500: 0.04, 2200: 3.0, 3500: 3.0, 4200: 0.06}
    for at, height in heights.items():
        faulty.iloc[at, 0] += height
    write(tmp_path / "injected" / "pond.csv.gz", faulty)
    marks = [(times[at], times[at], "temperature", "spike") for at in heights]
    pd.DataFrame(marks, columns=["start", "end", "quantity", "kind"]).to_csv(
        tmp_path / "injected" / "pond.labels.csv", index=False
    )
    (tmp_path / "inject.py").write_text(INJECTOR, encoding="utf-8")
    told = subprocess.run(
        [
            sys.executable,
            COMMAND,
            tmp_path / "healthy",
            tmp_path / "injected",
            "--injector",
            tmp_path / "inject.py",
            "--seeds",
            "2",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    head, row = told.stdout.splitlines()[0], next(line for line in told.stdout.splitlines() if "| spike | temperature |" in line)
    cells = dict(zip(head.split(" | ")[2:], row.split(" | ")[2:], strict=True))
    # 0.04 is rounded away, 0.06 is one step; both spikes of 3 are larger than anything the probe does, and learnable
    assert (cells["faults"], cells["unchanged"], cells["one step"], cells["larger"]) == ("4", "0.25", "0.50", "0.50")
    assert float(cells["learner at 1"]) >= 0.5
