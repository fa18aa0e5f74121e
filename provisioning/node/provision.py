"""``vuong node provision``: identity, configuration and registration of a node, off-line if need be."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from firmware.assembly import KINDS
from provisioning import authority as authorities
from provisioning import secrets
from provisioning.authority import Authority, private_pem
from provisioning.change import changing
from provisioning.cloud import tell_cloud
from provisioning.failure import WrongCall
from provisioning.registry import Registry, check_node, deliver
from provisioning.session import Session
from provisioning.workspace import Workspace, write_json, write_whole
from vuong.clock import SystemClock

PORT = 8883
# Where the board described in hardware/ has its buses.
PINS = {"sda": 21, "scl": 22, "onewire": 4, "tx": 17, "rx": 16}
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?")
PASSPHRASE = "VUONG_CA_PASSPHRASE"  # noqa: S105 (a variable's name)


def configuration(
    node: str, pond: str, gateway: str, wifi: dict[str, str], probes: list[dict[str, Any]], interval: int
) -> dict[str, Any]:
    """Return what goes into the node's ``config.json`` (`firmware.main`).

    Raises
    ------
    WrongCall
        naming field, value and remedy
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", pond):
        raise WrongCall("pond_id", value=pond)
    if not _HOST.fullmatch(gateway):
        raise WrongCall("gateway_host", value=gateway)
    for ssid, password in wifi.items():
        if not 1 <= len(ssid.encode()) <= 32:
            raise WrongCall("ssid", value=ssid)
        if password and not 8 <= len(password) <= 63:
            raise WrongCall("wifi_password", ssid=ssid, length=len(password))
    if not 10 <= interval <= 86_400:
        raise WrongCall("interval", value=interval)
    host, _, port = gateway.partition(":")
    return {
        "node": node,
        "pond": pond,
        "broker": host,
        "port": int(port or PORT),
        "networks": wifi,
        "tls": "/tls",
        "client_certificate": True,
        "pins": PINS,
        "probes": probes,
        "interval": interval,
        "update": "program",
    }


def probe(text: str) -> dict[str, Any]:
    """Return a probe as the node's ``config.json`` has it (`firmware.assembly`), from ``kind:field=value:…``.

    Raises
    ------
    WrongCall
        if the kind is not known, or a field has no value
    """
    kind, *fields = text.strip().split(":")
    if kind not in KINDS:
        raise WrongCall("probe", value=text, known=", ".join(sorted(KINDS)))
    found: dict[str, Any] = {"kind": kind}
    for field in fields:
        name, given, value = field.partition("=")
        if not (name and given and value):
            raise WrongCall("probe", value=text, known=", ".join(sorted(KINDS)))
        try:
            found[name] = int(value) if value.lstrip("-").isdigit() else float(value)
        except ValueError:
            found[name] = value
    return found


def enter(workspace: Workspace, authority: Authority, registry: Registry, config: dict[str, Any], now: float) -> None:
    """Make a node's identity and enter it in the list; an identity that it had before is revoked."""
    node, folder = config["node"], workspace.node(config["node"])
    if node in registry.nodes:
        authority.revoke(node)
    certificate, key = authority.issue(node)
    write_whole(folder / "node.key", private_pem(key), 0o600)
    write_whole(folder / "node.crt", certificate.public_bytes(Encoding.PEM))
    write_whole(folder / "ca.crt", authority.pem)
    write_json(folder / "config.json", {**config, "public_key": authority.update_key})
    registry.nodes[node] = {
        "pond": config["pond"],
        "gateway": config["broker"],
        "until": int(certificate.not_valid_after_utc.timestamp()),
        "certificate": format(certificate.serial_number, "x"),
        "installed": int(now),
        "firmware": None,
        "revoked": False,
        "pending": True,
        "cloud_pending": True,
    }
    registry.save()


def tell(session: Session, authority: Authority, registry: Registry, gateway: str, via: str | None) -> bool:
    """Hand the enrolment to the gateway where it can be reached; else keep it for later."""
    enrolment = registry.enrolment(gateway, authority, SystemClock())
    write_json(session.workspace.root / "enrolment" / f"{gateway}.json", dict(enrolment))
    reason = deliver(enrolment, via) if via else session.text("provision.no_via")
    if reason is None:
        registry.told(gateway)
        session.say("provision.told", gateway=gateway)
        return True
    file = session.workspace.root / "enrolment" / f"{gateway}.json"
    session.say("provision.later", gateway=gateway, reason=reason, file=file)
    return False


def ask_passphrase(arguments: argparse.Namespace, session: Session) -> str:
    """Return the passphrase of the workspace's CA."""
    return secrets.ask(session, "ask.passphrase", file=arguments.passphrase_file, variable=PASSPHRASE)


@contextmanager
def whole_change(session: Session, passphrase: str) -> Iterator[tuple[Workspace, Authority, Registry]]:
    """Yield a draft of the workspace, its CA and its list; what is done with them takes effect as one, or not at all."""
    authorities.unlock(session.workspace, passphrase, SystemClock())  # a wrong one is refused before anything is written
    with changing(session.workspace) as draft:
        yield draft, authorities.unlock(draft, passphrase, SystemClock()), Registry(draft)


def open_authority(arguments: argparse.Namespace, session: Session) -> Authority:
    """Return the workspace's CA, unlocked."""
    return authorities.unlock(session.workspace, ask_passphrase(arguments, session), SystemClock())


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Provision one node."""
    node, clock = check_node(arguments.id), SystemClock()
    wifi = {}
    if arguments.wifi:
        wifi[arguments.wifi] = secrets.ask(session, "ask.wifi", file=arguments.wifi_password_file, variable="VUONG_WIFI_PASSWORD")
    config = configuration(
        node, arguments.pond, arguments.gateway, wifi, [probe(text) for text in arguments.probes.split(",")], arguments.interval
    )
    passphrase = ask_passphrase(arguments, session)
    with whole_change(session, passphrase) as (draft, authority, registry):
        enter(draft, authority, registry, config, clock.now())
    session.say("provision.done", node=node, pond=arguments.pond, place=session.workspace.node(node))
    authority, registry = authorities.unlock(session.workspace, passphrase, clock), Registry(session.workspace)
    told = tell(session, authority, registry, config["broker"], arguments.via)
    cloud = tell_cloud(session, registry)
    folder = str(session.workspace.node(node))
    session.result({"ok": True, "node": node, "pond": arguments.pond, "folder": folder, "told": told, "cloud": cloud})
