"""The kernel's files about the machine. No Raspberry Pi is here: its files are written as its kernel writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.check import machine, timekeeping
from gateway.check.finding import Finding, Subject
from gateway.ingest import Ingest
from gateway.store.store import Store
from tests.gateway.check.conftest import NODE, Gateway
from vuong.contract import topics
from vuong.contract.encode import json_pack

Said = Callable[[Iterator[Finding]], list[tuple[str, str]]]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


@pytest.mark.parametrize(
    ("available", "expected"),
    [(200_000, ("ok", "memory.ok")), (90_000, ("warn", "memory.low")), (40_000, ("fail", "memory.full"))],
)
def test_memory(gateway: Gateway, said: Said, available: int, expected: tuple[str, str]) -> None:
    _write(
        gateway.folder / "proc/meminfo",
        f"MemTotal:         948000 kB\nMemFree:           12000 kB\nMemAvailable:  {available:>8} kB\n",
    )
    assert said(machine.memory(gateway.subject)) == [expected]


def test_memory_of_this_machine(gateway: Gateway) -> None:
    [finding] = machine.memory(Subject(gateway.config, gateway.clock))
    assert 0 < float(finding.numbers["percent"]) <= 100


@pytest.mark.parametrize("content", [None, "", "MemTotal: 0 kB\nMemAvailable: 0 kB\n"])
def test_memory_not_told(gateway: Gateway, said: Said, content: str | None) -> None:
    if content is not None:
        _write(gateway.folder / "proc/meminfo", content)
    assert said(machine.memory(gateway.subject)) == [("not-applicable", "memory.unknown")]


@pytest.mark.parametrize(
    ("millidegrees", "expected"),
    [("48312", ("ok", "temperature.ok")), ("70000", ("warn", "temperature.hot")), ("80123", ("fail", "temperature.throttled"))],
)
def test_temperature(gateway: Gateway, said: Said, millidegrees: str, expected: tuple[str, str]) -> None:
    _write(gateway.folder / "sys/class/thermal/thermal_zone0/temp", millidegrees + "\n")
    _write(gateway.folder / "sys/class/thermal/thermal_zone1/temp", "30000\n")
    assert said(machine.temperature(gateway.subject)) == [expected]


def test_no_sensors(gateway: Gateway, said: Said) -> None:
    assert said(machine.temperature(gateway.subject)) == [("not-applicable", "temperature.unknown")]
    assert said(machine.power(gateway.subject)) == [("not-applicable", "power.unknown")]


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ("0", ("ok", "power.ok")),
        ("50000", ("warn", "power.was_low")),
        ("50005", ("fail", "power.low")),
        ("80008", ("ok", "power.ok")),  # heat only
    ],
)
def test_firmwares_word_on_the_supply(gateway: Gateway, said: Said, bits: str, expected: tuple[str, str]) -> None:
    _write(gateway.folder / "sys/devices/platform/soc/soc:firmware/get_throttled", bits + "\n")
    assert said(machine.power(gateway.subject)) == [expected]


@pytest.mark.parametrize(("alarm", "expected"), [("0", ("ok", "power.ok")), ("1", ("fail", "power.low"))])
def test_kernels_voltage_sensor(gateway: Gateway, said: Said, alarm: str, expected: tuple[str, str]) -> None:
    _write(gateway.folder / "sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
    _write(gateway.folder / "sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    _write(gateway.folder / "sys/class/hwmon/hwmon1/in0_lcrit_alarm", alarm + "\n")
    assert said(machine.power(gateway.subject)) == [expected]


@pytest.mark.parametrize(
    ("state", "expected"),
    [(0, ("ok", "clock.ok")), (5, ("warn", "clock.unsynchronised")), (None, ("not-applicable", "clock.unknown"))],
)
def test_clock_and_the_networks_time(gateway: Gateway, said: Said, state: int | None, expected: tuple[str, str]) -> None:
    assert said(timekeeping.check(gateway.subject, lambda: state)) == [expected]


def test_kernel_answers_here() -> None:
    assert timekeeping.kernel_clock_state() in range(6)


@pytest.mark.parametrize("now", [0.0, 1_500_000_000.0, 5_000_000_000.0])
def test_absurd_year(gateway: Gateway, said: Said, now: float) -> None:
    gateway.clock.set(now)
    assert said(timekeeping.check(gateway.subject, lambda: 0))[0] == ("fail", "clock.absurd")


def test_clock_before_the_last_stored_reading(gateway: Gateway, said: Said) -> None:
    now = int(gateway.clock.now())
    store = Store(gateway.config.database)
    ingest = Ingest(gateway.config, store, gateway.clock)
    ingest.take([(topics.topic(NODE, topics.DATA), bytes(json_pack(NODE, [(7, 1, now, {"do": 600})], {7: 1})))])
    ingest.commit()
    assert said(timekeeping.check(gateway.subject, lambda: 0)) == [("ok", "clock.ok")]
    gateway.clock.set(now - 3600)
    assert said(timekeeping.check(gateway.subject, lambda: 0)) == [("fail", "clock.behind"), ("ok", "clock.ok")]
    store.close()
