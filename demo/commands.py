"""``vuong demo``: the whole system on one machine."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from vuong.i18n import terminal_language, text


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``demo``."""
    language = terminal_language()

    def say(key: str) -> str:
        return text(f"demo.help{key}", language, folder="demo")

    parser = commands.add_parser(
        "demo", help=say(""), description=say(""), epilog=say(".examples"), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, metavar="N", help=say(".seconds"))
    parser.add_argument("--json", action="store_true", help=say(".json"))
    parser.add_argument("--dir", type=Path, metavar="D", default=Path(".demo"), help=say(".dir"))
    parser.add_argument("--ponds", type=int, metavar="N", default=6, help=say(".ponds"))
    parser.add_argument("--replay", type=Path, metavar="SERIES.csv.gz", help=say(".replay"))
    parser.add_argument("--factor", type=float, metavar="X", default=120.0, help=say(".factor"))
    parser.add_argument("--port", type=int, metavar="P", help=say(".port"))
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from demo.run import Options, run  # noqa: PLC0415  (only who runs the demo pays for its imports)

    return asyncio.run(
        run(
            Options(
                directory=arguments.dir.absolute(),
                ponds=arguments.ponds,
                factor=arguments.factor,
                seconds=arguments.seconds,
                replay=arguments.replay.absolute() if arguments.replay else None,
                port=arguments.port,
                json=arguments.json,
                language=terminal_language(),
            )
        )
    )
