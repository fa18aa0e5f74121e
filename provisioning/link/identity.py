"""With what a technician's laptop speaks to a gateway's broker."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from provisioning.authority import Authority, private_pem
from provisioning.failure import Failure, WrongCall
from provisioning.workspace import Workspace, write_whole

PORT: Final = 8883
PATIENCE: Final = 10.0


def files(authority: Authority, person: str) -> dict[str, bytes]:
    """Return a new identity as files by name; the key is among them."""
    certificate, key = authority.issue_technician(person)
    return {
        "ca.crt": authority.pem,
        "technician.crt": certificate.public_bytes(Encoding.PEM),
        "technician.key": private_pem(key),
    }


def store(folder: Path, found: dict[str, bytes]) -> None:
    """Keep an identity in a technician's folder."""
    for name, content in found.items():
        write_whole(folder / name, content, 0o600 if name.endswith(".key") else 0o644)


def context(workspace: Workspace) -> ssl.SSLContext:
    """Return the TLS context of the workspace's technician.

    Raises
    ------
    WrongCall
        if there is no identity, or it cannot be used
    """
    folder = workspace.technician
    if not (folder / "technician.key").exists():
        raise WrongCall("technician_missing", place=folder)
    try:
        made = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        made.load_cert_chain(folder / "technician.crt", folder / "technician.key")
    except (OSError, ssl.SSLError) as error:
        raise WrongCall("file_unreadable", file=folder, problem=error) from None
    # With TLS 1.2 a refusal of our certificate is part of the handshake; with 1.3 it would come at some later time, as a lost connection.
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    return made


def place(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST[:PORT]``.

    Raises
    ------
    WrongCall
        if the port is no number
    """
    host, _, port = text.partition(":")
    if not host or (port and not (port.isdigit() and 0 < int(port) < 65536)):
        raise WrongCall("gateway_host", value=text)
    return host, int(port or PORT)


def knock(host: str, port: int, tls: ssl.SSLContext) -> None:
    """Shake hands with the broker, so that what is wrong can be named.

    Raises
    ------
    Failure
        ``gateway_unreachable``, ``gateway_foreign`` (not of our CA, or of another name), ``technician_refused`` (ours is revoked or foreign)
    """
    where: dict[str, Any] = {"host": host, "port": port}
    try:
        with socket.create_connection((host, port), PATIENCE) as plain, tls.wrap_socket(plain, server_hostname=host):
            return
    except ssl.SSLCertVerificationError as error:
        raise Failure("gateway_foreign", problem=error.verify_message, **where) from None
    except ssl.SSLError as error:
        raise Failure("technician_refused", problem=error.reason or error, **where) from None
    except OSError as error:
        raise Failure("gateway_unreachable", problem=error.strerror or error, **where) from None
