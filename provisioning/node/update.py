"""``vuong node update``: a new program onto one node or many, over the air or by cable; one node proves it first."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from provisioning.board import cable, port
from provisioning.failure import Exit, Failure, WrongCall
from provisioning.image import build
from provisioning.link.cable import CableNode
from provisioning.link.choose import awake, gateway_of
from provisioning.link.gateway import Gateway, RemoteNode, connected, heard_next, suppress_silence
from provisioning.link.line import run_loop
from provisioning.link.update import Package, package, send, version_here
from provisioning.node.provision import open_authority
from provisioning.registry import Registry, check_node
from provisioning.session import Session
from vuong.clock import SystemClock
from vuong.contract import topics
from vuong.i18n import moment, number

_CABLE_START: Final = 30.0  # s for the restarted node to say its self-test


async def proved(
    gateway: Gateway, node: str, version: str, before: dict[str, Any], longest: float, tell: Callable[[str], None]
) -> None:
    """Wait until a node runs `version` and the gateway has acknowledged a sample of that run.

    Parameters
    ----------
    before : the node's status before the update
    tell : called with the text key of each stage

    Raises
    ------
    Failure
        ``taken_back`` where the node came back with another version, ``not_back`` where it did not come back, ``not_proved`` where it runs the new
        version but the gateway acknowledged nothing
    """
    deadline, boot = time.monotonic() + longest, None
    acknowledged: set[int] = set()
    async with gateway.listening() as ear:
        while (heard := await heard_next(ear, deadline - time.monotonic())) is not None:
            if heard.node != node or heard.retained:
                continue
            said = heard.json()
            if heard.channel == topics.STATUS and said.get("state") == "online" and said.get("mode") != "update":
                if said.get("firmware") == version and said.get("boot") != boot:
                    boot = said.get("boot")
                    tell("update.back")
                elif said.get("firmware") != version and (boot is not None or said.get("boot") != before.get("boot")):
                    raise Failure("taken_back", node=node, version=version, running=said.get("firmware"))
            elif heard.channel == topics.ACK and isinstance(said.get("boot"), int):
                acknowledged.add(said["boot"])
            if boot is not None and boot in acknowledged:
                return
    raise Failure(
        "not_proved" if boot is not None else "not_back", node=node, version=version, minutes=max(1, round(longest / 60))
    )


async def _over_the_air(session: Session, gateway: Gateway, node: str, what: Package, arguments: argparse.Namespace) -> int:
    """Update one node and wait for the proof; return the byte from which on it was sent."""
    line: RemoteNode = await awake(session, gateway, node, arguments.wait)
    before = dict(gateway.statuses.get(node, {}))

    async def again() -> None:
        await awake(session, gateway, node, arguments.wait)

    with session.progress("update.sending", len(what.content)) as report:
        begun = await send(line, what, report, again)
    session.say("update.sent", node=node, size=number(len(what.content) / 1024, 0, session.language))
    proving = asyncio.create_task(
        proved(
            gateway, node, what.version, before, arguments.prove, lambda key: session.say(key, node=node, version=what.version)
        )
    )
    try:
        await asyncio.sleep(0)  # it listens before the node is told to start anew
        with suppress_silence():  # it may be on its way already
            await line.ask("restart")
        session.waiting("update.proving", node=node, until=moment(SystemClock().now() + arguments.prove))
        await proving
    finally:
        proving.cancel()
    session.say("update.proved", node=node, version=what.version)
    return begun


async def _air(arguments: argparse.Namespace, session: Session, nodes: list[str], what: Package) -> dict[str, Any]:
    """Update the first, then the others; stop at the first that does not prove it."""
    done: list[str] = []
    skipped: list[str] = []
    resumed: dict[str, int] = {}
    async with connected(session.workspace, gateway_of(session.workspace, nodes[0], arguments.gateway)) as gateway:
        await gateway.gather()
        for node in nodes:
            if gateway.statuses.get(node, {}).get("firmware") == what.version:
                session.say("update.has", node=node, version=what.version)
                skipped.append(node)
                continue
            if not done and len(nodes) > 1:
                session.say("update.canary", node=node, rest=len(nodes) - 1)
            try:
                if begun := await _over_the_air(session, gateway, node, what, arguments):
                    resumed[node] = begun
            except Failure as failure:
                left = [other for other in nodes if other not in (*done, *skipped, node)]
                if left:
                    session.say("update.stopped", left=", ".join(left))
                failure.numbers.setdefault("node", node)
                raise
            done.append(node)
    return {"updated": done, "had_it": skipped, "resumed_at": resumed}


async def _cable(session: Session, where: str, what: Package) -> dict[str, Any]:
    line = await CableNode.connect(where)
    restart = True
    try:
        with session.progress("update.sending", len(what.content)) as report:
            await send(line, what, report)
        session.say("update.sent", node=line.node, size=number(len(what.content) / 1024, 0, session.language))
        restart = False  # each start on trial counts: there is to be one
        heard = await line.restarted(_CABLE_START)
    finally:
        await line.close(restart=restart)
    faults = cable.faults(heard)
    if faults:
        raise Failure("self_test", faults="; ".join(f"{name}: {fault}" for name, fault in faults.items()))
    if heard.get("firmware") != what.version:
        raise Failure("taken_back", node=line.node, version=what.version, running=heard.get("firmware"))
    session.say("update.on_trial", node=line.node, version=what.version)
    return {"updated": [line.node], "had_it": [], "self_test": heard}


def chosen(arguments: argparse.Namespace, session: Session) -> list[str]:
    """Return the nodes to update over the air, the canary first; empty for the one at the cable.

    Raises
    ------
    WrongCall
        if one is not known, or the canary is none of them
    """
    nodes = [check_node(text) for text in (arguments.node or "").split(",") if text]
    if arguments.all:
        rows = Registry(session.workspace).nodes.items()
        host = (arguments.gateway or "").partition(":")[0]
        nodes = sorted(node for node, row in rows if not row["revoked"] and (not host or row["gateway"] == host))
        if not nodes:
            raise WrongCall("update_none")
    nodes = list(dict.fromkeys(nodes))
    if arguments.canary:
        first = check_node(arguments.canary)
        if first not in nodes:
            raise WrongCall("canary_unknown", node=first)
        nodes = [first, *(node for node in nodes if node != first)]
    return nodes


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Compile, sign, send; wait for the proof."""
    nodes = chosen(arguments, session)
    where = None if nodes else port.find(arguments.port)
    authority = open_authority(arguments, session)
    version = version_here()
    what = package(authority, build.program(build.compiled()), version)
    session.say("update.package", version=version, size=number(len(what.content) / 1024, 0, session.language))
    found = run_loop(_air(arguments, session, nodes, what) if where is None else _cable(session, where, what))
    session.result({"ok": True, "version": version, "size": len(what.content), **found})
    return Exit.DONE
