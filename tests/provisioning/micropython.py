"""The real MicroPython (32-bit words, heap of 128 KB, because all byte code lies in it: docs/firmware.md) started on a flash image."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from firmware.build import ROOT

MICROPYTHON = ROOT / ".micropython" / "micropython"
BOARD = Path(__file__).with_name("board.py")
HEAP = "heapsize=128k"

needs_micropython = pytest.mark.skipif(
    not MICROPYTHON.exists(), reason="LEFT OUT: no MicroPython here; run scripts/micropython_root.sh .micropython"
)


def boot(flash: Path, offset: int, size: int) -> dict[str, Any]:
    """Boot a flash and return the node's self-test."""
    done = subprocess.run(
        [MICROPYTHON, "-X", HEAP, BOARD, flash, str(offset), str(size)], capture_output=True, text=True, timeout=30, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("VUONG ")]
    assert lines, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(lines[0].removeprefix("VUONG "))
    return found
