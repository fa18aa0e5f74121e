"""``vuong gateway …``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from importlib.metadata import entry_points
from pathlib import Path

from gateway.alarms.commands import register as register_alarms
from gateway.check.commands import register as register_check
from gateway.lan.commands import register as register_lan
from vuong import clock
from vuong.command import CommandError

_RUN_EXAMPLES = """examples:
  vuong gateway run --config /etc/vuong/gateway.toml
  vuong gateway run --config gateway.toml --clock 1763600000,1763600000,120    one night in four minutes
"""
_REPLAY_EXAMPLES = """examples:
  vuong gateway replay pond.csv.gz --out result
  vuong gateway replay pond.csv.gz --out result --pond-config pond.toml --json
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this folder."""
    gateway = commands.add_parser("gateway", help="the Raspberry Pi at the ponds", description="The Raspberry Pi at the ponds.")
    actions = gateway.add_subparsers(dest="action", required=True, metavar="ACTION")

    run = actions.add_parser(
        "run",
        help="receive, judge, store, acknowledge and forward until stopped",
        description="Receive what the nodes send, judge and store it, acknowledge it, raise alarms and forward all to the cloud.",
        epilog=_RUN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("--config", type=Path, required=True, metavar="FILE", help="the gateway's TOML file (docs/gateway.md)")
    run.add_argument("--clock", metavar="ANCHOR,START,FACTOR", help="a clock that runs FACTOR times as fast (demo)")
    run.add_argument("--verbose", action="store_true", help="log more")
    run.set_defaults(run=_run)

    replay = actions.add_parser(
        "replay",
        help="pass a recorded series through the pipeline, as fast as it goes",
        description="Pass a recorded series (CSV, may be gzipped; columns time and quantities) through the very pipeline that serves live"
        " traffic. Writes flags.csv and alarms.csv.",
        epilog=_REPLAY_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    replay.add_argument("series", type=Path, metavar="SERIES.csv.gz", help="the recorded series")
    replay.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for flags.csv and alarms.csv; made where there is none"
    )
    replay.add_argument(
        "--pond-config", type=Path, metavar="FILE", help="TOML file with the pond: id, name, species, limits, longitude"
    )
    replay.add_argument("--lang", default="vi", choices=("vi", "en", "km"), help="language of the reasons (default vi)")
    replay.add_argument("--json", action="store_true", help="print one JSON object with the counts")
    replay.set_defaults(run=_replay)
    # What sets a gateway up belongs to the technician's tools, which know the gateway; the gateway does not know them.
    for point in entry_points(group="vuong.gateway.commands"):
        point.load()(actions)
    register_check(actions)
    register_alarms(actions)
    register_lan(actions)


def _run(arguments: argparse.Namespace) -> int:
    # The libraries of this machine's extra are loaded only by whoever runs a gateway.
    from gateway import service  # noqa: PLC0415
    from gateway.config import ConfigError, load  # noqa: PLC0415
    from gateway.store.schema import StoreError  # noqa: PLC0415

    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        chosen = clock.parse(arguments.clock)
    except ValueError as error:
        raise CommandError(f"--clock: {error}") from None
    try:
        asyncio.run(service.run(load(arguments.config), chosen))
    except (ConfigError, StoreError) as error:
        raise CommandError(str(error)) from None
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    from gateway.replay import run  # noqa: PLC0415

    return run(
        arguments.series, arguments.out, pond_config=arguments.pond_config, language=arguments.lang, as_json=arguments.json
    )
