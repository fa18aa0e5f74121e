"""A gateway that was off-line for days empties its outbox into a real cloud process while live samples go on coming in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "drain.py"


def test_nothing_is_lost_and_nothing_starves() -> None:
    command = [sys.executable, str(BENCHMARK), "--days", "2", "--nodes", "50", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["samples"] - found["live_samples"] == 2 * 288 * 50
    assert (found["lost"], found["doubled"]) == (0, 0)
    assert found["alarms_stored"] == found["alarms"]
    assert found["first_requests"][0] == "alarms", "what somebody may have to act on goes first"
    assert found["readings_per_second"] >= 5000
    assert found["live_samples"] > 0
    assert found["live_p99_s"] < 10
    assert found["bytes_per_reading"] < 6
