"""The comparison of model and recording: statistics, picture, command."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from models.compare import QUANTITIES, Record, main, modelled, statistics
from models.pond import estuary

START = 1_325_394_000  # 2012-01-01T05:00:00Z


def test_statistics_of_a_known_wave() -> None:
    """Oxygen that peaks at 15 h with an amplitude of 2, pH in step with it."""
    hours = (np.arange(96 * 20) * 900 + START) / 3600 - 84.9 / 15
    wave = np.cos(2 * np.pi * (hours - 15) / 24)
    columns = {"temperature": 20 + wave, "do": 6 + 2 * wave, "ph": 8 + 0.3 * wave, "salinity": 25 + 0 * wave + hours % 2}
    found = statistics(Record(START, -84.9, columns))
    assert found["do mean"] == pytest.approx(6, abs=0.01)
    assert found["do daily range"] == pytest.approx(4, abs=0.01)
    assert found["do highest at"] == pytest.approx(15, abs=0.5)
    assert found["do lowest at"] == pytest.approx(3, abs=0.5)
    assert found["do correlation after 24 h"] == pytest.approx(1, abs=0.001)
    assert found["do correlation after 6 h"] == pytest.approx(0, abs=0.02)
    assert found["do with ph within a day"] == pytest.approx(1, abs=0.001)


@pytest.mark.slow
def test_the_modelled_bay_looks_like_cat_point() -> None:
    """Bounds around the recorded year's figures in docs/pond-model.md."""
    found = statistics(modelled(estuary(), 1, START, 96 * 180))
    assert 1.5 < found["do daily range"] < 4
    assert 0.3 < found["do mean day's range"] < 1.2
    assert 12 <= found["do highest at"] <= 17
    assert found["do lowest at"] <= 8
    assert 0.85 < found["do correlation after 15 min"] < 0.98
    assert 0.3 < found["do change in 15 min"] < 0.9
    assert 0.2 < found["ph daily range"] < 0.6
    assert 0.4 < found["do with ph within a day"] < 0.85
    assert 3 < found["salinity daily range"] < 9
    assert 0.7 < found["temperature daily range"] < 2


@pytest.mark.slow
def test_the_command_prints_a_table_and_draws_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = modelled(estuary(), 2, START, 96 * 12)
    lines = ["time," + ",".join(QUANTITIES)]
    for row in range(96 * 12):
        time = datetime.fromtimestamp(START + row * 900, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append(time + "," + ",".join(f"{record.columns[name][row]:.1f}" for name in QUANTITIES))
    lines.insert(5, "never,1,2,3,4")
    path = tmp_path / "bay.csv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    labels = tmp_path / "bay.labels.csv"
    labels.write_text(
        "start,end,quantity,kind\n2012-01-02T00:00:00Z,2012-01-02T06:00:00Z,do,fault\n2012-01-02T00:00:00Z,2012-01-02T06:00:00Z,depth,fault\n"
    )
    out = tmp_path / "docs" / "picture.png"
    assert main([str(path), "--labels", str(labels), "--out", str(out), "--days", "10"]) == 0
    printed = capsys.readouterr()
    assert "| do daily range |" in printed.out
    assert "Line 6: time is 'never'" in printed.err
    assert out.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_file_that_is_no_series_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err
