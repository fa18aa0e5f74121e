"""``vuong fleet completion``: completion of every ``vuong`` command for the shell."""

from __future__ import annotations

import argparse

import shtab

from provisioning.session import Session
from vuong.command import build_parser


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Print the script that the shell reads."""
    parser = build_parser()
    parser.prog = "vuong"
    script = shtab.complete(parser, arguments.shell)
    if not session.as_json:
        session.console.out(script, highlight=False)
    session.result({"ok": True, "shell": arguments.shell, "script": script})
