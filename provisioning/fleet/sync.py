"""``vuong fleet sync``: what gateways and the cloud have not been told yet."""

from __future__ import annotations

import argparse

from provisioning.cloud import tell_cloud
from provisioning.failure import Exit
from provisioning.node.provision import open_authority, tell
from provisioning.registry import Registry
from provisioning.session import Session


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Tell one gateway of all its nodes, and the cloud; say what still waits."""
    registry = Registry(session.workspace)
    nodes = registry.pending(arguments.gateway) if arguments.gateway else []
    told = not arguments.gateway or tell(session, open_authority(arguments, session), registry, arguments.gateway, arguments.via)
    cloud = tell_cloud(session, registry)
    waiting = registry.waiting()
    for gateway, those in waiting.items():
        session.say("sync.waiting", gateway=gateway, count=len(those))
    if not waiting and not cloud["waiting"]:
        session.say("sync.all")
    well = told and not (arguments.cloud and cloud["waiting"])
    session.result({"ok": well, "gateway": arguments.gateway, "nodes": nodes, "told": told, "cloud": cloud, "waiting": waiting})
    return Exit.DONE if well else Exit.FAILED
