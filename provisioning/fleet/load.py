"""``vuong fleet import``: many nodes from a spreadsheet; every mistake by row and column, and nothing half done."""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Container
from pathlib import Path
from typing import Any, Final

from provisioning import authority as authorities
from provisioning import secrets
from provisioning.cloud import tell_cloud
from provisioning.failure import Exit, Failure, WrongCall
from provisioning.node.provision import ask_passphrase, configuration, enter, probe, tell, whole_change
from provisioning.registry import Registry, check_node
from provisioning.session import Session
from vuong.clock import SystemClock
from vuong.i18n import number

REQUIRED: Final = ("node", "pond", "gateway")
OPTIONAL: Final = ("wifi", "probes", "interval")
# failure → column in which it is
_COLUMNS: Final = {
    "node_id": "node",
    "pond_id": "pond",
    "gateway_host": "gateway",
    "ssid": "wifi",
    "wifi_password": "wifi",
    "probe": "probes",
    "csv_twice": "node",
}


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, comma or semicolon, with or without a byte order mark.

    Raises
    ------
    WrongCall
        if it cannot be read, or a column is missing or not known
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongCall("file_unreadable", file=path, problem=error) from None
    head = text.partition("\n")[0]
    reader = csv.DictReader(text.splitlines(), delimiter=";" if head.count(";") > head.count(",") else ",")
    names = [name.strip().lower() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    absent, foreign = [n for n in REQUIRED if n not in names], [n for n in names if n not in (*REQUIRED, *OPTIONAL)]
    if absent or foreign:
        raise WrongCall("csv_columns", file=path, missing=", ".join(absent) or "-", foreign=", ".join(foreign) or "-")
    return [{k: (v or "").strip() for k, v in row.items() if isinstance(k, str)} for row in reader]


def checked(row: dict[str, str], wifi: dict[str, str], before: Container[str]) -> dict[str, Any]:
    """Return the configuration of one row; `before` are the nodes of earlier rows.

    Raises
    ------
    WrongCall
        naming what is wrong
    """
    if check_node(row["node"]) in before:
        raise WrongCall("csv_twice", node=row["node"])
    interval = row.get("interval") or "900"
    if not interval.isdigit():
        raise WrongCall("interval", value=interval)
    networks = {row["wifi"]: wifi.get(row["wifi"], "")} if row.get("wifi") else {}
    specs = [probe(text) for text in (row.get("probes") or "ds18b20").split("|")]
    return configuration(check_node(row["node"]), row["pond"], row["gateway"], networks, specs, int(interval))


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Check all rows, then provision all nodes."""
    found, mistakes = rows(arguments.csv), []
    configs: dict[str, dict[str, Any]] = {}
    names = sorted({row["wifi"] for row in found if row.get("wifi")})
    password = (
        secrets.ask(session, "ask.wifi", file=arguments.wifi_password_file, variable="VUONG_WIFI_PASSWORD") if names else ""
    )
    for line, row in enumerate(found, 2):
        try:
            config = checked(row, dict.fromkeys(names, password), configs)
            configs[config["node"]] = config
        except WrongCall as mistake:
            column = _COLUMNS.get(mistake.key, mistake.key)
            sentence = mistake.sentence(session.language) + " → " + mistake.remedy(session.language)
            mistakes.append({"row": line, "column": column, "message": sentence})
            session.say("import.mistake", row=line, column=column, message=sentence)
    if mistakes:
        session.result({"ok": False, "mistakes": mistakes})
        if session.as_json:
            return Exit.CALL
        raise Failure("csv_mistakes", Exit.CALL, count=len(mistakes))
    passphrase, clock = ask_passphrase(arguments, session), SystemClock()
    began = time.monotonic()
    with (
        whole_change(session, passphrase) as (draft, authority, registry),
        session.progress("import.working", len(configs)) as report,
    ):
        for i, config in enumerate(configs.values(), 1):
            enter(draft, authority, registry, config, clock.now())
            report(i, len(configs))
    took = time.monotonic() - began
    session.say("import.done", count=len(configs), seconds=number(took, 1, session.language))
    authority, registry = authorities.unlock(session.workspace, passphrase, clock), Registry(session.workspace)
    told = {
        gateway: tell(session, authority, registry, gateway, arguments.via)
        for gateway in sorted({c["broker"] for c in configs.values()})
    }
    cloud = tell_cloud(session, registry)
    session.result({"ok": True, "nodes": sorted(configs), "seconds": round(took, 2), "told": told, "cloud": cloud})
    return Exit.DONE
