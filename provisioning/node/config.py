"""``vuong node config``: show or change a field of the node's configuration over the cable."""

from __future__ import annotations

import argparse
import json
from typing import Any

from provisioning.board import port, remote
from provisioning.failure import Failure, WrongCall
from provisioning.session import MASK, Session

# A node's identity and how it is reached belong together with its certificate: `vuong node provision` changes them.
CHANGEABLE = {"interval": (10, 86_400)}


def hidden(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration that may be shown: without the networks' passwords."""
    return {**config, "networks": dict.fromkeys(config.get("networks", {}), MASK)}


def changed(config: dict[str, Any], assignment: str) -> dict[str, Any]:
    """Return a configuration with ``field=value`` in it.

    Raises
    ------
    WrongCall
        naming field, value and range
    """
    name, _, text = assignment.partition("=")
    if name not in CHANGEABLE:
        raise WrongCall("config_field", field=name, known=", ".join(CHANGEABLE))
    low, high = CHANGEABLE[name]
    if not text.isdigit() or not low <= int(text) <= high:
        raise WrongCall("config_value", field=name, value=text, low=low, high=high)
    return {**config, name: int(text)}


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Read the file; write it back with the change."""
    where = port.find(arguments.port)
    try:
        config = json.loads(remote.read(where, "/config.json"))
    except ValueError as error:
        raise Failure("file_unreadable", file="config.json", problem=error) from None
    for assignment in arguments.set or ():
        config = changed(config, assignment)
    if arguments.set:
        remote.write(where, "/config.json", json.dumps(config, sort_keys=True).encode())
        session.say("config.written")
    for name, value in sorted(hidden(config).items()):
        session.say("show.row", name=name, value=value)
    session.result({"ok": True, "config": hidden(config)})
