"""``vuong node doctor``: restart the node at the cable and say of each part whether it is well."""

from __future__ import annotations

import argparse

from provisioning.board import cable, port
from provisioning.failure import Exit
from provisioning.session import Session


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Print each part with its fault."""
    report = cable.self_test(port.find(arguments.port), arguments.wait)
    faults = cable.faults(report)
    for name in sorted(report.get("parts", {})):
        title = session.text(f"part.{name}") if name in {"config", "certificate", "program", "storage"} else name
        if name in faults:
            session.say("doctor.fault", part=title, fault=faults[name])
        else:
            session.say("doctor.well", part=title)
    session.say("doctor.node", node=report.get("node") or "-", firmware=report.get("firmware") or "-")
    session.result({"ok": not faults, "report": report, "faults": faults})
    return Exit.FAILED if faults else Exit.DONE
