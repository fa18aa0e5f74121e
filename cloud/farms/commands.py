"""``vuong cloud units`` and ``vuong cloud record``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine

from cloud.farms import certification, service, unit_import
from cloud.tenancy import Scope, ScopedSession
from vuong.clock import SystemClock
from vuong.command import CommandError

_LEVELS = ("province", "district", "commune")
_RAW = argparse.RawDescriptionHelpFormatter


def register(
    own: argparse._SubParsersAction[argparse.ArgumentParser],
    shared: argparse.ArgumentParser,
    open_store: Callable[[argparse.Namespace], Engine],
) -> None:
    """Add the commands; `open_store` returns the store that a call names."""
    units = own.add_parser(
        "units",
        parents=[shared],
        help="store administrative units, their outlines and the crosswalk over the merger of 2025",
        epilog="examples:\n  vuong cloud units --list units_2025.json\n  vuong cloud units --before --list units_before.csv.gz\n"
        "  vuong cloud units --level commune --outlines communes_2025.geojson\n  vuong cloud units --crosswalk shares.csv",
        formatter_class=_RAW,
    )
    units.add_argument("--list", type=Path, metavar="FILE", help="a list of units: JSON of 2025, or with --before CSV")
    units.add_argument("--outlines", type=Path, metavar="FILE", help="their outlines as GeoJSON")
    units.add_argument("--level", choices=_LEVELS, default="province", help="of the outlines (default: %(default)s)")
    units.add_argument("--before", action="store_true", help="the file tells units before 1 July 2025")
    units.add_argument("--crosswalk", type=Path, metavar="FILE", help="CSV level,old,new_level,new,weight")
    units.add_argument("--by-area", nargs=2, metavar=("OLD", "NEW"), help="weigh old units of a level against new ones by area")
    units.set_defaults(run=lambda arguments: _units(open_store(arguments), arguments))
    record = own.add_parser(
        "record",
        parents=[shared],
        help="print a pond's record for a certification body, or check one",
        epilog="examples:\n  vuong cloud record ao-1 --standard vietgap > ao-1.json\n  vuong cloud record --check ao-1.json",
        formatter_class=_RAW,
    )
    record.add_argument("pond", nargs="?", help="the pond's id")
    record.add_argument("--standard", choices=tuple(certification.STANDARDS), default="vietgap")
    record.add_argument("--check", type=Path, metavar="FILE", help="check a record's chains; exit code 1 if one is broken")
    record.set_defaults(run=lambda arguments: _record(open_store, arguments))


def _units(engine: Engine, arguments: argparse.Namespace) -> int:
    try:
        if arguments.list:
            count = unit_import.import_list(engine, arguments.list, before=arguments.before)
            sys.stderr.write(f"{count} units\n")
        if arguments.outlines:
            count, unknown = unit_import.import_outlines(
                engine, arguments.outlines, level=arguments.level, before=arguments.before
            )
            sys.stderr.write(f"{count} outlines; units not known: {', '.join(unknown) or 'none'}\n")
        if arguments.crosswalk:
            sys.stderr.write(f"{unit_import.import_crosswalk(engine, arguments.crosswalk)} links\n")
        if arguments.by_area:
            wrong = set(arguments.by_area) - set(_LEVELS)
            if wrong:
                raise CommandError(f"--by-area: {', '.join(wrong)} is no level; give two of {', '.join(_LEVELS)}")
            sys.stderr.write(f"{unit_import.crosswalk_by_area(engine, *arguments.by_area)} links\n")
    except unit_import.UnitError as error:
        raise CommandError(str(error)) from None
    finally:
        engine.dispose()
    return 0


def _record(open_store: Callable[[argparse.Namespace], Engine], arguments: argparse.Namespace) -> int:
    if arguments.check:
        try:
            faults = certification.check(json.loads(arguments.check.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CommandError(f"--check: {arguments.check} is no record: {error}") from None
        sys.stdout.write("".join(f"BROKEN {fault}\n" for fault in faults) or "sound\n")
        return 1 if faults else 0
    engine = open_store(arguments)
    with ScopedSession(engine, Scope.everything()) as session:
        pond = service.pond(session, arguments.pond or "")
        if pond is None:
            raise CommandError(f"pond is {arguments.pond!r}, which is none here; give the id of one")
        document = certification.record(session, pond, arguments.standard, SystemClock().now())
    engine.dispose()
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    return 0
