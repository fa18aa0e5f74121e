"""The gateway's certificates: readable, in date, of this co-op's CA, with a key that fits and that nobody else can read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from gateway.check.finding import Finding, Subject, fail, not_applicable, ok, warn

SOON: Final = 30  # days before the end at which a technician should come
REVOKED: Final = "revoked.pem"  # beside the CA's certificate: see gateway/system/mosquitto.conf
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def days_until(end: datetime, subject: Subject) -> float:
    """Return the days from now to `end`; below 0 it has passed."""
    return (end.timestamp() - subject.clock.now()) / 86_400


def _date(moment: datetime) -> str:
    return moment.strftime("%d/%m/%Y")


def _load(path: Path) -> x509.Certificate | Finding:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        return fail("certificate.unreadable", file=str(path), problem=error.strerror or str(error))
    except ValueError:
        return fail("certificate.garbage", file=str(path))


def _dates(path: Path, certificate: x509.Certificate, subject: Subject) -> Finding:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    left = days_until(end, subject)
    if left < 0:
        return fail("certificate.expired", file=str(path), date=_date(end))
    if start > datetime.fromtimestamp(subject.clock.now(), UTC):
        return fail("certificate.early", file=str(path), date=_date(start))
    if left < SOON:
        return warn("certificate.soon", file=str(path), date=_date(end), days=int(left))
    return ok("certificate.ok", file=str(path), date=_date(end))


def _key(path: Path, certificate: x509.Certificate | None) -> Iterator[Finding]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        yield fail("certificate.unreadable", file=str(path), problem=error.strerror or str(error))
        return
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it wants a password
        yield fail("certificate.garbage", file=str(path))
        return
    if mode & stat.S_IRWXO:
        yield fail("certificate.key_open", file=str(path), mode=f"{mode:04o}")
    if certificate is not None and key.public_key() != certificate.public_key():
        yield fail("certificate.key_mismatch", file=str(path))


def _revoked(path: Path, own: x509.Certificate | None, subject: Subject) -> Iterator[Finding]:
    try:
        revoked = x509.load_pem_x509_crl(path.read_bytes())
    except OSError as error:
        yield fail("certificate.unreadable", file=str(path), problem=error.strerror or str(error))
        return
    except ValueError:
        yield fail("certificate.garbage", file=str(path))
        return
    end = revoked.next_update_utc
    if end is not None and days_until(end, subject) < 0:
        yield fail("certificate.list_expired", file=str(path), date=_date(end))
    elif end is not None and days_until(end, subject) < SOON:
        yield warn("certificate.list_soon", file=str(path), date=_date(end))
    if own is not None and revoked.get_revoked_certificate_by_serial_number(own.serial_number) is not None:
        yield fail("certificate.revoked", file=str(path))


def check(subject: Subject) -> Iterator[Finding]:
    """Look at the files that the configuration names in ``[mqtt]``, and at the list of revoked certificates beside the CA's."""
    mqtt = subject.config.mqtt
    if mqtt.ca_file is None:
        yield (not_applicable("certificate.none") if mqtt.host in LOOPBACK else fail("certificate.plain", host=mqtt.host))
        return
    ca = _load(mqtt.ca_file)
    yield ca if isinstance(ca, Finding) else _dates(mqtt.ca_file, ca, subject)
    own: x509.Certificate | None = None
    if mqtt.cert_file is not None and mqtt.key_file is not None:
        loaded = _load(mqtt.cert_file)
        if isinstance(loaded, Finding):
            yield loaded
        else:
            own = loaded
            yield _dates(mqtt.cert_file, own, subject)
            if isinstance(ca, x509.Certificate) and not _issued_by(own, ca):
                yield fail("certificate.foreign", file=str(mqtt.cert_file), ca=str(mqtt.ca_file))
        yield from _key(mqtt.key_file, own)
    revoked = mqtt.ca_file.parent / REVOKED
    if revoked.exists():
        yield from _revoked(revoked, own, subject)


def _issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
