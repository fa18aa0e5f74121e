"""``vuong fleet gateway``: the bundle of certificates with which ``vuong gateway setup`` turns a Raspberry Pi into this co-op's gateway."""

from __future__ import annotations

import argparse
import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from provisioning.authority import Authority, private_pem
from provisioning.cloud import signed_in
from provisioning.failure import Failure, WrongCall
from provisioning.node.provision import ask_passphrase, whole_change
from provisioning.session import Session
from provisioning.workspace import write_whole

ALWAYS: Final = ["localhost", "127.0.0.1"]
HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
IDENTITY: Final = "gateway"  # gateway.system.files.Layout.gateway_identity


def bundle(authority: Authority, hosts: list[str], more: dict[str, bytes]) -> bytes:
    """Return ``ca.crt``, ``revoked.pem``, certificates with keys of broker and gateway, and `more` files, as a tar file."""
    files = {"ca.crt": authority.pem, "revoked.pem": authority.revoked_pem(), **more}
    names = list(dict.fromkeys([*hosts, *ALWAYS]))
    for name, issued in (("broker", authority.issue(hosts[0], names)), ("gateway", authority.issue(IDENTITY))):
        files[f"{name}.crt"], files[f"{name}.key"] = issued[0].public_bytes(Encoding.PEM), private_pem(issued[1])
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644 if name.endswith((".crt", ".pem", ".json")) else 0o600
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def identity_of(host: str) -> str:
    """Return a gateway's id where nobody gave one: what ``vuong gateway setup`` takes on a machine of that name."""
    return "gw-" + (host if host.replace(".", "").isdigit() else host.partition(".")[0]).lower()


def _in_cloud(session: Session, identity: str) -> dict[str, bytes] | None:
    """Return the file with the gateway's token (none where it has one already); ``None`` where the cloud does not know the gateway."""
    cloud = signed_in(session.workspace)
    if cloud is None or cloud.cooperative is None:
        return None
    try:
        token = cloud.add_gateway(identity)
    except Failure as failure:
        session.say("bundle.cloud_later", reason=failure.sentence(session.language))
        return None
    session.say("bundle.cloud" if token else "bundle.cloud_known", gateway=identity)
    session.mask.add(token or "")
    return {"cloud.token": token.encode()} if token else {}


def make(session: Session, hosts: list[str], identity: str, passphrase: str) -> bytes:
    """Make a gateway's identity, tell the cloud of it where it can be reached, and return its bundle."""
    with whole_change(session, passphrase) as (_, authority, registry):  # a wrong passphrase comes before the cloud is asked
        known, cloud = _in_cloud(session, identity), signed_in(session.workspace)
        about: dict[str, Any] = {"id": identity}
        if known and cloud:
            about["cloud"] = cloud.url
        content = bundle(authority, hosts, {"gateway.json": json.dumps(about).encode(), **(known or {})})
        registry.gateways[hosts[0]] = {"id": identity, "cloud": None if known is None else identity}
        registry.save()
    return content


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Write the bundle; it holds private keys."""
    hosts = [host.strip() for host in arguments.host.split(",")]
    if not all(HOST.fullmatch(host) for host in hosts):
        raise WrongCall("gateway_host", value=arguments.host)
    out: Path = arguments.out or Path(f"{hosts[0]}.tar")
    identity = arguments.id or identity_of(hosts[0])
    content = make(session, hosts, identity, ask_passphrase(arguments, session))
    try:
        write_whole(out, content, 0o600)
    except OSError as error:
        raise Failure("file_unwritable", file=out, problem=error.strerror or error) from None
    session.say("bundle.done", file=out)
    session.result({"ok": True, "file": str(out), "id": identity})
