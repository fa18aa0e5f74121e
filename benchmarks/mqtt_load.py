"""What the gateway's benchmarks load it with: nodes' messages, a real Mosquitto, a publisher that costs the machine as little as can be."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vuong.contract import topics
from vuong.contract.encode import json_pack

BEGIN = 1_763_614_800


def node_name(number: int) -> str:
    """Return the EUI-64 of a node."""
    return f"00124b{number:010x}"


def message(node: str, seq: int) -> bytes:
    """One live message of 4 readings that wander as a pond's do."""
    wave = (seq * 7) % 40
    values = {"temperature": 2900 + wave, "do": 600 + wave, "ph": 810 + wave // 4, "salinity": 1200 + wave}
    return bytes(json_pack(node, [(7, seq, BEGIN + seq * 300, values)], {7: 1}))


def connect(port: int, identifier: str) -> socket.socket:
    """Return a socket that is connected as an MQTT client."""
    link = socket.create_connection(("127.0.0.1", port))
    name = identifier.encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(name)) + name
    link.sendall(b"\x10" + bytes([len(body)]) + body)
    link.recv(4)
    return link


def publish_packet(topic: str, payload: bytes, mid: int) -> bytes:
    """Return an MQTT PUBLISH packet, QoS 1."""
    name = topic.encode()
    body = struct.pack(">H", len(name)) + name + struct.pack(">H", mid) + payload
    length, size = len(body), b""
    while True:
        length, byte = divmod(length, 128)
        size += bytes([byte | (128 if length else 0)])
        if not length:
            return b"\x32" + size + body


def publish(port: int, count: int, nodes: int) -> None:
    """Publish all messages as fast as the broker takes them."""
    packets = [
        publish_packet(
            topics.topic(node_name(i % nodes), topics.DATA), message(node_name(i % nodes), i // nodes + 1), i % 65000 + 1
        )
        for i in range(count)
    ]
    link = connect(port, "bench-publisher")
    threading.Thread(target=lambda: [None for _ in iter(lambda: link.recv(65536), b"")], daemon=True).start()
    for at in range(0, count, 100):
        link.sendall(b"".join(packets[at : at + 100]))
    time.sleep(60)  # ended by the caller


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """Run a broker; give its port."""
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 1000\n", encoding="utf-8"
    )
    binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    process = subprocess.Popen([binary, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        yield port
    finally:
        process.kill()
        process.wait()
