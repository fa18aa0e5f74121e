"""The timed rehearsal as a test: a bare board's reading is on the gateway's page in far less than ten minutes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from firmware.version import VERSION
from tests.e2e.ten_minutes import MOSQUITTO, NODE, POND, Rehearsal
from tests.provisioning.micropython import needs_micropython

pytestmark = [
    pytest.mark.slow,
    needs_micropython,
    pytest.mark.skipif(MOSQUITTO is None, reason="LEFT OUT: Mosquitto is not installed: scripts/install_test_system.sh"),
]


def test_from_a_bare_board_to_a_reading_on_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rehearsal = Rehearsal(tmp_path)
    reading = rehearsal.run()
    assert reading["value"] == pytest.approx(7.0, abs=0.05)  # the stand-in's 1500 mV
    assert rehearsal.calibration["ok"] is True
    known = rehearsal.registered
    row = json.loads((tmp_path / "laptop" / "registry.json").read_text(encoding="utf-8"))["nodes"][NODE]
    assert (known["pond"], known["gateway"], known["probes"], known["certificate"]) == (
        POND,
        "gw-localhost",
        ["ph"],
        row["certificate"],
    )
    assert known["firmware"] == VERSION  # as the flashed node itself said over the cable
    assert (tmp_path / "label.pdf").read_bytes().startswith(b"%PDF")
    with capsys.disabled():
        for name, seconds in rehearsal.times.items():
            sys.stdout.write(f"\n{seconds:7.1f} s  {name}")
    assert sum(rehearsal.times.values()) < 300
