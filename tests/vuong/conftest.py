"""The real MicroPython, for what runs on the node too."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def micropython() -> Callable[[str], object]:
    """Return a function that runs a script under MicroPython with a 64 KB heap and returns the JSON that it prints."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        pytest.skip("LEFT OUT: MicroPython needs apt and dpkg (Debian)")
    folder = ROOT / ".micropython"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # xdist's workers would unpack it at the same time
        subprocess.run([ROOT / "scripts" / "micropython_root.sh", folder], check=True, capture_output=True)

    def run(script: str) -> object:
        done = subprocess.run(
            [folder / "micropython", "-X", "heapsize=64k", "-c", script],
            env={**os.environ, "MICROPYPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    return run
