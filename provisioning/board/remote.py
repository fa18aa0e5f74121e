"""Files on the node over the cable, by mpremote."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from provisioning.board import port as ports
from provisioning.failure import Failure


def mpremote(port: str, *words: str, seconds: float = 60.0) -> str:
    """Run one mpremote command and return what it printed.

    Raises
    ------
    Failure
        if the port cannot be used, or the node does not let itself be interrupted
    """
    command = [sys.executable, "-m", "mpremote", "connect", port, "resume", *words]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise Failure("remote", port=port, problem=f"{seconds:.0f} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        last = said.splitlines()[-1] if said else f"exit code {done.returncode}"
        if "failed to access" in said or "no device found" in said:
            raise ports.failure(port, OSError(2 if not Path(port).exists() else 16, last))
        raise Failure("remote", port=port, problem=last)
    return done.stdout


def read(port: str, path: str) -> bytes:
    """Return a file of the node."""
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "file"
        mpremote(port, "fs", "cp", f":{path}", str(local))
        return local.read_bytes()


def write(port: str, path: str, content: bytes) -> None:
    """Replace a file of the node: written whole under another name, then renamed, as the node itself does."""
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "file"
        local.touch(mode=0o600)
        local.write_bytes(content)
        mpremote(port, "fs", "cp", str(local), f":{path}.new")
    mpremote(port, "exec", f"import os; os.rename({path + '.new'!r}, {path!r})")
