"""Whose clock is believed: none, the node's own, an NTP server's, the gateway's; and the times of samples when it turns out to have been wrong."""

from __future__ import annotations

import getpass
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware import ntp
from firmware.build import ROOT
from firmware.clock import EARLIEST
from firmware.dialling import _time
from firmware.errors import MqttError
from firmware.node import Node, NodeConfig
from firmware.queue import FlashQueue
from firmware.timing import sent_time, take_over

from .conftest import Broker, Gateway, free_port, until
from .test_micropython import MICROPYTHON
from .test_node import NODE, make, probes, running

CHRONYD = ROOT / ".chrony" / "usr" / "sbin" / "chronyd"
NOW = 1_795_000_000


class BoardsClock:
    """A board's clock that shows `shown` where it is really `true`; both run on together."""

    def __init__(self, shown: int | None, true: int = NOW) -> None:
        self.shown, self.true, self.up = shown, true, 0

    def now(self) -> int | None:
        return None if self.shown is None else self.shown + self.up

    def uptime(self) -> int:
        return self.up

    def set(self, utc: int) -> None:
        self.shown = utc - self.up

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds / 100)
        self.up += max(1, round(seconds))


@pytest.mark.parametrize(
    ("off", "after"), [(0, 0), (5, 5), (-5, -5), (6, 1), (-40, -35), (60, 55), (61, 0), (-86400, 0), (10**8, 0)]
)
def test_a_clock_that_is_a_little_off_is_slewed_and_a_wrong_one_set(off: int, after: int) -> None:
    clock = BoardsClock(NOW + off)
    take_over(clock, NOW)
    assert clock.now() == NOW + after


def test_a_gateway_that_does_not_know_the_time_sets_nobodys_clock() -> None:
    for shown in (None, NOW):
        clock = BoardsClock(shown)
        take_over(clock, EARLIEST - 1)
        assert clock.now() == shown
    clock = BoardsClock(None)
    take_over(clock, NOW)
    assert clock.now() == NOW


@given(off=st.integers(-(10**8), 10**8), taken=st.lists(st.integers(1, 3600), min_size=1, max_size=12))
def test_samples_of_a_wrong_clock_are_sent_with_the_times_at_which_they_were_taken(
    tmp_path_factory: pytest.TempPathFactory, off: int, taken: list[int]
) -> None:
    queue, clock = FlashQueue(str(tmp_path_factory.mktemp("q") / "q")), BoardsClock(NOW + off)
    for seq, seconds in enumerate(taken, 1):
        clock.up += seconds
        queue.append(7, seq, clock.uptime(), clock.now(), {"do": seq})
    for _ in range(20):
        take_over(clock, NOW + clock.up)
    assert abs((clock.now() or 0) - NOW - clock.up) <= 5
    clock.up += 10
    queue.append(7, len(taken) + 1, clock.uptime(), clock.now(), {"do": 1})
    for present in (7, 8):  # in the same boot, and by the one after it
        for record in queue.records(7, 0, 99):
            sent = sent_time(queue, clock, present, 7, record.uptime, record.time)
            assert abs(sent - NOW - record.uptime) <= (65 if abs(off) <= 65 else 5)


async def test_a_node_with_a_wrong_clock_takes_the_gateways_and_doubles_nothing(tmp_path: Path, broker: Broker) -> None:
    clock = BoardsClock(NOW - 86400 * 30)
    dark = Node(
        NodeConfig(NODE, interval=10, pace=0.01, resend=0.3),
        clock=clock,
        probes=probes(),
        queue=FlashQueue(str(tmp_path / "q")),
        link=make(tmp_path / "other", broker.port).link,
    )
    dark.link.attach(dark._on_message, None, ["vuong/v1/nodes/" + NODE + "/ack"], dark._on_up)
    for _ in range(5):
        await dark.sample()
        clock.up += 10
    gateway = Gateway(NODE, clock=NOW)
    async with gateway.on(broker.port), running(dark):
        await until(lambda: len(gateway.samples) >= 8 and dark.queue.held() <= 1)
        assert abs((clock.now() or 0) - NOW) < 1000
    wrong = [seq for (_, seq), (at, _) in gateway.samples.items() if abs(at - NOW) > 1000]
    assert len(wrong) <= 1  # the question itself
    right = [at for (_, seq), (at, _) in sorted(gateway.samples.items()) if seq not in wrong]
    assert all(a < b for a, b in pairwise(right))
    assert {boot for boot, _ in gateway.samples} == {dark.boot}


def answer(question: bytes, seconds: int, *, mode: int = 4, leap: int = 0, stratum: int = 2) -> bytes:
    """Return what a server says to a question (RFC 5905, figure 8)."""
    head = struct.pack(">BBbb", leap << 6 | 4 << 3 | mode, stratum, 6, -20)
    return head + bytes(20) + question[40:48] + struct.pack(">II", seconds, 0) * 2


@pytest.mark.parametrize("seconds", [3_994_000_000, 4_294_967_295, 5])  # the last is after the roll-over of 7 February 2036
def test_an_ntp_answer_is_read_across_the_era(seconds: int) -> None:
    question = bytes(40) + b"our mark"
    told = ntp.read(answer(question, seconds), b"our mark")
    assert told == (seconds if seconds > 2**31 else seconds + 2**32) - 2_208_988_800


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"mode": 3}, "no answer"),
        ({"leap": 3}, "does not know"),
        ({"stratum": 0}, "does not know"),
        ({"stratum": 16}, "does not know"),
    ],
)
def test_an_ntp_answer_that_is_no_use_is_refused(fields: dict[str, int], reason: str) -> None:
    question = bytes(40) + b"our mark"
    with pytest.raises(ntp.NtpError, match=reason):
        ntp.read(answer(question, 3_994_000_000, **fields), b"our mark")
    for wrong in (answer(bytes(48), 3_994_000_000), b"", bytes(47)):
        with pytest.raises(ntp.NtpError, match="no answer"):
            ntp.read(wrong, b"our mark")


@contextmanager
def responder(seconds: int | None) -> Iterator[int]:
    """Stand in for a time server: it answers one question with `seconds`, or nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        line.settimeout(5)

        def serve() -> None:
            with suppress(OSError):
                question, whom = line.recvfrom(64)
                if seconds is not None:
                    line.sendto(answer(question, seconds + 2_208_988_800), whom)

        thread = threading.Thread(target=serve)
        thread.start()
        yield line.getsockname()[1]
        thread.join()


def test_time_servers_are_asked_one_after_the_other() -> None:
    with responder(NOW) as port:
        dead = free_port()
        assert _time({"broker": "x", "ntp": [f"127.0.0.1:{dead}", f"127.0.0.1:{port}"]}) == NOW
    with pytest.raises(MqttError, match="no time server answers"):
        _time({"broker": "x", "ntp": [f"127.0.0.1:{dead}"]})
    with responder(None) as port, pytest.raises(OSError):  # noqa: PT011 (a time-out, whose text is the system's)
        ntp.ask("127.0.0.1", port, 0.2)


@pytest.mark.slow
@pytest.mark.skipif(not CHRONYD.exists(), reason="LEFT OUT: no chrony here; run scripts/install_test_system.sh")
def test_the_time_of_a_real_ntp_server_on_both_interpreters(tmp_path: Path) -> None:
    port = free_port()
    config = f"port {port}\nlocal stratum 8\nallow 127.0.0.1\ncmdport 0\nbindaddress 127.0.0.1\npidfile {tmp_path}/pid\n"
    (tmp_path / "chrony.conf").write_text(config)
    server = subprocess.Popen(
        [CHRONYD, "-x", "-d", "-u", getpass.getuser(), "-f", tmp_path / "chrony.conf"], stderr=subprocess.DEVNULL
    )
    try:
        told = 0
        for _ in range(100):  # until it listens
            time.sleep(0.05)
            with suppress(OSError):
                told = ntp.ask("127.0.0.1", port, 0.5)
                break
        assert abs(told - time.time()) <= 2
        if MICROPYTHON.exists():
            program = f"from firmware import ntp; print(ntp.ask('127.0.0.1', {port}))"
            environment = {"MICROPYPATH": f"{ROOT}:.frozen", "PATH": os.environ["PATH"]}
            done = subprocess.run(
                [MICROPYTHON, "-c", program], env=environment, capture_output=True, text=True, timeout=10, check=True
            )
            assert abs(int(done.stdout) - time.time()) <= 2
    finally:
        server.terminate()
        server.wait()
