"""What lies between node and board: Wi-Fi, supply, watchdog, assembly of probes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from firmware import assembly
from firmware.board import eui64
from firmware.build import modules
from firmware.clock import EARLIEST, BoardClock
from firmware.ledger import Ledger
from firmware.modules import drop
from firmware.supply import NORMAL, SAVING, SILENT, Supply
from firmware.watchdog import Watchdog
from firmware.wifi import Wifi

from .chips import FakeAds1115, no_wait
from .conftest import Broker, Gateway, until
from .test_node import NODE, make, running


class FakeWlan:
    """The radio: networks in reach with their strength, and which of them accepts us."""

    def __init__(self, reach: dict[str, int], accepts: set[str]) -> None:
        self.reach, self.accepts = reach, accepts
        self.tried: list[str] = []
        self.on: str | None = None
        self.scan_fails = False

    def active(self, on: bool) -> None:
        self.on = None

    def isconnected(self) -> bool:
        return self.on in self.accepts and self.on in self.reach

    def scan(self) -> list[tuple[Any, ...]]:
        if self.scan_fails:
            raise OSError("scan")
        return [(name.encode(), b"", 1, rssi) for name, rssi in self.reach.items()]

    def connect(self, name: str, password: str) -> None:
        self.tried.append(name)
        self.on = name

    def disconnect(self) -> None:
        self.on = None

    def status(self, what: str) -> int:
        return self.reach[self.on or ""]


async def test_the_strongest_known_network_is_tried_first_then_the_next() -> None:
    wlan = FakeWlan({"neighbour": -30, "far": -85, "near": -50}, {"far"})
    wifi = Wifi(wlan, {"far": "x", "near": "y", "elsewhere": "z"}, limit=0.01, sleep=no_wait)
    assert wifi.rssi() is None
    await wifi.up()
    assert wlan.tried == ["near", "far"]
    assert wifi.rssi() == -85
    await wifi.up()
    assert wlan.tried == ["near", "far"]  # nothing to do
    wlan.reach = {"near": -60}  # it roams: the old one is gone
    wlan.accepts = {"near"}
    await wifi.up()
    assert wlan.tried[-1] == "near"


async def test_no_network_is_an_error_that_the_link_backs_off_from() -> None:
    wlan = FakeWlan({"neighbour": -30}, {"neighbour"})
    with pytest.raises(OSError, match="no known Wi-Fi"):
        await Wifi(wlan, {"pond": "x"}, limit=0.01, sleep=no_wait).up()
    assert wlan.tried == []
    wlan.scan_fails = True
    with pytest.raises(OSError, match="no known Wi-Fi"):
        await Wifi(wlan, {"pond": "x"}, limit=0.01, sleep=no_wait).up()
    assert wlan.tried == ["pond"]


class FakeAdc:
    """A pin behind a divider by two."""

    def __init__(self, battery: float) -> None:
        self.battery = battery

    def read_uv(self) -> int:
        return round(self.battery * 500_000)


def test_the_supply_has_stages_with_a_deadband() -> None:
    adc = FakeAdc(3.3)
    supply = Supply(adc)
    seen = []
    for volts in (3.3, 3.19, 3.25, 3.31, 2.99, 3.05, 3.11, 3.35):
        adc.battery = volts
        seen.append((supply.stage(), supply.stretch()))
    assert [stage for stage, _ in seen] == [NORMAL, SAVING, SAVING, NORMAL, SILENT, SILENT, SAVING, NORMAL]
    assert seen[1][1] > 1
    adc.battery = 2.85
    assert not supply.may_write()
    assert supply.volts() == pytest.approx(2.85)


class WeakBoard:
    """A board whose battery is set from outside."""

    def __init__(self, volts: float) -> None:
        self.adc = FakeAdc(volts)
        self.supply = Supply(self.adc)

    def health(self) -> dict[str, Any]:
        return {"battery": self.supply.volts()}

    def stage(self) -> str:
        return self.supply.stage()

    def stretch(self) -> int:
        return self.supply.stretch()

    def may_write(self) -> bool:
        return self.supply.may_write()


async def test_a_low_battery_is_announced_then_silence_and_everything_comes_back(tmp_path: Path, broker: Broker) -> None:
    board = WeakBoard(3.3)
    node = make(tmp_path / "q", broker.port, interval=10, board=board)
    async with Gateway(NODE).on(broker.port) as gateway, running(node):
        await until(lambda: any(s.get("power") == NORMAL for s in gateway.statuses))
        board.adc.battery = 2.95
        await until(lambda: gateway.statuses[-1].get("power") == SILENT)
        await until(lambda: not node.link.is_up)
        silent_at = node.seq
        await until(lambda: node.seq > silent_at)  # it samples on, less often
        assert gateway.statuses[-1]["state"] == "online"  # announced: no last will
        board.adc.battery = 3.35
        await until(lambda: gateway.statuses[-1].get("power") == NORMAL)
        await until(lambda: node.queue.held() <= 1)
        assert (node.boot, silent_at + 1) in gateway.samples


async def test_nothing_is_written_to_flash_on_a_dying_supply(tmp_path: Path, broker: Broker) -> None:
    node = make(tmp_path / "q", broker.port, board=WeakBoard(2.5))
    assert await node.sample()
    assert node.queue.held() == 0
    assert node.faults["flash"] == "supply too low to write"


async def test_the_watchdog_is_fed_only_while_every_part_makes_progress() -> None:
    fed: list[int] = []
    dog = Watchdog(lambda: fed.append(1), {"sending": 60.0})
    dog.mark("sampling", 60.0)
    task = asyncio.create_task(dog.run(every=0.01))
    await until(lambda: len(fed) > 3)
    dog.mark("sampling", 0.05)
    await asyncio.wait_for(task, 2)
    assert dog.overdue() == ["sampling"]


async def test_a_running_node_marks_its_progress(tmp_path: Path, broker: Broker) -> None:
    marks: list[str] = []
    node = make(tmp_path / "q", broker.port, mark=lambda part, seconds: marks.append(part))
    async with running(node):
        await until(lambda: {"sampling", "sending"} <= set(marks))


class FakeMachine:
    """The board's buses."""

    Pin = staticmethod(lambda number: number)

    def __init__(self) -> None:
        self.chip = FakeAds1115([1500.0, 40.0, 0, 0])

    class ADC:
        """An input with 1.65 V."""

        ATTN_11DB = 3

        def __init__(self, pin: int, atten: int) -> None:
            assert atten == self.ATTN_11DB

    def I2C(self, number: int, **pins: Any) -> FakeAds1115:  # noqa: ANN401, N802 (its name on the board)
        return self.chip


async def test_probes_are_put_together_from_a_description_with_their_calibration(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "c.json"))
    ledger.add("ph", 0, "Lan", "lot", [100.0, 0.0], [95.0, 10.0])
    specs = [
        {"kind": "analog_ph", "channel": 0, "spread": 0.2, "in_water": True},
        {"kind": "salinity"},
        {"kind": "ezo", "quantity": "do"},
        {"kind": "level", "channel": 1, "span": 5.0},
        {"kind": "motor_current", "pin": 35},
        {"kind": "solar", "pin": 36},
    ]
    made = assembly.probes(specs, assembly.Buses(FakeMachine(), {"sda": 21, "scl": 22}), ledger)
    assert [probe.quantity for probe in made] == ["ph", "salinity", "do", "depth", "motor_current", "solar"]
    value, _, _ = await made[0].read({"temperature": 25.0})
    assert value == pytest.approx(7.0 + 10.0 / (59.16 * 0.95), abs=0.002)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"kind": "magic"}, "'magic' is not known; known are analog_ph"),
        ({}, "None is not known"),
        ({"kind": "ezo"}, "lacks the field"),
    ],
)
def test_a_wrong_description_is_named(tmp_path: Path, spec: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        assembly.probes([spec], assembly.Buses(FakeMachine(), {"sda": 1, "scl": 2}), Ledger(str(tmp_path / "c.json")))


def test_a_node_id_is_the_eui64_of_its_mac() -> None:
    assert eui64(bytes.fromhex("246f28010203")) == "246f28fffe010203"


class FakeRtc:
    """Takes the date."""

    def __init__(self) -> None:
        self.moment: tuple[int, ...] = ()

    def datetime(self, moment: tuple[int, ...]) -> None:
        self.moment = moment


def test_setting_the_clock_does_not_move_the_uptime(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100]
    monkeypatch.setattr("firmware.clock.time.time", lambda: now[0])
    clock = BoardClock()
    now[0] += 50
    assert clock.now() is None
    clock.set(1_800_000_000)
    assert (clock.now(), clock.uptime()) == (1_800_000_000, 50)
    now[0] += 10
    assert (clock.now(), clock.uptime()) == (1_800_000_010, 60)
    again = BoardClock(origin=clock.origin)  # after a deep sleep, had the board kept its date
    now[0] = 1_800_000_030
    assert again.uptime() == 80


def test_the_rtc_is_set_in_utc_with_its_weekday(monkeypatch: pytest.MonkeyPatch) -> None:
    rtc = FakeRtc()
    BoardClock(rtc).set(EARLIEST + 86400 * 5 + 3661)
    assert rtc.moment == (2026, 1, 6, 1, 1, 1, 1, 0)  # a Tuesday


def test_the_ports_epoch_of_2000_is_handled_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware.clock.EPOCH", 946_684_800)
    monkeypatch.setattr("firmware.clock.time.time", lambda: 843_315_200)  # what an ESP32 says at 1,790,000,000
    assert BoardClock().now() == 1_790_000_000
    rooms = [path for path in modules() if "946684800" in (Path(__file__).parents[2] / path).read_text()]
    assert [path.name for path in rooms] == ["clock.py"]


def test_what_has_done_its_work_is_dropped_on_a_board_only(monkeypatch: pytest.MonkeyPatch) -> None:
    import firmware.probes.ezo as driver

    drop("firmware.probes")
    assert sys.modules["firmware.probes.ezo"] is driver
    monkeypatch.setattr("firmware.modules._DROPS", True)
    kept = {name: module for name, module in sys.modules.items() if name.startswith("firmware.probes")}
    try:
        drop("firmware.probes")
        assert not [name for name in sys.modules if name.startswith("firmware.probes")]
        assert not hasattr(sys.modules["firmware"], "probes")
    finally:
        sys.modules.update(kept)
        sys.modules["firmware"].probes = kept["firmware.probes"]  # type: ignore[attr-defined]
        for name, module in kept.items():
            if "." in name.removeprefix("firmware."):
                setattr(kept["firmware.probes"], name.rsplit(".", 1)[1], module)
