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


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser with the commands of every installed folder.

    Parameters
    ----------
    only : the command that was given: where a folder has it, no other folder's libraries are loaded, which can take seconds
    """
    parser = argparse.ArgumentParser(
        prog="vuong", description="Vuông: giám sát ao tôm từ cảm biến đến tỉnh · shrimp-pond monitoring"
    )
    parser.add_argument("--version", action="version", version=f"vuong {version('vuong')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    points = sorted(entry_points(group="vuong.commands"), key=lambda p: p.name)
    for point in [p for p in points if p.name == only] or points:
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
    given = sys.argv[1:] if argv is None else argv
    arguments = build_parser(given[0] if given else None).parse_args(given)
    try:
        return int(arguments.run(arguments))
    except CommandError as error:
        sys.stderr.write(f"vuong: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
