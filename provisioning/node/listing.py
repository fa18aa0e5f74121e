"""``vuong node list``: the nodes that this laptop knows; with a gateway, how each stands now."""

from __future__ import annotations

import argparse
from typing import Any

from rich.table import Table

from provisioning.link.gateway import connected
from provisioning.link.line import run_loop
from provisioning.node.monitor import faults
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


async def statuses(session: Session, gateway: str) -> dict[str, dict[str, Any]]:
    """Return the newest status of each node of a gateway, as its broker keeps it."""
    async with connected(session.workspace, gateway) as connection:
        return dict(await connection.gather())


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Print them as a table."""
    nodes, now = Registry(session.workspace).nodes, SystemClock().now()
    live = run_loop(statuses(session, arguments.gateway)) if arguments.gateway else None
    columns = ("node", "pond", "gateway", "until", "state", *(("firmware", "now") if live is not None else ()))
    table = Table(*(session.text(f"list.{name}") for name in columns))
    for node, row in sorted(nodes.items(), key=lambda item: (item[1]["pond"], item[0])):
        cells = [node, row["pond"], row["gateway"], moment(row["until"], "%d/%m/%Y"), session.text(state(row, now))]
        if live is not None:
            status = live.get(node, {})
            said = faults(status, session) if status else session.text("list.unheard")
            cells += [str(status.get("firmware", "-")), session.text("list.well") if said == "-" else said]
        table.add_row(*cells)
    if not session.as_json:
        session.console.print(table if nodes else session.text("list.none"))
    rows = [
        {"node": node, **row} | ({"status": live.get(node)} if live is not None else {}) for node, row in sorted(nodes.items())
    ]
    session.result({"ok": True, "nodes": rows})
