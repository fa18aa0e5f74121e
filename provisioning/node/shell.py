"""``vuong node shell``: MicroPython's own prompt on the node, by mpremote."""

from __future__ import annotations

import argparse
import subprocess
import sys

from provisioning.board import port
from provisioning.failure import Exit
from provisioning.session import Session


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Hand the terminal over until Ctrl-]."""
    where = port.find(arguments.port)
    session.say("shell.open", port=where)
    done = subprocess.run([sys.executable, "-m", "mpremote", "connect", where, "resume", "repl"], check=False)  # noqa: S603
    return Exit.DONE if done.returncode == 0 else Exit.FAILED
