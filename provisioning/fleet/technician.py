"""``vuong fleet technician``: with what a technician's laptop speaks to nodes through a gateway; for this laptop or another one."""

from __future__ import annotations

import argparse
import io
import tarfile
from pathlib import Path

from provisioning.authority import technician_key
from provisioning.failure import Failure, WrongCall
from provisioning.link import identity
from provisioning.node.provision import open_authority, tell
from provisioning.registry import Registry
from provisioning.session import Session
from provisioning.workspace import write_whole

_FILES = ("ca.crt", "technician.crt", "technician.key")


def _packed(found: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in sorted(found.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o600 if name.endswith(".key") else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _unpacked(path: Path) -> dict[str, bytes]:
    try:
        with tarfile.open(path) as tar:
            members = {name: tar.extractfile(name) for name in _FILES}
            return {name: file.read() for name, file in members.items() if file is not None}
    except (OSError, KeyError, tarfile.TarError) as error:
        raise WrongCall("file_unreadable", file=path, problem=error) from None


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Issue, take over, or revoke."""
    person = arguments.person
    if arguments.identity is not None:
        identity.store(session.workspace.technician, _unpacked(arguments.identity))
        session.say("technician.stored", person=person, place=session.workspace.technician)
        session.result({"ok": True, "folder": str(session.workspace.technician)})
        return
    authority = open_authority(arguments, session)
    if arguments.revoke:
        count = authority.revoke(technician_key(person))
        session.say("technician.revoked", person=person, count=count)
        registry = Registry(session.workspace)
        gateways = [arguments.gateway] if arguments.gateway else sorted({str(row["gateway"]) for row in registry.nodes.values()})
        told = {gateway: tell(session, authority, registry, gateway, arguments.via) for gateway in gateways}
        session.result({"ok": True, "revoked": count, "told": told})
        return
    found = identity.files(authority, person)
    if arguments.out is None:
        identity.store(session.workspace.technician, found)
        session.say("technician.stored", person=person, place=session.workspace.technician)
    else:
        try:
            write_whole(arguments.out, _packed(found), 0o600)
        except OSError as error:
            raise Failure("file_unwritable", file=arguments.out, problem=error.strerror or error) from None
        session.say("technician.packed", person=person, file=arguments.out)
    session.result({"ok": True, "person": person, "folder": str(session.workspace.technician), "file": arguments.out})
