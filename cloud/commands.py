"""``vuong cloud …``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import uvicorn
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from cloud.accounts.secrets import secret_key
from cloud.app import create_app
from cloud.context import Context
from cloud.database import DEFAULT_URL, connect, migrate, sqlite_path
from cloud.farms.importer import FarmError, import_farm, load
from vuong.clock import parse
from vuong.command import CommandError

VARIABLE = "VUONG_DATABASE_URL"
_EXAMPLES = """examples:
  vuong cloud import farm.toml
  vuong cloud serve --port 8000
  vuong cloud serve --database postgresql://vuong@localhost/vuong"""


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
    serve.set_defaults(run=_serve)
    forward = own.add_parser("migrate", parents=[shared], help="bring the database's tables up to this version")
    forward.set_defaults(run=_migrate)
    bring = own.add_parser("import", parents=[shared], help="store the co-ops, ponds, nodes, gateways and people of a farm file")
    bring.add_argument("farm", type=Path, metavar="FARM.toml", help="see docs/cloud.md; may be imported any number of times")
    bring.set_defaults(run=_import)


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


def _serve(arguments: argparse.Namespace) -> int:
    engine = _engine(arguments)
    file = sqlite_path(engine)
    if file is not None:
        _prepare(engine)
    try:
        context = Context(engine, secret_key(file), clock=parse(arguments.clock))
    except ValueError as error:
        raise CommandError(str(error)) from None
    uvicorn.run(create_app(context), host=arguments.host, port=arguments.port, log_level="warning", server_header=False)
    return 0


def _migrate(arguments: argparse.Namespace) -> int:
    _prepare(_engine(arguments))
    return 0


def _import(arguments: argparse.Namespace) -> int:
    engine = _engine(arguments)
    if sqlite_path(engine) is not None:
        _prepare(engine)
    try:
        counts = import_farm(engine, load(arguments.farm), arguments.farm.parent)
    except FarmError as error:
        raise CommandError(str(error)) from None
    sys.stderr.write(", ".join(f"{count} {name}" for name, count in counts.items()) + "\n")
    return 0
