"""The ``vuong`` command: it finds the commands of whatever is installed and runs one."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import entry_points, version
from typing import Protocol, cast


class CommandError(Exception):
    """A mistake of the caller, told in one sentence with its remedy; exit code 2."""


class Commands(Protocol):
    """What a folder's ``commands`` module has."""

    def register(self, commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        """Add sub-commands; each sets ``run`` to a function from the parsed arguments to an exit code."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with the commands of every installed folder."""
    parser = argparse.ArgumentParser(
        prog="vuong", description="Vuông: giám sát ao tôm từ cảm biến đến tỉnh · shrimp-pond monitoring"
    )
    parser.add_argument("--version", action="version", version=f"vuong {version('vuong')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for point in sorted(entry_points(group="vuong.commands"), key=lambda p: p.name):
        try:
            module = cast("Commands", point.load())
        except ModuleNotFoundError as error:
            if error.name and error.name.split(".")[0] in {"demo", "gateway", "cloud"}:
                raise
            continue  # this machine's extra was not installed: the command is not offered
        module.register(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; return 0 when it did what was asked, 1 when it could not, 2 when the call was wrong."""
    arguments = build_parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except CommandError as error:
        sys.stderr.write(f"vuong: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
