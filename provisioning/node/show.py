"""``vuong node show``: what this laptop knows of one node; with a gateway, its newest status."""

from __future__ import annotations

import argparse

from provisioning.link.line import run_loop
from provisioning.node.config import hidden
from provisioning.node.listing import state, statuses
from provisioning.registry import Registry, check_node
from provisioning.session import Session
from provisioning.workspace import read_json
from vuong.clock import SystemClock
from vuong.i18n import moment


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Print its row and its configuration without secrets."""
    node = check_node(arguments.id)
    row = Registry(session.workspace).known(node)
    config = hidden(read_json(session.workspace.node(node) / "config.json"))
    session.say("show.row", name=session.text("list.state"), value=session.text(state(row, SystemClock().now())))
    session.say("show.row", name=session.text("list.until"), value=moment(row["until"], "%d/%m/%Y"))
    for name, value in sorted(config.items()):
        session.say("show.row", name=name, value=value)
    status = run_loop(statuses(session, arguments.gateway)).get(node) if arguments.gateway else None
    if arguments.gateway and status is None:
        session.say("show.row", name=session.text("list.now"), value=session.text("list.unheard"))
    for name, value in sorted((status or {}).items()):
        session.say("show.row", name=f"status.{name}", value=value)
    session.result({"ok": True, "node": node, **row, "config": config} | ({"status": status} if arguments.gateway else {}))
