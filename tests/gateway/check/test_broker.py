"""The broker's check against a real Mosquitto, and against what is none."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.check import broker as checked
from gateway.check.finding import Finding
from gateway.config import Mqtt
from tests.gateway.check.conftest import NODE, Gateway
from tests.gateway.system.authority import Authority
from tests.gateway.system.broker import Broker, free_port

pytestmark = pytest.mark.slow
Said = Callable[[Iterator[Finding]], list[tuple[str, str]]]


def _mqtt(broker: Broker, certificate: str = "gateway") -> Mqtt:
    tls = broker.layout.tls
    return Mqtt(
        host="localhost",
        port=broker.layout.port,
        ca_file=tls / "ca.crt",
        cert_file=tls / f"{certificate}.crt",
        key_file=tls / f"{certificate}.key",
    )


@pytest.fixture
def ours(gateway: Gateway, broker: Broker) -> Gateway:
    gateway.mqtt = _mqtt(broker)
    return gateway


def test_all_well(ours: Gateway, said: Said) -> None:
    assert said(checked.check(ours.subject)) == [("ok", "broker.ok")]


async def test_running_gateway_is_not_disturbed(ours: Gateway, broker: Broker, said: Said) -> None:
    """The check shows the gateway's certificate, and yet the gateway's connection and subscription stay."""
    async with broker.client("gateway", clean_session=False) as running, broker.client(NODE) as node:
        await running.subscribe(f"vuong/v1/nodes/{NODE}/data", qos=1)
        for _ in range(3):
            assert await asyncio.to_thread(said, checked.check(ours.subject)) == [("ok", "broker.ok")]
        await node.publish(f"vuong/v1/nodes/{NODE}/data", b"heard", qos=1)
        async with asyncio.timeout(5):
            message = await anext(running.messages)
    assert message.payload == b"heard"


def test_nobody_there(ours: Gateway, said: Said) -> None:
    ours.mqtt = replace(ours.mqtt, port=free_port())
    assert said(checked.check(ours.subject)) == [("fail", "broker.unreachable")]


def test_name_that_is_not_known(ours: Gateway, said: Said) -> None:
    ours.mqtt = replace(ours.mqtt, host="broker.invalid")
    assert said(checked.check(ours.subject)) == [("fail", "broker.unreachable")]


def test_broker_of_another_coop(ours: Gateway, tmp_path: Path, said: Said) -> None:
    ours.mqtt = replace(ours.mqtt, ca_file=Authority(tmp_path / "foreign").folder / "ca.crt")
    assert said(checked.check(ours.subject)) == [("fail", "broker.foreign")]


@pytest.mark.parametrize("fault", ["expired", "foreign", "none"])
def test_broker_refuses_us(ours: Gateway, broker: Broker, tmp_path: Path, said: Said, fault: str) -> None:
    if fault == "expired":
        broker.authority.issue("late", start=-30, end=-1)
        ours.mqtt = _mqtt(broker, "late")
    elif fault == "foreign":
        foreign = Authority(tmp_path / "foreign")
        foreign.issue("gateway")
        ours.mqtt = replace(ours.mqtt, cert_file=foreign.folder / "gateway.crt", key_file=foreign.folder / "gateway.key")
    else:
        ours.mqtt = replace(ours.mqtt, cert_file=None, key_file=None)
    assert said(checked.check(ours.subject)) == [("fail", "broker.refused")]


def test_certificate_files_unusable(ours: Gateway, said: Said, tmp_path: Path) -> None:
    ours.mqtt = replace(ours.mqtt, key_file=tmp_path / "missing.key")
    assert said(checked.check(ours.subject)) == [("fail", "broker.certificates")]


def test_plain_call_at_a_tls_door(ours: Gateway, said: Said) -> None:
    ours.mqtt = Mqtt(host="localhost", port=ours.mqtt.port)
    [(status, key)] = said(checked.check(ours.subject))
    assert (status, key) in {("fail", "broker.no_mqtt"), ("fail", "broker.unreachable")}


def test_broker_certificate_ends_soon(gateway: Gateway, tmp_path: Path, said: Said) -> None:
    broker = Broker(tmp_path / "soon")
    broker.authority.issue("localhost", file="broker", server=True, end=10)
    broker.start()
    try:
        gateway.mqtt = _mqtt(broker)
        assert said(checked.check(gateway.subject)) == [("ok", "broker.ok"), ("warn", "broker.soon")]
    finally:
        broker.stop()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_something_else_at_the_port(gateway: Gateway, broker: Broker, said: Said, answer: bytes) -> None:
    """A server with our own certificate that is no broker."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(broker.layout.tls / "broker.crt", broker.layout.tls / "broker.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            plain, _ = listener.accept()
            with context.wrap_socket(plain, server_side=True) as channel:
                channel.recv(100)
                channel.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        gateway.mqtt = replace(_mqtt(broker), port=listener.getsockname()[1])
        assert said(checked.check(gateway.subject)) == [("fail", "broker.no_mqtt")]
        thread.join(5)
