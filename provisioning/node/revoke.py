"""``vuong node revoke``: a lost or stolen node is let in no more."""

from __future__ import annotations

import argparse

from provisioning import authority as authorities
from provisioning.cloud import tell_cloud
from provisioning.node.provision import ask_passphrase, tell, whole_change
from provisioning.registry import Registry, check_node
from provisioning.session import Session
from vuong.clock import SystemClock


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Revoke a node's certificates, tell its gateway and the cloud."""
    node = check_node(arguments.id)
    Registry(session.workspace).known(node)
    passphrase = ask_passphrase(arguments, session)
    with whole_change(session, passphrase) as (_, authority, registry):
        row, count = registry.known(node), authority.revoke(node)
        row.update(
            revoked=True,
            reason=arguments.reason or row.get("reason"),
            pending=row["pending"] or count > 0,
            cloud_pending=row.get("cloud_pending", True) or count > 0,
        )
        registry.save()
    session.say("revoke.done", node=node, count=count)
    authority, registry = authorities.unlock(session.workspace, passphrase, SystemClock()), Registry(session.workspace)
    told = tell(session, authority, registry, row["gateway"], arguments.via)
    session.result({"ok": True, "node": node, "revoked": count, "told": told, "cloud": tell_cloud(session, registry)})
