"""``vuong node revoke``: a lost or stolen node is let in no more."""

from __future__ import annotations

import argparse

from provisioning.node.provision import open_authority, tell
from provisioning.registry import Registry, check_node
from provisioning.session import Session


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Revoke a node's certificates and tell its gateway."""
    node, registry = check_node(arguments.id), Registry(session.workspace)
    row = registry.known(node)
    authority = open_authority(arguments, session)
    count = authority.revoke(node)
    row.update(revoked=True, pending=row["pending"] or count > 0)
    registry.save()
    session.say("revoke.done", node=node, count=count)
    told = tell(session, authority, registry, row["gateway"], arguments.via)
    session.result({"ok": True, "node": node, "revoked": count, "told": told})
