"""The budgets of the record, by the very benchmarks that print them, with room for a machine that does other work meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
_BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
_ROOM = 4  # other tests run beside this one on the same two cores


def printed(name: str, *options: str) -> list[dict[str, Any]]:
    """Return what a benchmark prints of each store."""
    if not list(Path("/usr/lib/postgresql").glob("*/bin")):
        pytest.skip("LEFT OUT: PostgreSQL is not installed here (Debian: postgresql), which the benchmark also measures")
    command = [sys.executable, str(_BENCHMARKS / name), *options, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    found = json.loads(done.stdout)
    return found if isinstance(found, list) else list(found["results"])


def test_questions_of_ten_thousand_ponds_are_answered_in_their_time() -> None:
    rows = printed("query.py", "--points", "400000")
    assert [row["store"] for row in rows] == ["SQLite", "PostgreSQL"]
    for row in rows:
        for question, budget in (("latest", 50), ("list", 50), ("day", 20), ("month", 30)):
            assert row[f"{question}_ms"][0] < budget * _ROOM, (row["store"], question)


def test_a_hundred_thousand_points_a_second_come_in_over_http() -> None:
    rows = printed("ingest.py", "--points", "600000")
    assert [row["store"] for row in rows] == ["SQLite", "PostgreSQL"]
    for row in rows:
        assert row["http"] > 100_000 / _ROOM, row
