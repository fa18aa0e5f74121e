"""The co-op's own certificate authority, on the technician's laptop: P-256 keys, the CA's encrypted, certificates for gateways and nodes.

It also holds the key that signs the nodes' updates (Ed25519, encrypted beside the CA's).

Who gets in is decided by `gateway/system/mosquitto.conf`: a certificate of this CA that is not on its list of revoked ones; the common name is the
user name. The list lasts as long as the CA, because an expired one would refuse everybody.
"""

from __future__ import annotations

import ipaddress
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firmware.update import signed_text
from provisioning.failure import Failure, WrongCall
from provisioning.workspace import Workspace, read_json, write_json, write_whole
from vuong.clock import Clock

_DAY: Final = timedelta(days=1)
CA_DAYS: Final = 20 * 365
LEAF_DAYS: Final = 5 * 365
_PEM: Final = serialization.Encoding.PEM
SHORTEST_PASSPHRASE: Final = 10
# A laptop whose clock was never set would make certificates that nobody accepts: 2026-01-01.
_EARLIEST: Final = 1_767_225_600
# What the broker's access list knows technicians by; who it is stands in another field of the subject.
TECHNICIAN: Final = "technician"


def _name(common_name: str, person: str | None = None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if person is not None:
        attributes.append(x509.NameAttribute(NameOID.GIVEN_NAME, person))
    return x509.Name(attributes)


def technician_key(person: str) -> str:
    """Return the name under which the certificates of a technician are listed and revoked."""
    return f"{TECHNICIAN}:{person}"


def private_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, passphrase: str | None = None) -> bytes:
    """Return a key as PKCS #8, encrypted where there is a passphrase."""
    how: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        how = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, how)


def _hosts(names: list[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


class Authority:
    """An opened CA; see `create` and `unlock`."""

    def __init__(
        self,
        workspace: Workspace,
        certificate: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        signer: ed25519.Ed25519PrivateKey,
        clock: Clock,
    ) -> None:
        self._workspace, self.certificate, self._key, self._signer, self._clock = workspace, certificate, key, signer, clock

    @property
    def pem(self) -> bytes:
        """Return the CA's certificate."""
        return self.certificate.public_bytes(_PEM)

    def _index(self) -> dict[str, Any]:
        return read_json(self._workspace.authority / "index.json")

    @property
    def update_key(self) -> str:
        """Return the public key (hex) by which nodes know an update as ours."""
        raw = serialization.PublicFormat.Raw
        return self._signer.public_key().public_bytes(serialization.Encoding.Raw, raw).hex()

    def sign_update(self, version: str, size: int, sha256: str) -> str:
        """Return the signature (hex) of an update's manifest: see `firmware.update`."""
        return self._signer.sign(signed_text(version, size, sha256)).hex()

    def issue_technician(self, person: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """Return a new certificate of a technician and its key."""
        return self.issue(TECHNICIAN, person=person)

    def issue(
        self, common_name: str, hosts: list[str] | None = None, *, person: str | None = None
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """Return a new certificate and its key; with `hosts` it is a server's, else a client's, with `person` a technician's."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = _now(self._clock)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        end = min(now + LEAF_DAYS * _DAY, self.certificate.not_valid_after_utc)
        builder = _builder(
            _name(common_name, person), self.certificate.subject, key.public_key(), self._key.public_key(), now, end
        )
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(_hosts(hosts)), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        index = self._index()
        listed = common_name if person is None else technician_key(person)
        index[str(certificate.serial_number)] = {"name": listed, "issued": int(now.timestamp()), "revoked": None}
        write_json(self._workspace.authority / "index.json", index)
        return certificate, key

    def revoke(self, common_name: str) -> int:
        """Revoke every certificate of a name; return how many are revoked now that were not. Writes ``revoked.pem``."""
        index, now, count = self._index(), int(self._clock.now()), 0
        for row in index.values():
            if row["name"] == common_name and row["revoked"] is None:
                row["revoked"] = now
                count += 1
        write_json(self._workspace.authority / "index.json", index)
        self.write_list()
        return count

    def write_list(self) -> None:
        """Write the list of revoked certificates."""
        now = _now(self._clock)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(now - _DAY).next_update(self.certificate.not_valid_after_utc)
        for serial, row in self._index().items():
            if row["revoked"] is not None:
                when = datetime.fromtimestamp(row["revoked"], UTC)
                entry = x509.RevokedCertificateBuilder().serial_number(int(serial)).revocation_date(when).build()
                builder = builder.add_revoked_certificate(entry)
        write_whole(self._workspace.authority / "revoked.pem", builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM))

    def revoked_pem(self) -> bytes:
        """Return the list of revoked certificates."""
        return (self._workspace.authority / "revoked.pem").read_bytes()

    def sign(self, document: dict[str, Any]) -> dict[str, str]:
        """Return a document as text with the CA's signature over that text."""
        text = json.dumps(document, sort_keys=True, ensure_ascii=False)
        return {"text": text, "signature": self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())).hex()}


def verify(signed: dict[str, Any], ca: x509.Certificate) -> dict[str, Any]:
    """Return the document of `Authority.sign`.

    Raises
    ------
    Failure
        if it was not signed by this CA, or is malformed
    """
    public = ca.public_key()
    try:
        text, signature = str(signed["text"]), bytes.fromhex(signed["signature"])
        cast("ec.EllipticCurvePublicKey", public).verify(signature, text.encode(), ec.ECDSA(hashes.SHA256()))
        document: dict[str, Any] = json.loads(text)
    except (InvalidSignature, KeyError, TypeError, ValueError):
        raise Failure("enrolment_signature") from None
    return document


def _now(clock: Clock) -> datetime:
    if clock.now() < _EARLIEST:
        raise Failure("laptop_clock", date=datetime.fromtimestamp(clock.now(), UTC).strftime("%d/%m/%Y"))
    return datetime.fromtimestamp(int(clock.now()), UTC)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    own: ec.EllipticCurvePublicKey,
    ca: ec.EllipticCurvePublicKey,
    now: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(own)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)  # clocks differ
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca), critical=False)
    )


def create(workspace: Workspace, cooperative: str, passphrase: str, clock: Clock) -> Authority:
    """Make the CA of a co-op.

    Raises
    ------
    WrongCall
        if there is one already, or the passphrase is short
    """
    if (workspace.authority / "ca.key").exists():
        raise WrongCall("ca_exists", place=workspace.authority)
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise WrongCall("passphrase_short", least=SHORTEST_PASSPHRASE)
    key, now = ec.generate_private_key(ec.SECP256R1()), _now(clock)
    subject = _name(f"{cooperative} CA")
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(subject, subject, key.public_key(), key.public_key(), now, now + CA_DAYS * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    authority = Authority(workspace, certificate, key, _new_signer(workspace, passphrase), clock)
    write_whole(workspace.authority / "ca.crt", authority.pem)
    authority.write_list()
    write_whole(workspace.authority / "ca.key", private_pem(key, passphrase), 0o600)
    return authority


def unlock(workspace: Workspace, passphrase: str, clock: Clock) -> Authority:
    """Open the workspace's CA.

    Raises
    ------
    WrongCall
        if there is none, or the passphrase is not its own
    """
    try:
        certificate = x509.load_pem_x509_certificate((workspace.authority / "ca.crt").read_bytes())
        sealed = (workspace.authority / "ca.key").read_bytes()
    except OSError:
        raise WrongCall("ca_missing", place=workspace.authority) from None
    try:
        key = serialization.load_pem_private_key(sealed, passphrase.encode())
    except (ValueError, TypeError):
        raise WrongCall("passphrase_wrong") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise WrongCall("file_unreadable", file=workspace.authority / "ca.key", problem="no P-256 key")
    return Authority(workspace, certificate, key, _update_signer(workspace, passphrase), clock)


def _new_signer(workspace: Workspace, passphrase: str) -> ed25519.Ed25519PrivateKey:
    made = ed25519.Ed25519PrivateKey.generate()
    write_whole(workspace.authority / "update.key", private_pem(made, passphrase), 0o600)
    return made


def _update_signer(workspace: Workspace, passphrase: str) -> ed25519.Ed25519PrivateKey:
    """Return the key that signs updates; a CA of before there was one gets it now."""
    path = workspace.authority / "update.key"
    if not path.exists():
        return _new_signer(workspace, passphrase)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), passphrase.encode())
    except (OSError, ValueError, TypeError) as error:
        raise WrongCall("file_unreadable", file=path, problem=error) from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise WrongCall("file_unreadable", file=path, problem="no Ed25519 key")
    return key
