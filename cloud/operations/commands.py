"""``vuong cloud work``, ``backup``, ``restore`` and ``doctor``."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from cloud.database import sqlite_path
from cloud.operations.backup import BackupError, back_up, restore
from cloud.operations.doctor import examine
from cloud.operations.jobs import embedded, work_off
from cloud.operations.logs import configure
from cloud.operations.work import JOBS, KEEP_DAYS, Work, perform
from cloud.telemetry.mirror import InfluxSink
from cloud.telemetry.retention import SHORTEST
from vuong.clock import Clock, parse
from vuong.command import CommandError

MIRROR_TOKEN: Final = "VUONG_MIRROR_TOKEN"  # noqa: S105 - the variable's name
_SIGNS: Final = {"ok": "✓", "warning": "!", "fault": "✗"}


def add_work_options(parser: argparse.ArgumentParser) -> None:
    """Add what jobs need to know."""
    parser.add_argument(
        "--keep-days",
        type=int,
        default=KEEP_DAYS,
        help=f"how long single samples stay; hours and days stay for good (default: {KEEP_DAYS})",
    )
    parser.add_argument(
        "--mirror",
        metavar="URL",
        default=os.environ.get("VUONG_MIRROR_URL"),
        help=f"InfluxDB or VictoriaMetrics that gets a copy, as http://host:port; token in {MIRROR_TOKEN} (default: VUONG_MIRROR_URL)",
    )


def work_of(engine: Engine, clock: Clock, arguments: argparse.Namespace) -> Work:
    """Return what jobs work with, as the options say."""
    if arguments.keep_days < SHORTEST:
        raise CommandError(f"--keep-days is {arguments.keep_days}; give at least {SHORTEST}")
    try:
        sink = InfluxSink(arguments.mirror, os.environ.get(MIRROR_TOKEN, "")) if arguments.mirror else None
    except ValueError as error:
        raise CommandError(f"--mirror: {error}") from None
    return Work(engine, clock, arguments.keep_days, sink)


def register(
    own: argparse._SubParsersAction[argparse.ArgumentParser],
    shared: argparse.ArgumentParser,
    connect: Callable[[argparse.Namespace], Engine],
) -> None:
    """Add the commands of this folder to ``vuong cloud``; `connect` gives the store that the options name."""
    work = own.add_parser(
        "work", parents=[shared], help="run the background jobs: of PostgreSQL, or of SQLite while nothing is served"
    )
    add_work_options(work)
    work.add_argument("--clock", metavar="ANCHOR,START,FACTOR", help="a demo's clock instead of the machine's")
    work.add_argument("--once", metavar="JOB", choices=sorted(JOBS), help="run one job now and end: " + ", ".join(sorted(JOBS)))
    work.set_defaults(run=_work, open=connect)
    backup = own.add_parser("backup", parents=[shared], help="write everything into one file, while the cloud goes on serving")
    backup.add_argument("file", type=Path, metavar="FILE", help="where to; replaced only when the new one is whole")
    backup.add_argument("--json", action="store_true", help="print the manifest")
    backup.set_defaults(run=_backup, open=connect)
    bring = own.add_parser("restore", parents=[shared], help="bring a back-up into an empty database and count every table")
    bring.add_argument("file", type=Path, metavar="FILE")
    bring.add_argument("--json", action="store_true", help="print the manifest")
    bring.set_defaults(run=_restore, open=connect)
    doctor = own.add_parser(
        "doctor", parents=[shared], help="what is wrong with this cloud, and what to do; exit code 1 for a fault"
    )
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor.set_defaults(run=_doctor, open=connect)


def _work(arguments: argparse.Namespace) -> int:
    configure()
    engine = arguments.open(arguments)
    work = work_of(engine, parse(arguments.clock), arguments)
    if arguments.once:
        return 0 if perform(JOBS[arguments.once], work) else 1
    if sqlite_path(engine) is None:
        asyncio.run(work_off(work))
        return 0
    with embedded(work):
        while True:
            time.sleep(3600)


def _backup(arguments: argparse.Namespace) -> int:
    engine = arguments.open(arguments)
    path = sqlite_path(engine)
    if path is not None and not path.exists():
        raise CommandError(f"--database: there is no {path}")
    try:
        manifest = back_up(engine, arguments.file, time.time())
    except (BackupError, OSError) as error:
        raise CommandError(str(error)) from None
    _tell(manifest, arguments, "backed up")
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    try:
        manifest = restore(arguments.open(arguments), arguments.file)
    except (BackupError, OSError) as error:
        raise CommandError(str(error)) from None
    _tell(manifest, arguments, "restored")
    return 0


def _tell(manifest: dict[str, object], arguments: argparse.Namespace, done: str) -> None:
    if arguments.json:
        sys.stdout.write(json.dumps(manifest) + "\n")
        return
    rows = manifest["rows"]
    assert isinstance(rows, dict)  # noqa: S101
    sys.stderr.write(f"{done} {arguments.file}: {sum(rows.values())} rows in {len(rows)} tables\n")


def _doctor(arguments: argparse.Namespace) -> int:
    findings = examine(arguments.open(arguments), time.time())
    if arguments.json:
        sys.stdout.write(json.dumps([dataclasses.asdict(finding) for finding in findings]) + "\n")
    else:
        for finding in findings:
            remedy = f" → {finding.remedy}" if finding.remedy else ""
            sys.stdout.write(f"{_SIGNS[finding.level]} {finding.check}: {finding.told}{remedy}\n")
    return 1 if any(finding.level == "fault" for finding in findings) else 0
