"""``vuong node wipe``: take identity, networks and readings off a node, after asking twice."""

from __future__ import annotations

import argparse
import json
import sys

from provisioning.board import port, remote
from provisioning.failure import Failure, WrongCall
from provisioning.session import Session

# All but the program, so that the board starts and can be flashed again.
_CODE = (
    "import os\n"
    "def gone(path):\n"
    "    try:\n        names = os.listdir(path)\n"
    "    except OSError:\n"
    "        try:\n            os.remove(path)\n        except OSError:\n            pass\n        return\n"
    "    for name in names:\n        gone(path + '/' + name)\n"
    "    os.rmdir(path)\n"
    "def ours(name):\n"  # and not where the program is mounted
    "    try:\n        return os.statvfs('/' + name)[:3] == os.statvfs('/')[:3]\n"
    "    except AttributeError:\n        return False\n"
    "for name in os.listdir('/'):\n"
    "    if ours(name) and name not in ('a', 'b', 'recovery', 'boot.py', 'main.py', 'slots.json'):\n        gone('/' + name)\n"
    "print(os.listdir('/'))\n"
)


def _confirmed(session: Session, node: str, typed: list[str] | None) -> bool:
    if typed is not None:
        return typed == [node, node]
    if not sys.stdin.isatty():
        raise WrongCall("wipe_unasked", node=node)
    return all(input(session.text(key, node=node) + " ").strip().lower() == node for key in ("wipe.ask", "wipe.ask_again"))


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Show which node it is, ask twice, wipe."""
    where = port.find(arguments.port)
    try:
        node = str(json.loads(remote.read(where, "/config.json")).get("node") or "-")
    except (ValueError, Failure):
        node = "-"
    if not _confirmed(session, node, arguments.yes):
        raise Failure("wipe_refused", node=node)
    left = remote.mpremote(where, "exec", _CODE).strip()
    session.say("wipe.done", node=node)
    session.result({"ok": True, "node": node, "left": left})
