"""From what was typed to a node that answers: through the gateway, where it may have to be waited for, or over the cable."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from provisioning.board import port as ports
from provisioning.failure import WrongCall
from provisioning.link.cable import CableNode
from provisioning.link.gateway import Gateway, RemoteNode, connected
from provisioning.link.identity import PORT
from provisioning.registry import check_node
from provisioning.session import Session
from provisioning.workspace import Workspace, read_json
from vuong.clock import SystemClock
from vuong.i18n import moment

_INTERVAL: Final = 900


def described(workspace: Workspace, node: str) -> dict[str, object]:
    """Return the configuration with which this laptop provisioned a node, empty where it did not."""
    return read_json(workspace.node(node) / "config.json")


def gateway_of(workspace: Workspace, node: str | None, given: str | None) -> str:
    """Return ``HOST:PORT`` of the gateway: what was typed, else that of the node.

    Raises
    ------
    WrongCall
        if neither is known
    """
    if given:
        return given
    found = described(workspace, node) if node else {}
    if "broker" not in found:
        raise WrongCall("gateway_unnamed")
    return f"{found['broker']}:{found.get('port', PORT)}"


def patience(workspace: Workspace, node: str, gateway: Gateway, given: float | None) -> float:
    """Return how long a node may sleep, s: what was typed, else a little more than two of its intervals."""
    if given is not None:
        return given
    for source in (gateway.configs.get(node, {}), described(workspace, node)):
        interval = source.get("interval")
        if isinstance(interval, int):
            return 2.0 * interval + 60
    return 2.0 * _INTERVAL + 60


async def awake(session: Session, gateway: Gateway, node: str, wait: float | None) -> RemoteNode:
    """Return a node that stays on the air; tell people what is waited for, and until when.

    Raises
    ------
    Failure
        if it does not come on the air in time
    """
    found = RemoteNode(gateway, node)
    await gateway.gather()
    longest = patience(session.workspace, node, gateway, wait)
    until = moment(SystemClock().now() + longest, "%H:%M:%S")
    await found.reach(longest, lambda: session.waiting("link.waiting", node=node, until=until))
    return found


@asynccontextmanager
async def opened(arguments: argparse.Namespace, session: Session) -> AsyncIterator[RemoteNode | CableNode]:
    """Yield the node that was named with ``--node`` (through its gateway), else the one at the cable."""
    if arguments.node is None:
        if arguments.gateway is not None:
            raise WrongCall("node_unnamed")
        where = ports.find(arguments.port)
        session.say("link.cable", port=where)
        cable = await CableNode.connect(where)
        try:
            yield cable
        finally:
            await cable.close()
        return
    node = check_node(arguments.node)
    async with connected(session.workspace, gateway_of(session.workspace, node, arguments.gateway)) as gateway:
        session.say("link.gateway", node=node, host=gateway.host)
        yield await awake(session, gateway, node, arguments.wait)
