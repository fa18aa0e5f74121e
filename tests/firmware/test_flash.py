"""The queue on MicroPython's own LittleFS: power cut at every flash operation, capacity and wear on a 4 MB part."""

from __future__ import annotations

import re
import subprocess

import pytest

from firmware.build import ROOT
from provisioning.image import layout

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


@pytest.mark.parametrize(("blocks", "samples"), [(448, 11520), (176, 5760)], ids=["standard", "ota"])
def test_a_month_fits_and_the_flash_lasts_ten_years(blocks: int, samples: int, capsys: pytest.CaptureFixture[str]) -> None:
    """On both file systems of a 4 MB part (`provisioning.image.layout`): 30 days at 15 min are 2,880 samples."""
    assert layout.known("ota" if blocks == 176 else "standard", 4 * layout.MIB).blocks == blocks
    told = run("hardware/wear.py", str(samples), str(blocks))
    with capsys.disabled():
        print(f"\n{blocks} blocks\n{told}")  # noqa: T201
    up, down = told.split("no link")
    assert "held 0 given up 0" in up
    assert f"samples stored {samples} held {samples} given up 0" in down
    years = [float(y) for y in re.findall(r"worst block has: ([\d.]+)", told)]
    assert len(years) == 2
    assert min(years) >= 10
