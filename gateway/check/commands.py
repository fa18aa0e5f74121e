"""``vuong gateway check``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from vuong.clock import SystemClock
from vuong.i18n import DEFAULT, LANGUAGES, text

_EXAMPLES = """examples:
  sudo vuong gateway check
  vuong gateway check --config gateway.toml --lang en
  vuong gateway check --json | jq '.findings[] | select(.status == "fail")'

exit code: 0 nothing fails (there may be warnings), 1 something fails, 2 wrong call"""
_SIGNS = {"ok": "✓", "warn": "!", "fail": "✗", "not-applicable": "·"}


def register(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``check`` to the gateway's commands."""
    check = actions.add_parser(
        "check",
        help="tell what is wrong with this gateway and what to do",
        description="Look at configuration, machine, clock, certificates, broker, database, nodes and cloud; change nothing. Run it as root"
        " (sudo): the keys are not readable to others.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument(
        "--config",
        type=Path,
        default=Path("/etc/vuong/gateway.toml"),
        metavar="FILE",
        help="the gateway's TOML file (default: %(default)s)",
    )
    check.add_argument("--json", action="store_true", help="print one JSON object")
    check.add_argument("--lang", default=DEFAULT, choices=LANGUAGES, help="language (default: %(default)s)")
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    from gateway.check.finding import Status  # noqa: PLC0415  (other machines have not got the gateway's libraries)
    from gateway.check.run import run  # noqa: PLC0415

    language: str = arguments.lang
    counts = dict.fromkeys(Status, 0)
    findings = []
    for finding in run(arguments.config, SystemClock()):
        counts[finding.status] += 1
        sentence, remedy = finding.sentence(language), finding.remedy(language)
        if arguments.json:
            row = {"check": finding.check, "status": finding.status, "key": finding.key, "numbers": finding.numbers}
            findings.append({**row, "message": sentence, "remedy": remedy})
            continue
        sys.stdout.write(f"{_SIGNS[finding.status]} {sentence}\n")
        if remedy:
            sys.stdout.write(f"    → {remedy}\n")
        sys.stdout.flush()
    failed = counts[Status.FAIL] > 0
    if arguments.json:
        document = {"ok": not failed, "counts": counts, "findings": findings}
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    else:
        numbers = {"failed": counts[Status.FAIL], "warned": counts[Status.WARN], "fine": counts[Status.OK]}
        sys.stdout.write("\n" + text("check.summary", language, folder="gateway", **numbers) + "\n")
    return 1 if failed else 0
