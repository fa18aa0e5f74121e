"""Sub-commands as rows of a table; help, examples and options in the terminal's language."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from provisioning.texts import say
from vuong.i18n import LANGUAGES, terminal_language

Options = Mapping[str, dict[str, Any]]
_COMMON: Final[Options] = {
    "--json": {"action": "store_true"},
    "--lang": {"choices": LANGUAGES},
    "--workspace": {"type": Path, "metavar": "DIR"},
    "--debug": {"action": "store_true"},
}


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes
    ----------
    name : of the command
    module : that has ``run(arguments, session)``; imported only when it runs
    options : flag or positional → arguments of ``add_argument``; its help is the text ``option.<name>``
    """

    name: str
    module: str
    options: Options


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser], group: str, command: Command) -> None:
    """Add one command to a parser's actions."""
    language = terminal_language()
    key = f"help.{group}.{command.name}"
    parser = actions.add_parser(
        command.name,
        help=say(key, language),
        description=say(key, language),
        epilog=say(f"{key}.examples", language) + "\n\n" + say("help.codes", language),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for flag, given in {**command.options, **_COMMON}.items():
        name = flag.lstrip("-").replace("-", "_")
        text = say(f"option.{name}", language).replace("%", "%%")
        if flag == "--lang":
            parser.add_argument(flag, help=text, default=language, **given)
        else:
            parser.add_argument(flag, help=text, **given)
    parser.set_defaults(run=lambda arguments: _run(command.module, arguments))


def _run(module: str, arguments: argparse.Namespace) -> int:
    from provisioning.session import run  # noqa: PLC0415 (its libraries are loaded by whoever runs a command)

    return run(arguments, import_module(module).run)
