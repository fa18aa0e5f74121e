"""``vuong gateway setup``: a fresh Raspberry Pi OS or Debian becomes a gateway; a second run changes nothing and says so."""

from __future__ import annotations

import argparse
import os
import re
import socket
import struct
from pathlib import Path

from provisioning import secrets
from provisioning.failure import Exit, Failure, WrongCall
from provisioning.gateway.steps import STEPS, Wanted, about, booted
from provisioning.session import Session


def _check_machine() -> None:
    release = Path("/etc/os-release").read_text(encoding="utf-8") if Path("/etc/os-release").exists() else ""
    if not re.search(r'^(ID|ID_LIKE)="?.*debian', release, re.MULTILINE):
        raise Failure("not_debian")
    if struct.calcsize("P") != 8:
        raise Failure("not_64_bit")


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Do, or with ``--check`` only tell, what is missing."""
    _check_machine()
    if os.geteuid() != 0:
        raise WrongCall("not_root")
    pin = secrets.ask(session, "ask.pin", file=arguments.pin_file) if arguments.pin_file else None
    identity = arguments.id or about(arguments.bundle).get("id") or f"gw-{socket.gethostname()}"
    wanted = Wanted(identity, arguments.bundle, pin)
    missing: dict[str, list[str]] = {}
    for step in STEPS:
        lacking = step.missing(wanted)
        title = session.text(f"setup.{step.name}")
        if not lacking:
            session.say("setup.same", step=title)
            continue
        missing[step.name] = lacking
        if arguments.check:
            session.say("setup.missing", step=title, what=", ".join(lacking))
            continue
        step.do(wanted)
        session.say("setup.done", step=title, what=", ".join(lacking))
        if left := step.missing(wanted):
            raise Failure("step_left", step=title, what=", ".join(left))
    if not booted():
        session.say("setup.unbooted")
    key = "setup.nothing" if not missing else "setup.lacking" if arguments.check else "setup.finished"
    session.say(key, count=len(missing))
    lacking_after_check = bool(missing) and arguments.check
    session.result({"ok": not lacking_after_check, "changed" if not arguments.check else "missing": missing})
    return Exit.FAILED if lacking_after_check else Exit.DONE
