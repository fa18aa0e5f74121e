"""``vuong fleet init``: the co-op's CA."""

from __future__ import annotations

import argparse

from provisioning import authority, secrets
from provisioning.node.provision import PASSPHRASE
from provisioning.session import Session
from vuong.clock import SystemClock


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Make it; its passphrase is typed twice."""
    passphrase = secrets.ask(session, "ask.new_passphrase", file=arguments.passphrase_file, variable=PASSPHRASE, twice=True)
    authority.create(session.workspace, arguments.name, passphrase, SystemClock())
    session.say("init.done", name=arguments.name, place=session.workspace.authority)
    session.result({"ok": True, "folder": str(session.workspace.authority)})
