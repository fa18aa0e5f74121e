"""A technician's commands: settled before it is taken, judged before it is kept, in force at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from firmware import assembly
from firmware.certificate import until
from firmware.ledger import Ledger
from firmware.probes.corrected import NEUTRAL, Corrected
from firmware.probes.ezo import Ezo
from firmware.settling import SETTLED_READINGS
from firmware.technician import Technician
from vuong.quantities import QUANTITIES

from .chips import FakeAds1115, FakeEzo, no_wait
from .conftest import Broker, Gateway
from .conftest import until as until_it_holds
from .test_node import FakeProbe, make, replies, say

NOW = 1_790_000_000
PH = {"kind": "analog_ph", "channel": 0, "spread": 0.2}
CELL = {"kind": "galvanic_do", "channel": 1, "air": 40.0, "air_temperature": 25.0}


class Clock:
    """A clock that stands."""

    def __init__(self, now: int | None = NOW) -> None:
        self.time = now

    def now(self) -> int | None:
        return self.time

    def uptime(self) -> int:
        return 7


class Bench:
    """A board with an ADS1115, a technician before it."""

    def __init__(self, folder: Path, specs: list[dict[str, Any]], **config: Any) -> None:  # noqa: ANN401 (as in config.json)
        self.chip = FakeAds1115([1500.0, 40.0, 0.0, 0.0])
        self.ledger = Ledger(str(folder / "calibration.json"))
        config = {"probes": specs, "pins": {"sda": 1, "scl": 2}, "root": str(folder)} | config
        self.clock = Clock()
        self.technician = Technician(config, self, self.clock, self.ledger)

    Pin = staticmethod(lambda number: number)

    def I2C(self, number: int, **pins: Any) -> FakeAds1115:  # noqa: ANN401, N802 (its name on the board)
        return self.chip

    class ADC:
        """An input with 1.65 V."""

        ATTN_11DB = 3

        def __init__(self, pin: int, atten: int) -> None:
            assert atten == self.ATTN_11DB

        def read_uv(self) -> int:
            return 1_650_000

    async def ask(self, do: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 (as in the command)
        return await self.technician.carry_out({"do": do, **fields})

    async def settle(self, quantity: str) -> dict[str, Any]:
        for _ in range(SETTLED_READINGS):
            told = await self.ask("probe", quantity=quantity)
        return told


async def test_a_ph_electrode_is_calibrated_in_two_buffers_and_the_next_reading_uses_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [PH])
    points = []
    for buffer, electrode in ((7.0, 10.0), (4.01, 180.0)):
        bench.chip.millivolts[0] = 1500.0 + 3 * electrode
        first = await bench.ask("probe", quantity="ph")
        assert not first["settled"]
        told = await bench.settle("ph")
        assert told["settled"]
        assert (told["unit"], told["limit"], told["medium"], told["readings"]) == ("mV", 0.5, None, SETTLED_READINGS)
        assert told["raw"] == pytest.approx(electrode, abs=0.1)
        points.append([buffer, told["raw"]])
    order = {"quantity": "ph", "method": "buffers", "points": points, "temperature": 25.0, "operator": "Lan", "lot": "7"}
    judged = await bench.ask("calibrate", **order, dry_run=True)
    assert bench.ledger.newest("ph") is None
    kept = await bench.ask("calibrate", **order)
    assert kept == judged
    assert (kept["before"], kept["names"], kept["accepted"]) == ([100.0, 0.0], ["slope", "offset"], True)
    assert kept["after"] == [pytest.approx(100 * 170 / 2.99 / 59.159, abs=0.2), pytest.approx(10.0, abs=0.2)]
    entry = Ledger(str(tmp_path / "calibration.json")).newest("ph")
    assert entry is not None
    assert (entry["time"], entry["operator"], entry["lot"], entry["sent"]) == (NOW, "Lan", "7", False)
    assert (await bench.ask("probe", quantity="ph"))["value"] == pytest.approx(4.01, abs=0.02)
    states = {e["quantity"]: e["state"] for e in (await bench.ask("calibrations"))["calibrations"]}
    assert states == {"ph": "fine", "do": "never", "conductivity": "never", "temperature": "never"}
    bench.clock.time = NOW + 31 * 86400
    assert (await bench.ask("calibrations"))["calibrations"][2]["state"] == "due"
    bench.clock.time = None
    assert (await bench.ask("calibrations"))["calibrations"][2]["state"] is None


async def test_a_refusal_has_its_reason_in_words_and_as_a_key_with_its_numbers(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [PH])
    order = {"quantity": "ph", "method": "buffers", "temperature": 25.0, "operator": "Lan", "lot": "7"}
    told = await bench.ask("calibrate", **order, points=[[7.0, 0.0], [4.01, 177.0]])
    assert (told["refused"], told["numbers"]) == ("unsettled", {"readings": 0, "needed": SETTLED_READINGS})
    await bench.settle("ph")
    for points, key in (
        ([[4.01, -177.0], [7.0, 0.0]], "buffers_swapped"),
        ([[4.01, 140.0], [7.0, 0.0]], "slope_low"),
        ([[7.0, 75.0]], "offset"),
    ):
        told = await bench.ask("calibrate", **order, points=points)
        assert told["refused"] == key
        assert len(told["error"]) > 20
    assert told["numbers"] == {"offset": 75.0, "limit": 60.0}
    assert bench.ledger.newest("ph") is None
    bench.chip.millivolts[0] = 1600.0
    await bench.ask("probe", quantity="ph")
    told = await bench.ask("calibrate", **order, points=[[7.0, 0.0]])
    assert told["refused"] == "unsettled"
    assert told["numbers"]["spread"] > 30


async def test_a_galvanic_cell_in_air_and_at_zero(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [CELL])
    bench.chip.millivolts[1] = 44.0
    told = await bench.settle("do")
    assert (told["raw"], told["value"], told["temperature"]) == (pytest.approx(44.0, abs=0.1), None, None)
    order = {"quantity": "do", "temperature": 29.0, "operator": "Lan", "lot": "air"}
    kept = await bench.ask("calibrate", **order, method="air", points=[[None, 44.0]])
    assert (kept["before"], kept["after"]) == ([40.0, 25.0, 0.0], [44.0, 29.0, 0.0])
    kept = await bench.ask("calibrate", **order, method="zero", points=[[0, 1.5]])
    assert kept["after"] == [44.0, 29.0, 1.5]
    assert kept["names"] == ["air", "air_temperature", "zero"]


async def test_a_meter_is_corrected_on_top_of_its_makers_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, [{"kind": "ezo", "quantity": "conductivity"}])
    bench.chip = FakeEzo(0x64, "51200")  # type: ignore[assignment] (the same bus, another chip)
    monkeypatch.setitem(Ezo.__init__.__kwdefaults__, "sleep", no_wait)
    told = await bench.settle("conductivity")
    assert (told["raw"], told["unit"], told["medium"]) == (51.2, "mS/cm", "water")
    order = {"quantity": "conductivity", "method": "standard", "operator": "Lan", "lot": "53"}
    assert (await bench.ask("calibrate", **order, points=[[53.0, 0.01]]))["refused"] == "medium"
    kept = await bench.ask("calibrate", **order, points=[[53.0, 51.2]])
    assert kept["after"] == [pytest.approx(53 / 51.2, abs=1e-4), 0.0]
    (probe,) = assembly.probes(
        [{"kind": "ezo", "quantity": "conductivity"}], assembly.Buses(bench, {"sda": 1, "scl": 2}), bench.ledger
    )
    assert (await probe.read({}))[0] == pytest.approx(53.0, abs=0.01)


@given(value=st.floats(0.5, 12.0), temperature=st.floats(10.0, 40.0), quantity=st.sampled_from(sorted(NEUTRAL)))
async def test_a_neutral_correction_changes_nothing(value: float, temperature: float, quantity: str) -> None:
    probe = Corrected(FakeProbe(quantity, QUANTITIES[quantity].unit, value), list(NEUTRAL[quantity][0]))
    read, unit, status = await probe.read({"temperature": temperature})
    assert (read, unit, status) == (pytest.approx(value, abs=1e-6), QUANTITIES[quantity].unit, "ok")


async def test_wrong_calls_say_what_is_wrong(tmp_path: Path) -> None:
    bench = Bench(tmp_path, [PH, {"kind": "salinity"}])
    for do, fields, reason in (
        ("stay", {"seconds": 1801}, "give 0 to 1800"),
        ("probe", {"quantity": "do"}, "no probe for 'do'; it has ph, salinity"),
        ("probe", {"quantity": "salinity"}, "not calibrated"),
        ("calibrate", {"quantity": "do"}, "no probe for 'do'"),
        ("dance", {}, "known are stay, probe"),
    ):
        with pytest.raises(ValueError, match=reason):
            await bench.ask(do, **fields)
    bench.chip.there = False
    with pytest.raises(ValueError, match="ph: no answer"):
        await bench.ask("probe", quantity="ph")
    assert await bench.ask("stay", seconds=60) == {"until": NOW + 60, "seconds": 60}


def certificate(end: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "node " * 8)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1 << 130)
    made = builder.not_valid_before(end - timedelta(days=9)).not_valid_after(end).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("end", [datetime(2028, 2, 29, 23, 59, 58, tzinfo=UTC), datetime(2051, 1, 2, 3, 4, 5, tzinfo=UTC)])
def test_the_end_of_a_certificate_is_read(end: datetime) -> None:
    der = certificate(end)
    assert until(der) == end.strftime("%Y-%m-%dT%H:%M:%SZ")
    for broken in (b"", der[:60], b"\x30\x03abc", der[50:]):
        with pytest.raises(ValueError, match="no certificate"):
            until(broken)


async def test_the_self_test_tells_of_everything(tmp_path: Path) -> None:
    (tmp_path / "node.der").write_bytes(certificate(datetime(2028, 1, 1, tzinfo=UTC)))
    bench = Bench(tmp_path, [PH, CELL], battery_pin=34, tls=str(tmp_path), client_certificate=True)
    told = await bench.ask("test")
    assert told["probes"] == {"ph": "ok", "do": "no temperature"}
    assert (told["supply"], told["certificate"]) == (3.3, {"until": "2028-01-01T00:00:00Z"})
    assert told["queue"] == {"held": 0, "dropped": 0, "oldest": None}
    assert (told["clock"], told["wifi"]) == ({"now": NOW, "uptime": 7}, None)
    bench = Bench(tmp_path / "elsewhere", [PH], tls=str(tmp_path / "gone"))
    (tmp_path / "elsewhere").mkdir()
    assert (await bench.ask("test"))["certificate"]["until"] is None


@pytest.mark.slow
async def test_commands_that_take_time_are_answered_over_mqtt_and_keep_a_sleeping_node_awake(
    tmp_path: Path, broker: Broker
) -> None:
    bench = Bench(tmp_path, [PH])
    node = make(tmp_path / "q", broker.port, commands={"probe": bench.technician.carry_out, "stay": bench.technician.carry_out})
    bench.technician._node = node
    async with Gateway("0123456789abcdef").on(broker.port), replies(broker.port) as heard:
        import asyncio

        cycle = asyncio.create_task(node.once(20.0))
        await until_it_holds(lambda: node.link.is_up)
        await say(broker.port, "command", {"id": 1, "do": "stay", "seconds": 2})
        await until_it_holds(lambda: len(heard) == 1)
        await asyncio.sleep(1.0)
        await say(broker.port, "command", {"id": 2, "do": "probe", "quantity": "ph"})
        await say(broker.port, "command", {"id": 3, "do": "probe"})
        await until_it_holds(lambda: len(heard) == 3)
        assert heard[0] == {"id": 1, "until": NOW + 2, "seconds": 2}
        assert heard[1]["raw"] == pytest.approx(0.0, abs=0.1)
        assert "quantity" in str(heard[2]["error"])
        assert await cycle
