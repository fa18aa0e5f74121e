"""``vuong node …`` and ``vuong fleet …``: the table of commands."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from provisioning.arguments import Command, add
from provisioning.texts import say
from vuong.i18n import terminal_language

_FLAG: Final[dict[str, Any]] = {"action": "store_true"}
_FILE: Final[dict[str, Any]] = {"type": Path, "metavar": "FILE"}

NODE: Final = (
    Command(
        "build",
        "provisioning.node.build",
        {
            "--node": {"metavar": "ID"},
            "--layout": {"choices": ("standard", "ota"), "default": "standard"},
            "--flash-size": {"type": int, "choices": (4, 8, 16), "default": 4},
            "--out": _FILE,
        },
    ),
    Command(
        "flash",
        "provisioning.node.flash",
        {
            "port": {"nargs": "?", "metavar": "PORT"},
            "--firmware": {**_FILE, "required": True},
            "--node": {"metavar": "ID"},
            "--sha256": {"metavar": "HEX"},
            "--trust": _FLAG,
            "--label": _FILE,
            "--wait": {"type": float, "metavar": "SECONDS", "default": 20.0},
            "--dry-run": _FLAG,
        },
    ),
)
GROUPS: Final[dict[str, tuple[Command, ...]]] = {"node": NODE}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this folder."""
    import rich  # noqa: F401, PLC0415 (without this folder's extra the commands are not offered)

    language = terminal_language()
    for group, rows in GROUPS.items():
        title = say(f"help.{group}", language)
        parser = commands.add_parser(group, help=title, description=title)
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for row in rows:
            add(actions, group, row)
