"""``vuong fleet gateway``: the bundle of certificates with which ``vuong gateway setup`` turns a Raspberry Pi into this co-op's gateway."""

from __future__ import annotations

import argparse
import io
import tarfile
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from provisioning.authority import Authority, private_pem
from provisioning.failure import Failure
from provisioning.node.provision import open_authority
from provisioning.session import Session
from provisioning.workspace import write_whole

ALWAYS: Final = ["localhost", "127.0.0.1"]
IDENTITY: Final = "gateway"  # gateway.system.files.Layout.gateway_identity


def bundle(authority: Authority, hosts: list[str]) -> bytes:
    """Return ``ca.crt``, ``revoked.pem``, and certificates with keys of broker and gateway, as a tar file."""
    files = {"ca.crt": authority.pem, "revoked.pem": authority.revoked_pem()}
    names = list(dict.fromkeys([*hosts, *ALWAYS]))
    for name, issued in (("broker", authority.issue(hosts[0], names)), ("gateway", authority.issue(IDENTITY))):
        files[f"{name}.crt"], files[f"{name}.key"] = issued[0].public_bytes(Encoding.PEM), private_pem(issued[1])
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o600 if name.endswith(".key") else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Write the bundle; it holds private keys."""
    out: Path = arguments.out or Path(f"{arguments.host.split(',')[0]}.tar")
    content = bundle(open_authority(arguments, session), arguments.host.split(","))
    try:
        write_whole(out, content, 0o600)
    except OSError as error:
        raise Failure("file_unwritable", file=out, problem=error.strerror or error) from None
    session.say("bundle.done", file=out)
    session.result({"ok": True, "file": str(out)})
