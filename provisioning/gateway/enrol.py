"""``vuong gateway enrol``: take the nodes and revoked certificates over that a technician's laptop has signed."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import tomlkit
from cryptography import x509
from tomlkit.exceptions import ParseError

from gateway.config import ConfigError, load, parse
from provisioning.authority import verify
from provisioning.failure import Failure, WrongCall
from provisioning.session import Session
from provisioning.workspace import read_json, write_json, write_whole


def merged(text: str, nodes: dict[str, str], removed: list[str]) -> str:
    """Return the gateway's TOML with these nodes and their ponds; comments and everything else stay as they are.

    Parameters
    ----------
    text : the TOML file
    nodes : node → pond
    removed : nodes that are no more
    """
    document = tomlkit.parse(text)
    ponds, rows = document.setdefault("ponds", tomlkit.aot()), document.setdefault("nodes", tomlkit.aot())
    for i in reversed(range(len(rows))):
        if rows[i].get("id") in removed:
            del rows[i]
    known, places = {row["id"]: row for row in rows}, {pond["id"] for pond in ponds}
    for node, pond in sorted(nodes.items()):
        if pond not in places:
            ponds.append(tomlkit.item({"id": pond}))
            places.add(pond)
        if node not in known:
            rows.append(tomlkit.item({"id": node, "pond": pond}))
        elif known[node]["pond"] != pond:
            known[node]["pond"] = pond
    for name in ("ponds", "nodes"):
        if not len(document[name]):
            del document[name]
    return tomlkit.dumps(document)


def apply(signed: dict[str, Any], config: Path) -> dict[str, bool]:
    """Check an enrolment and take it over; return whether configuration and list of revoked certificates changed.

    Raises
    ------
    WrongCall
        if the gateway's own configuration is unusable
    Failure
        if the enrolment is not of this gateway's CA, or older than the last one
    """
    try:
        own = load(config)
        text = config.read_text(encoding="utf-8")
    except (ConfigError, OSError) as error:
        raise WrongCall("gateway_config", problem=error) from None
    if own.mqtt.ca_file is None:
        raise WrongCall("gateway_config", problem="[mqtt] has no ca_file")
    try:
        ca = x509.load_pem_x509_certificate(own.mqtt.ca_file.read_bytes())
    except (OSError, ValueError) as error:
        raise WrongCall("file_unreadable", file=own.mqtt.ca_file, problem=error) from None
    document = verify(signed, ca)
    state_file = own.mqtt.ca_file.parent / "enrolment.json"
    if document["issued"] < read_json(state_file).get("issued", 0):
        raise Failure("enrolment_old")
    try:
        new = merged(text, document["nodes"], document["removed"])
        parse(tomlkit.parse(new).unwrap(), config.resolve().parent)
    except (ParseError, ConfigError, KeyError, TypeError) as error:
        raise WrongCall("gateway_config", problem=error) from None
    revoked_file = own.mqtt.ca_file.parent / "revoked.pem"
    old_list = revoked_file.read_bytes() if revoked_file.exists() else b""
    changed = {"config": new != text, "revoked": _serials(old_list) != _serials(document["revoked_pem"].encode())}
    if changed["config"]:
        write_whole(config, new.encode(), config.stat().st_mode & 0o777)
    if changed["revoked"]:
        write_whole(revoked_file, document["revoked_pem"].encode())
    write_json(state_file, {"issued": document["issued"]}, 0o644)
    return changed


def _serials(pem: bytes) -> set[int]:
    return {row.serial_number for row in x509.load_pem_x509_crl(pem)} if pem else set()


def _systemctl(*words: str) -> None:
    found = shutil.which("systemctl")
    if found and Path("/run/systemd/system").exists():
        subprocess.run([found, *words], check=False, capture_output=True)  # noqa: S603 (fixed words)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Read an enrolment from a file or standard input and take it over."""
    try:
        text = arguments.file.read_text(encoding="utf-8") if arguments.file else sys.stdin.read()
        signed = json.loads(text)
    except (OSError, ValueError) as error:
        raise WrongCall("file_unreadable", file=arguments.file or "stdin", problem=error) from None
    changed = apply(signed if isinstance(signed, dict) else {}, arguments.config)
    if changed["revoked"]:
        _systemctl("restart", "mosquitto")  # a reload would leave an open connection of a revoked node alone
    if changed["config"]:
        _systemctl("try-restart", "vuong-gateway")
    session.say("enrol.changed" if any(changed.values()) else "enrol.same")
    session.result({"ok": True, **changed})
