"""``vuong gateway alarms``: the table of kinds, nuisance statistics, the history of alarms and of calls to people."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import Final

from vuong.alarms import ALARM_KINDS
from vuong.command import CommandError
from vuong.i18n import moment, number, terminal_language, text

_EXAMPLES: Final = """examples:
  vuong gateway alarms kinds
  vuong gateway alarms statistics --config /etc/vuong/gateway.toml --days 7
  vuong gateway alarms history --config gateway.toml --json
  vuong gateway alarms aerator --config gateway.toml q1 off --by "Cô Sáu"
"""


def register(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    parser = actions.add_parser(
        "alarms",
        help="kinds of alarms, nuisance statistics, what happened and who was called; an aerator's override",
        description="Look at alarms in the gateway's database.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    asked = parser.add_subparsers(dest="asked", required=True, metavar="WHAT")
    kinds = asked.add_parser("kinds", help="the table of alarm kinds")
    kinds.add_argument("--lang", default=None, choices=("vi", "en", "km"), help="language of the names")
    kinds.add_argument("--json", action="store_true", help="print one JSON array")
    kinds.set_defaults(run=_kinds)
    for name, run, told in (
        ("statistics", _statistics, "most frequent, chattering and stale alarms, floods"),
        ("history", _history, "what happened to alarms, and who was called about them"),
    ):
        one = asked.add_parser(name, help=told)
        one.add_argument("--config", type=Path, required=True, metavar="FILE", help="the gateway's TOML file")
        one.add_argument("--days", type=float, default=7.0, metavar="N", help="how far back (default 7)")
        one.add_argument("--json", action="store_true", help="print one JSON object")
        one.set_defaults(run=run)
    aerator = asked.add_parser("aerator", help="override an aerator: on, off, or auto to give it back")
    aerator.add_argument("--config", type=Path, required=True, metavar="FILE", help="the gateway's TOML file")
    aerator.add_argument("aerator", help="its id")
    aerator.add_argument("wanted", choices=("on", "off", "auto"))
    aerator.add_argument("--by", default="", metavar="NAME", help="who wants it")
    aerator.set_defaults(run=_aerator)


def _kinds(arguments: argparse.Namespace) -> int:
    language = arguments.lang or terminal_language()
    if arguments.json:
        rows = [
            {
                "name": k.name, "group": k.group, "category": k.category.value, "priority": k.priority.name.lower(), "quantity": k.quantity,
                "derived": k.derived, "limit": k.limit, "deadband": k.deadband, "on_delay": k.on_delay, "off_delay": k.off_delay,
                "latching": k.latching,
            }
            for k in ALARM_KINDS.values()
        ]  # fmt: skip
        sys.stdout.write(json.dumps(rows) + "\n")
        return 0
    sys.stdout.write("| kind | group | category | priority | watches | limit | deadband | on-delay | off-delay | latching |\n")
    sys.stdout.write("|---|---|---|---|---|---|---|---|---|---|\n")
    for kind in ALARM_KINDS.values():
        category, priority = (
            text(f"category.{kind.category.value}", language),
            text(f"priority.{kind.priority.name.lower()}", language),
        )
        cells = (
            kind.name, kind.group, category, priority, kind.derived or kind.quantity or "", kind.limit or "",
            number(kind.deadband, 2, language) if kind.deadband else "", f"{kind.on_delay} s", f"{kind.off_delay} s",
            "yes" if kind.latching else "",
        )  # fmt: skip
        sys.stdout.write("| " + " | ".join(cells) + " |\n")
    return 0


def _open(path: Path) -> sqlite3.Connection:
    from gateway.config import ConfigError, load  # noqa: PLC0415 - read by whoever needs it

    try:
        database = load(path).database
    except ConfigError as error:
        raise CommandError(str(error)) from None
    if not database.exists():
        raise CommandError(f"there is no database {database}; start the gateway once, or give the right --config")
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True)


def _statistics(arguments: argparse.Namespace) -> int:
    from gateway.alarms.statistics import statistics  # noqa: PLC0415

    connection = _open(arguments.config)
    try:
        until = int(time.time())
        (newest,) = connection.execute("SELECT ifnull(max(time), 0) FROM alarm_journal").fetchone()
        # A demo's clock may run ahead of this machine's.
        until = max(until, newest + 1)
        found = statistics(connection, round(until - 86_400 * arguments.days), until).document()
    except sqlite3.Error as error:
        raise CommandError(f"the database cannot be read: {error}; run vuong gateway check") from None
    finally:
        connection.close()
    if arguments.json:
        sys.stdout.write(json.dumps(found) + "\n")
        return 0
    for name, value in found.items():
        if isinstance(value, list):
            sys.stdout.write(f"{name}:\n")
            for row in value:
                cells = "  ".join(str(v) for v in row.values()) if isinstance(row, dict) else moment(row, "%H:%M %d/%m/%Y")
                sys.stdout.write(f"  {cells}\n")
        else:
            sys.stdout.write(f"{name}: {value}\n")
    return 0


def _history(arguments: argparse.Namespace) -> int:
    connection = _open(arguments.config)
    try:
        connection.row_factory = sqlite3.Row
        (newest,) = connection.execute("SELECT ifnull(max(time), 0) FROM alarm_journal").fetchone()
        since = round(max(time.time(), newest) - 86_400 * arguments.days)
        events = [
            dict(row) for row in connection.execute("SELECT * FROM alarm_journal WHERE time >= ? ORDER BY position", (since,))
        ]
        calls = [
            dict(row) for row in connection.execute("SELECT * FROM delivery_attempts WHERE time >= ? ORDER BY position", (since,))
        ]
    except sqlite3.Error as error:
        raise CommandError(f"the database cannot be read: {error}; run vuong gateway check") from None
    finally:
        connection.close()
    if arguments.json:
        sys.stdout.write(json.dumps({"events": events, "calls": calls}) + "\n")
        return 0
    for row in sorted([*events, *calls], key=lambda row: row["time"]):
        what = f"{row['event']} {row['by']}" if "event" in row else f"{row['contact']} {row['via']}: {row['outcome']}"
        sys.stdout.write(
            f"{moment(row['time'], '%d/%m/%Y %H:%M:%S')}  {row.get('pond', '')}  {row.get('kind', '')}  {what}\n".replace(
                "    ", "  "
            )
        )
    return 0


def _aerator(arguments: argparse.Namespace) -> int:
    from gateway.aerators.overrides import Overrides  # noqa: PLC0415
    from gateway.config import ConfigError, load  # noqa: PLC0415

    try:
        config = load(arguments.config)
    except ConfigError as error:
        raise CommandError(str(error)) from None
    known = [aerator.id for aerator in config.aerators]
    if arguments.aerator not in known:
        raise CommandError(f"aerator is {arguments.aerator!r}; known are {', '.join(known) or 'none: add [[aerators]]'}")
    overrides = Overrides(config.database)
    overrides.set(arguments.aerator, arguments.wanted, arguments.by, int(time.time()))
    overrides.close()
    return 0
