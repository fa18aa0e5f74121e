"""The real MicroPython (32-bit words, a heap of 64 KB) started on a flash image."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.firmware.boards import ENVIRONMENT, MICROPYTHON, command, stand_ins

HEAP = "64k"

needs_micropython = pytest.mark.skipif(
    not MICROPYTHON.exists(), reason="LEFT OUT: no MicroPython here; run scripts/micropython_root.sh .micropython"
)


def boot(flash: Path, folder: Path) -> dict[str, Any]:
    """Boot a flash and return the node's self-test."""
    stand_ins(folder)
    done = subprocess.run(command(flash, folder, HEAP), env=ENVIRONMENT, capture_output=True, text=True, timeout=30, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("VUONG ")]
    assert lines, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(lines[0].removeprefix("VUONG "))
    return found
