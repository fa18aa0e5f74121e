"""``vuong cloud …``."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from contextlib import nullcontext
from pathlib import Path

import uvicorn
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from cloud.accounts import commands as accounts_commands
from cloud.accounts.oidc import Provider
from cloud.accounts.policy import Policy
from cloud.accounts.secrets import secret_keys
from cloud.app import CAPABILITIES, create_app
from cloud.context import Context
from cloud.database import DEFAULT_URL, connect, migrate, sqlite_path
from cloud.farms import commands as farm_commands
from cloud.farms.importer import FarmError, import_farm, load
from cloud.operations import commands as operations
from cloud.operations.commands import add_work_options, work_of
from cloud.operations.jobs import embedded
from cloud.operations.logs import configure
from cloud.operations.reception import PatientProtocol, Reception
from cloud.system import commands as system_commands
from vuong.clock import parse
from vuong.command import CommandError

VARIABLE = "VUONG_DATABASE_URL"
_EXAMPLES = """examples:
  vuong cloud import farm.toml
  vuong cloud serve --port 8000
  vuong cloud serve --database postgresql://vuong@localhost/vuong
  vuong cloud serve --only telemetry,alerts --port 8001
  vuong cloud backup vuong.backup
  vuong cloud doctor"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this folder."""
    cloud = commands.add_parser(
        "cloud",
        help="the record of all co-ops: takes gateways' batches, shows ponds and alarms",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    own = cloud.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--database",
        metavar="URL",
        default=os.environ.get(VARIABLE, DEFAULT_URL),
        help=f"sqlite:///path or postgresql://user@host/name (default: {VARIABLE}, else {DEFAULT_URL})",
    )
    serve = own.add_parser("serve", parents=[shared], help="serve pages, JSON API and ingest")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")
    serve.add_argument("--clock", metavar="ANCHOR,START,FACTOR", help="a demo's clock instead of the machine's")
    serve.add_argument(
        "--only", metavar="CAPABILITY,...", help=f"serve some capabilities: of {', '.join(CAPABILITIES)} (default: all)"
    )
    add_work_options(serve)
    serve.set_defaults(run=_serve)
    forward = own.add_parser("migrate", parents=[shared], help="bring the database's tables up to this version")
    forward.set_defaults(run=_migrate)
    operations.register(own, shared, _engine)
    bring = own.add_parser("import", parents=[shared], help="store the co-ops, ponds, nodes, gateways and people of a farm file")
    bring.add_argument("farm", type=Path, metavar="FARM.toml", help="see docs/cloud.md; may be imported any number of times")
    bring.set_defaults(run=_import)
    accounts_commands.register(own, shared, _store)
    farm_commands.register(own, shared, _store)
    system_commands.register(own)


def _engine(arguments: argparse.Namespace) -> Engine:
    try:
        return connect(arguments.database)
    except ValueError as error:
        raise CommandError(f"--database: {error}") from None


def _prepare(engine: Engine) -> None:
    try:
        migrate(engine)
    except SQLAlchemyError as error:
        raise CommandError(f"the database cannot be used: {getattr(error, 'orig', None) or type(error).__name__}") from None


def _store(arguments: argparse.Namespace) -> Engine:
    engine = _engine(arguments)
    if sqlite_path(engine) is not None:
        _prepare(engine)
    return engine


def _serve(arguments: argparse.Namespace) -> int:
    engine = _engine(arguments)
    file = sqlite_path(engine)
    if file is not None:
        _prepare(engine)
    only = None if arguments.only is None else [name.strip() for name in arguments.only.split(",")]
    unknown = sorted(set(only or []) - CAPABILITIES.keys())
    if unknown:
        raise CommandError(f"--only: {', '.join(unknown)!r:.60} is no capability; give some of {', '.join(CAPABILITIES)}")
    configure()
    try:
        clock = parse(arguments.clock)
        work = work_of(engine, clock, arguments)
        key, *older = secret_keys(file)
        context = Context(
            engine,
            key,
            clock=clock,
            policy=Policy.from_environment(),
            oidc=Provider.from_environment(),
            mirrored=work.sink is not None,
            hosts=tuple(name.strip() for name in os.environ.get("VUONG_HOSTS", "").split(",") if name.strip()),
            older_keys=tuple(older),
        )
        app = create_app(context, only)
    except ValueError as error:
        raise CommandError(str(error)) from None
    # What is there by now stays for good: the collector need not walk through it again while a hundred thousand values are read.
    gc.collect()
    gc.freeze()
    # On PostgreSQL `vuong cloud work` runs the jobs, so that workers that serve stay without state; on SQLite one process does.
    runs_jobs = file is not None and (only is None or "telemetry" in only)
    with embedded(work) if runs_jobs else nullcontext():
        uvicorn.run(
            Reception(app, app.state.metrics),
            host=arguments.host,
            port=arguments.port,
            http=PatientProtocol,
            log_config=None,
            access_log=False,
            server_header=False,
        )
    return 0


def _migrate(arguments: argparse.Namespace) -> int:
    _prepare(_engine(arguments))
    return 0


def _import(arguments: argparse.Namespace) -> int:
    engine = _store(arguments)
    try:
        counts = import_farm(engine, load(arguments.farm), arguments.farm.parent)
    except FarmError as error:
        raise CommandError(str(error)) from None
    sys.stderr.write(", ".join(f"{count} {name}" for name, count in counts.items()) + "\n")
    return 0
