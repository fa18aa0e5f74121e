"""``vuong node config``: show or change a node's configuration: over the cable its file, through the gateway what it measures by."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any, Final

from firmware.settings import FIELDS
from provisioning.board import port, remote
from provisioning.failure import Exit, Failure, WrongCall
from provisioning.link.choose import gateway_of, patience
from provisioning.link.gateway import Gateway, connected, heard_next
from provisioning.link.line import run_loop
from provisioning.registry import check_node
from provisioning.session import MASK, Session
from vuong.clock import SystemClock
from vuong.contract import topics
from vuong.i18n import moment

# A node's identity and how it is reached belong together with its certificate: `vuong node provision` changes them.
CHANGEABLE: Final = {"interval": FIELDS["interval"]}


def hidden(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration that may be shown: without the networks' passwords."""
    return {**config, "networks": dict.fromkeys(config.get("networks", {}), MASK)}


def changed(config: dict[str, Any], assignment: str, fields: dict[str, tuple[int, int]]) -> dict[str, Any]:
    """Return a configuration with ``field=value`` in it.

    Raises
    ------
    WrongCall
        naming field, value and range
    """
    name, _, text = assignment.partition("=")
    if name not in fields:
        raise WrongCall("config_field", field=name, known=", ".join(sorted(fields)))
    low, high = fields[name]
    if not text.isdigit() or not low <= int(text) <= high:
        raise WrongCall("config_value", field=name, value=text, low=low, high=high)
    return {**config, name: int(text)}


def _show(session: Session, config: dict[str, Any]) -> None:
    for name, value in sorted(config.items()):
        session.say("show.row", name=name, value=value)


def _by_cable(arguments: argparse.Namespace, session: Session) -> None:
    where = port.find(arguments.port)
    try:
        config = json.loads(remote.read(where, "/config.json"))
    except ValueError as error:
        raise Failure("file_unreadable", file="config.json", problem=error) from None
    for assignment in arguments.set or ():
        config = changed(config, assignment, CHANGEABLE)
    if arguments.set:
        remote.write(where, "/config.json", json.dumps(config, sort_keys=True).encode())
        session.say("config.written")
    _show(session, hidden(config))
    session.result({"ok": True, "config": hidden(config)})


async def taken(gateway: Gateway, node: str, message: dict[str, Any], longest: float) -> dict[str, Any]:
    """Publish a configuration, retained, and wait until the node's status says that it has taken it; return that status.

    Raises
    ------
    Failure
        ``config_refused`` with the node's reason, ``config_waits`` where the node did not come on the air: it takes it when it does
    """
    deadline = time.monotonic() + longest
    async with gateway.listening() as ear:
        await gateway.publish(node, topics.CONFIG, message, retain=True)
        while (heard := await heard_next(ear, deadline - time.monotonic())) is not None:
            if heard.node != node or heard.channel != topics.STATUS or heard.retained:
                continue
            status = heard.json()
            if status.get("config") == message["version"]:
                return status
            if status.get("refused"):
                raise Failure("config_refused", node=node, reason=status["refused"])
    raise Failure("config_waits", node=node, version=message["version"], minutes=max(1, round(longest / 60)))


async def _remote(arguments: argparse.Namespace, session: Session) -> None:
    node = check_node(arguments.node)
    async with connected(session.workspace, gateway_of(session.workspace, node, arguments.gateway)) as gateway:
        status = (await gateway.gather()).get(node, {})
        kept = gateway.configs.get(node, {})
        if not arguments.set:
            _show(session, {**kept, "taken": status.get("config", "-"), "refused": status.get("refused") or "-"})
            session.result(
                {"ok": True, "node": node, "config": kept, "taken": status.get("config"), "refused": status.get("refused")}
            )
            return
        # What the broker keeps is the newest message alone: a node that missed one before must find all of it here.
        message = {name: value for name, value in kept.items() if name in FIELDS}
        for assignment in arguments.set:
            message = changed(message, assignment, FIELDS)
        message["version"] = 1 + max(int(kept.get("version", 0)), int(status.get("config") or 0))
        longest = patience(session.workspace, node, gateway, arguments.wait)
        session.waiting("config.waiting", node=node, until=moment(SystemClock().now() + longest, "%H:%M:%S"))
        await taken(gateway, node, message, longest)
        session.say("config.taken", node=node, version=message["version"])
        _show(session, message)
        session.result({"ok": True, "node": node, "config": message, "taken": message["version"]})


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Show, or change with ``--set``."""
    if arguments.node is None:
        _by_cable(arguments, session)
    else:
        run_loop(_remote(arguments, session))
    return Exit.DONE
