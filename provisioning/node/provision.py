"""``vuong node provision``: identity, configuration and registration of a node, off-line if need be."""

from __future__ import annotations

import argparse
import re
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from provisioning import authority as authorities
from provisioning import secrets
from provisioning.authority import Authority, private_pem
from provisioning.failure import WrongCall
from provisioning.registry import Registry, check_node, deliver
from provisioning.session import Session
from provisioning.workspace import write_json, write_whole
from vuong.clock import SystemClock
from vuong.quantities import QUANTITIES

PORT = 8883
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?")
PASSPHRASE = "VUONG_CA_PASSPHRASE"  # noqa: S105 (a variable's name)


def configuration(node: str, pond: str, gateway: str, wifi: dict[str, str], probes: list[str], interval: int) -> dict[str, Any]:
    """Return what goes into the node's ``node.json``.

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
    unknown = [name for name in probes if name not in QUANTITIES]
    if unknown:
        raise WrongCall("probe", value=unknown[0], known=", ".join(QUANTITIES))
    if not 10 <= interval <= 86_400:
        raise WrongCall("interval", value=interval)
    host, _, port = gateway.partition(":")
    return {
        "node": node,
        "pond": pond,
        "gateway": {"host": host, "port": int(port or PORT)},
        "wifi": [{"ssid": ssid, "password": password} for ssid, password in wifi.items()],
        "probes": probes,
        "interval": interval,
    }


def enter(session: Session, authority: Authority, registry: Registry, config: dict[str, Any]) -> None:
    """Make a node's identity and enter it in the list; an identity that it had before is revoked."""
    node, folder = config["node"], session.workspace.node(config["node"])
    if node in registry.nodes:
        authority.revoke(node)
    certificate, key = authority.issue(node)
    write_whole(folder / "node.key", private_pem(key), 0o600)
    write_whole(folder / "node.crt", certificate.public_bytes(Encoding.PEM))
    write_whole(folder / "ca.crt", authority.pem)
    write_json(folder / "node.json", config)
    registry.nodes[node] = {
        "pond": config["pond"],
        "gateway": config["gateway"]["host"],
        "until": int(certificate.not_valid_after_utc.timestamp()),
        "revoked": False,
        "pending": True,
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


def open_authority(arguments: argparse.Namespace, session: Session) -> Authority:
    """Return the workspace's CA, unlocked."""
    passphrase = secrets.ask(session, "ask.passphrase", file=arguments.passphrase_file, variable=PASSPHRASE)
    return authorities.unlock(session.workspace, passphrase, SystemClock())


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Provision one node."""
    node = check_node(arguments.id)
    wifi = {}
    if arguments.wifi:
        wifi[arguments.wifi] = secrets.ask(session, "ask.wifi", file=arguments.wifi_password_file, variable="VUONG_WIFI_PASSWORD")
    config = configuration(node, arguments.pond, arguments.gateway, wifi, arguments.probes.split(","), arguments.interval)
    authority, registry = open_authority(arguments, session), Registry(session.workspace)
    enter(session, authority, registry, config)
    session.say("provision.done", node=node, pond=arguments.pond, place=session.workspace.node(node))
    told = tell(session, authority, registry, config["gateway"]["host"], arguments.via)
    session.result({"ok": True, "node": node, "pond": arguments.pond, "folder": str(session.workspace.node(node)), "told": told})
