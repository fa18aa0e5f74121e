"""``vuong fleet sync``: what a gateway has not been told yet."""

from __future__ import annotations

import argparse

from provisioning.failure import Exit
from provisioning.node.provision import open_authority, tell
from provisioning.registry import Registry
from provisioning.session import Session


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Tell one gateway of all its nodes."""
    registry = Registry(session.workspace)
    waiting = registry.pending(arguments.gateway)
    told = tell(session, open_authority(arguments, session), registry, arguments.gateway, arguments.via)
    session.result({"ok": told, "gateway": arguments.gateway, "nodes": waiting, "told": told})
    return Exit.DONE if told else Exit.FAILED
