"""The queue on MicroPython's own LittleFS: power cut at every flash operation, capacity and wear on a 4 MB part."""

from __future__ import annotations

import re
import subprocess

import pytest

from firmware.build import ROOT

MICROPYTHON = ROOT / ".micropython" / "micropython"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not MICROPYTHON.exists(), reason="LEFT OUT: no MicroPython here; run scripts/micropython_root.sh .micropython"
    ),
]


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [MICROPYTHON, "-X", "heapsize=12M", ROOT / program, *arguments],
        env={"MICROPYPATH": f"{ROOT}:.frozen"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_power_cut_at_every_erase_and_program() -> None:
    told = run("tests/firmware/power_cuts.py", "0", "100000")
    operations, cuts = (int(re.search(rf"{word} (\d+)", told)[1]) for word in ("operations", "cuts"))  # type: ignore[index]
    assert cuts == operations > 300


def test_a_month_fits_four_times_and_the_flash_lasts_ten_years(capsys: pytest.CaptureFixture[str]) -> None:
    told = run("hardware/wear.py")
    with capsys.disabled():
        print("\n" + told)  # noqa: T201
    up, down = told.split("no link")
    assert "held 0 given up 0" in up
    assert "samples stored 11520 held 11520 given up 0" in down
    years = [float(y) for y in re.findall(r"worst block has: ([\d.]+)", told)]
    assert len(years) == 2
    assert min(years) >= 10
