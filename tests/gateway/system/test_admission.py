"""Who gets in: a real Mosquitto under the shipped configuration refuses everybody but the co-op's own, unrevoked certificates."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import aiomqtt
import psutil
import pytest

from tests.gateway.system.authority import Authority
from tests.gateway.system.broker import Broker

pytestmark = pytest.mark.slow

NODE = "70b3d57ed0001a2b"


# MQTT 3.1.1 CONNECT: clean session, keep-alive 60 s, client id "x"
CONNECT = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x"
ACCEPTED = b"\x20\x02\x00\x00"


def _answer(broker: Broker, context: ssl.SSLContext, said: bytes) -> bytes:
    """Say something and return the broker's answer. With TLS 1.3 a refusal comes after the client's side of the handshake."""
    with (
        socket.create_connection(("localhost", broker.layout.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as channel,
    ):
        channel.sendall(said)
        return channel.recv(4)


def _connects(broker: Broker, certificate: str) -> None:
    if not (broker.layout.tls / f"{certificate}.crt").exists():
        broker.authority.issue(certificate)
    assert _answer(broker, broker.context(certificate), CONNECT) == ACCEPTED


def _is_refused(broker: Broker, context: ssl.SSLContext, alert: str) -> None:
    with pytest.raises(ssl.SSLError, match=alert):
        _answer(broker, context, b"")


def test_own_certificate_is_accepted(broker: Broker) -> None:
    _connects(broker, NODE)


def test_foreign_ca_is_refused(broker: Broker, tmp_path: Path) -> None:
    foreign = Authority(tmp_path, name="HTX Vinh Chau CA")  # even one that calls itself the same
    foreign.issue(NODE)
    _is_refused(broker, broker.context(NODE, foreign), "ALERT_(UNKNOWN_CA|DECRYPT_ERROR)")


@pytest.mark.parametrize(
    ("start", "end", "alert"), [(-30.0, -1.0, "ALERT_CERTIFICATE_EXPIRED"), (1.0, 30.0, "ALERT_BAD_CERTIFICATE")]
)
def test_certificate_outside_its_dates_is_refused(broker: Broker, start: float, end: float, alert: str) -> None:
    name = f"dates{end:.0f}"
    broker.authority.issue(name, start=start, end=end)
    _is_refused(broker, broker.context(name), alert)


def test_no_certificate_is_refused(broker: Broker) -> None:
    _is_refused(broker, broker.context(None), "CERTIFICATE_REQUIRED")


def test_plain_connection_is_refused(broker: Broker) -> None:
    with socket.create_connection(("localhost", broker.layout.port), timeout=5) as plain:
        plain.sendall(CONNECT)
        try:
            answer = plain.recv(4)
        except ConnectionResetError:
            answer = b""
    assert answer[:1] != ACCEPTED[:1]


def test_nothing_else_listens(broker: Broker) -> None:
    """The only door is the TLS one."""
    open_ports = [c.laddr.port for c in broker.process.net_connections() if c.status == psutil.CONN_LISTEN]
    assert open_ports == [broker.layout.port]


def test_server_certificate_does_not_open_the_door(broker: Broker) -> None:
    _is_refused(broker, broker.context("broker"), "ALERT")


def test_old_tls_is_refused(broker: Broker) -> None:
    context = broker.context("gateway")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("localhost", broker.layout.port)) as plain, pytest.raises((ssl.SSLError, OSError)):
        context.wrap_socket(plain, server_hostname="localhost")


def test_forward_secrecy_under_tls_1_2(broker: Broker) -> None:
    """What an ESP32 speaks."""
    context = broker.context("gateway")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("localhost", broker.layout.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as channel,
    ):
        cipher = channel.cipher()
    assert cipher is not None
    assert cipher[0].startswith("ECDHE")


def test_revoked_certificate_is_refused_after_reload(make_broker: Callable[..., Broker]) -> None:
    broker = make_broker()
    lost = broker.authority.issue(NODE)
    _connects(broker, NODE)
    broker.authority.revoke(lost)
    broker.reload()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            _connects(broker, NODE)
        except (ssl.SSLError, OSError):
            break
    _is_refused(broker, broker.context(NODE), "REVOKED")
    _connects(broker, "70b3d57ed0001a2c")


async def test_two_connections_share_no_identity(broker: Broker) -> None:
    """A node that calls itself by the gateway's client id keeps its own: it cannot throw the gateway out."""
    async with broker.client("gateway", identifier="gateway") as gateway, broker.client(NODE, identifier="gateway") as node:
        await gateway.subscribe(f"vuong/v1/nodes/{NODE}/data", qos=1)
        await node.publish(f"vuong/v1/nodes/{NODE}/data", b"still here", qos=1)
        async with asyncio.timeout(5):
            message = await anext(gateway.messages)
    assert message.payload == b"still here"


async def test_keepalive_beyond_the_limit_is_shortened(broker: Broker) -> None:
    """A node that died must be missed in time: MQTT 5 clients are told the limit (older ones are not, and keep their own)."""
    async with broker.client(NODE, keepalive=3000, protocol=aiomqtt.ProtocolVersion.V5, clean_session=None) as client:
        assert client._client._keepalive == 600  # paho keeps the server's answer nowhere public
