"""``vuong node list``: the nodes that this laptop knows."""

from __future__ import annotations

import argparse

from rich.table import Table

from provisioning.registry import Registry
from provisioning.session import Session
from vuong.clock import SystemClock
from vuong.i18n import moment


def state(row: dict[str, object], now: float) -> str:
    """Return the text key of how a node stands."""
    if row["revoked"]:
        return "list.revoked"
    if float(str(row["until"])) < now:
        return "list.expired"
    return "list.pending" if row["pending"] else "list.registered"


def run(arguments: argparse.Namespace, session: Session) -> None:  # noqa: ARG001
    """Print them as a table."""
    nodes, now = Registry(session.workspace).nodes, SystemClock().now()
    table = Table(*(session.text(f"list.{name}") for name in ("node", "pond", "gateway", "until", "state")))
    for node, row in sorted(nodes.items(), key=lambda item: (item[1]["pond"], item[0])):
        table.add_row(node, row["pond"], row["gateway"], moment(row["until"], "%d/%m/%Y"), session.text(state(row, now)))
    if not session.as_json:
        session.console.print(table if nodes else session.text("list.none"))
    session.result({"ok": True, "nodes": [{"node": node, **row} for node, row in sorted(nodes.items())]})
