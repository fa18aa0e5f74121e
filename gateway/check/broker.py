"""The broker: reachable, ours, and it knows us."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from gateway.check.certificates import SOON, days_until
from gateway.check.finding import Finding, Subject, fail, ok, warn

TIMEOUT: Final = 5.0
# CONNECT in a protocol version that there is not: the broker answers "unacceptable protocol version" before it looks at sessions. A real
# CONNECT would carry the gateway's identity, and throw the running gateway out.
_PROBE: Final = b"\x10\x0d\x00\x04MQTT\x7f\x02\x00\x3c\x00\x01x"
_ANSWER: Final = b"\x20\x02\x00\x01"


def _context(subject: Subject) -> ssl.SSLContext | None:
    mqtt = subject.config.mqtt
    if mqtt.ca_file is None:
        return None
    context = ssl.create_default_context(cafile=mqtt.ca_file)
    # With TLS 1.2 a refusal of our certificate is part of the handshake; with 1.3 it would come at some later time.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    if mqtt.cert_file is not None and mqtt.key_file is not None:
        context.load_cert_chain(mqtt.cert_file, mqtt.key_file)
    return context


def _expiry(channel: socket.socket) -> datetime | None:
    if not isinstance(channel, ssl.SSLSocket):
        return None
    certificate = channel.getpeercert()
    if not certificate or "notAfter" not in certificate:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)


def check(subject: Subject) -> Iterator[Finding]:
    """Connect as the gateway would, up to MQTT's first answer."""
    mqtt = subject.config.mqtt
    where: dict[str, str | int] = {"host": mqtt.host, "port": mqtt.port}
    try:
        context = _context(subject)
    except (OSError, ssl.SSLError) as error:
        yield fail("broker.certificates", problem=str(error))
        return
    begun = time.monotonic()
    try:
        with (
            socket.create_connection((mqtt.host, mqtt.port), TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=mqtt.host) if context else plain as channel,
        ):
            expiry = _expiry(channel)
            channel.sendall(_PROBE)
            answer = channel.recv(4)
    except ssl.SSLCertVerificationError as error:
        yield fail("broker.foreign", problem=error.verify_message, **where)
        return
    except ssl.SSLError as error:
        yield fail("broker.refused", problem=error.reason or str(error), **where)
        return
    except OSError as error:
        yield fail("broker.unreachable", problem=error.strerror or str(error), **where)
        return
    if answer != _ANSWER:
        yield fail("broker.no_mqtt", **where)
        return
    yield ok("broker.ok", milliseconds=round((time.monotonic() - begun) * 1000), **where)
    if expiry is not None and (left := days_until(expiry, subject)) < SOON:
        yield warn("broker.soon", days=int(left), date=expiry.strftime("%d/%m/%Y"))
