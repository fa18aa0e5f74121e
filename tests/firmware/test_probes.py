"""Every driver against a byte-level fake of its chip, with the chip's failures."""

from __future__ import annotations

import itertools
import struct

import gsw
import pytest

from firmware import probes
from firmware.probes.adc import MotorCurrent, Voltage
from firmware.probes.ads1115 import Ads1115, ConverterError
from firmware.probes.analog_ph import AnalogPh
from firmware.probes.combined import Median
from firmware.probes.ds18b20 import Ds18b20, crc8
from firmware.probes.ezo import CIRCUITS, Ezo
from firmware.probes.galvanic import GalvanicOxygen
from firmware.probes.level import Level
from firmware.probes.modbus import REGISTERS, Bus, ModbusProbe, crc16
from firmware.probes.salinity import Salinity
from firmware.technician import self_test
from vuong.quantities import QUANTITIES
from vuong.water import oxygen

from .chips import FakeAds1115, FakeClamp, FakeDivider, FakeDs18b20, FakeEzo, FakeModbus, no_wait

WARM_BRACKISH = {"temperature": 30.0, "salinity": 15.0}


def ezo(quantity: str, answer: str) -> tuple[Ezo, FakeEzo]:
    chip = FakeEzo(CIRCUITS[quantity][0], answer)
    return Ezo(chip, quantity, sleep=no_wait), chip


async def test_ezo_oxygen_is_told_temperature_salinity_and_pressure_before_each_reading() -> None:
    probe, chip = ezo("do", "6.42")
    for _ in range(2):
        assert await probe.read(WARM_BRACKISH) == (6.42, "mg/L", probes.OK)
    assert chip.commands == ["T,30.00", "S,15.0,ppt", "P,101.3", "R"] * 2


async def test_ezo_ph_is_told_the_temperature() -> None:
    probe, chip = ezo("ph", "7.814")
    assert await probe.read(WARM_BRACKISH) == (7.814, "pH", probes.OK)
    assert chip.commands == ["T,30.00", "R"]


async def test_ezo_conductivity_stays_uncompensated_and_becomes_milisiemens() -> None:
    probe, chip = ezo("conductivity", "24650,12325,15.0,1.01")
    assert await probe.read(WARM_BRACKISH) == (pytest.approx(24.65), "mS/cm", probes.OK)
    assert chip.commands == ["T,25.0", "R"]


@pytest.mark.parametrize(
    ("pending", "status", "there", "answer", "told"),
    [
        (2, None, True, "28.7", probes.OK),
        (99, None, True, "28.7", "busy"),
        (0, 2, True, "28.7", "refused R"),
        (0, 255, True, "28.7", "no data"),
        (0, 7, True, "28.7", "status 7"),
        (0, None, False, "28.7", probes.NO_ANSWER),
        (0, None, True, "-1023.000", probes.OUT_OF_RANGE),
        (0, None, True, "nan", probes.OUT_OF_RANGE),
        (0, None, True, "*ER", probes.GARBLED),
        (0, None, True, "\xb5\xff", probes.GARBLED),
        (0, None, True, "", probes.GARBLED),
    ],
)
async def test_ezo_failures_are_told_apart(pending: int, status: int | None, there: bool, answer: str, told: str) -> None:
    probe, chip = ezo("temperature", answer)
    chip.pending, chip.status, chip.there = pending, status, there
    value, unit, said = await probe.read({})
    assert (said, unit) == (told, "°C")
    assert (value is not None) == (told == probes.OK)


async def test_analog_ph_uses_the_slope_of_the_waters_temperature() -> None:
    # 60.15 mV/pH at 30 °C, 59.16 at 25 °C (domain check values); pH 8 gives -60.15 mV
    adc = FakeAds1115([1500.0 - 3.0 * 60.15, 0, 0, 0])
    probe = AnalogPh(Ads1115(adc, sleep=no_wait), 0)
    value, unit, status = await probe.read({"temperature": 30.0})
    assert (unit, status) == ("pH", probes.OK)
    assert value == pytest.approx(8.0, abs=0.002)
    value, _, _ = await probe.read({})
    assert value == pytest.approx(7.0 + 60.15 / 59.16, abs=0.002)  # 25 °C where nothing is known


async def test_galvanic_oxygen_knows_salinity_against_teos10() -> None:
    adc = FakeAds1115([0.0, 40.0, 0, 0])  # at saturation, at the calibration's temperature
    probe = GalvanicOxygen(Ads1115(adc, sleep=no_wait), 1, air=40.0, air_temperature=30.0)
    value, unit, status = await probe.read(WARM_BRACKISH)
    assert (unit, status) == ("mg/L", probes.OK)
    oracle = gsw.O2sol_SP_pt(15.0, 30.0) * 31.9988e-3 * 1.0166  # µmol/kg to mg/L by the density of such water
    assert value == pytest.approx(oracle, rel=0.02)
    assert value == pytest.approx(6.96, abs=0.05)
    assert (await probe.read({"salinity": 15.0}))[2] == "no temperature"
    adc.millivolts[1] = 20.0
    value, _, _ = await probe.read({"temperature": 30.0})
    assert value == pytest.approx(oxygen.saturation(30.0, 0.0) / 2, rel=0.01)


async def test_converter_failures_reach_the_status() -> None:
    adc = FakeAds1115([4096.0] * 4)
    probe = AnalogPh(Ads1115(adc, sleep=no_wait), 0)
    assert (await probe.read({}))[2] == probes.DISCONNECTED
    adc.millivolts = [3300.0] * 4  # far outside any electrode
    assert (await probe.read({}))[2] == probes.OUT_OF_RANGE
    adc.hangs = True
    assert (await probe.read({}))[2] == "busy"
    adc.there = False
    assert (await probe.read({}))[2] == probes.NO_ANSWER
    with pytest.raises(ConverterError):
        await Ads1115(adc, sleep=no_wait).millivolts(2)


@pytest.mark.parametrize("celsius", [28.75, 0.0, -0.5, 49.9375])
async def test_ds18b20_reads(celsius: float) -> None:
    rom = bytes([0x28, 1, 2, 3, 4, 5, 6])
    for address in (None, rom + bytes([crc8(rom)])):
        assert await Ds18b20(FakeDs18b20(celsius), address, no_wait).read({}) == (celsius, "°C", probes.OK)


def test_the_dallas_crc_has_its_published_value() -> None:
    # Application note 27: the ROM 02 1C B8 01 00 00 00 has CRC A2
    assert crc8(bytes([0x02, 0x1C, 0xB8, 0x01, 0, 0, 0])) == 0xA2


async def test_ds18b20_failures_are_told_apart() -> None:
    chip = FakeDs18b20(28.75)
    probe = Ds18b20(chip, None, no_wait)
    chip.loses_power = True  # 85.0 °C is what it wakes up with
    assert await probe.read({}) == (None, "°C", "no conversion")
    chip.loses_power = False
    chip.noise = 0x10
    assert (await probe.read({}))[2] == probes.GARBLED
    chip.noise, chip.stuck = 0, 0x00
    assert (await probe.read({}))[2] == probes.GARBLED  # all zeros have a right CRC
    chip.stuck = 0xFF
    assert (await probe.read({}))[2] == probes.DISCONNECTED
    chip.stuck, chip.there = None, False
    assert (await probe.read({}))[2] == probes.NO_ANSWER
    chip.there, chip.celsius = True, 80.0
    assert (await probe.read({}))[2] == probes.OUT_OF_RANGE


def test_the_modbus_crc_has_its_published_value() -> None:
    # Modbus over serial line 1.02, appendix B: 02 07 has CRC 0x1241, sent low byte first
    assert crc16(b"\x02\x07") == b"\x41\x12"


async def test_modbus_oxygen_saturation_becomes_concentration_in_salt_water() -> None:
    line = FakeModbus(7, {0x2600: struct.pack("<ff", 30.0, 0.5)})
    bus = Bus(line, sleep=no_wait)
    temperature = await ModbusProbe(bus, 7, "y504", "temperature").read({})
    assert temperature == (30.0, "°C", probes.OK)
    value, unit, status = await ModbusProbe(bus, 7, "y504", "saturation").read(WARM_BRACKISH)
    assert (unit, status) == ("mg/L", probes.OK)
    assert value == pytest.approx(6.96 / 2, abs=0.01)
    assert line.requests[0] == bytes.fromhex("070326000004") + crc16(bytes.fromhex("070326000004"))


async def test_modbus_failures_are_tried_again_and_told_apart() -> None:
    line = FakeModbus(7, {0: struct.pack(">ff", 5.5, 29.0)})
    probe = ModbusProbe(Bus(line, sleep=no_wait), 7, "float-be", "do")
    line.silent_for = 2
    assert await probe.read({}) == (5.5, "mg/L", probes.OK)
    line.garble_for = 1
    assert (await probe.read({}))[2] == probes.OK
    line.garble_for = 9
    assert (await probe.read({}))[2] == probes.GARBLED
    line.garble_for, line.silent_for = 0, 9
    assert (await probe.read({}))[2] == probes.NO_ANSWER
    line.silent_for, line.exception = 0, 2
    assert (await probe.read({}))[2] == "exception 2"
    line.exception = None
    for wild in (float("nan"), float("inf"), -3.0):
        line.registers[0] = struct.pack(">ff", wild, 29.0)
        assert (await probe.read({}))[2] == probes.OUT_OF_RANGE
    assert (await ModbusProbe(Bus(line, sleep=no_wait), 9, "float-be", "do").read({}))[2] == probes.NO_ANSWER


def test_every_register_row_is_of_a_known_quantity() -> None:
    assert {name for _, name in REGISTERS} - set(QUANTITIES) == {"saturation"}


class Scripted:
    """Says one value after another; ``None`` is a failure."""

    quantity = "ph"

    def __init__(self, *values: float | None) -> None:
        self.values = itertools.cycle(values)

    async def read(self, water: dict[str, float]) -> tuple[float | None, str, str]:
        value = next(self.values)
        return value, "pH", probes.OK if value is not None else probes.NO_ANSWER


async def test_a_median_ignores_one_wild_value_and_refuses_noise() -> None:
    assert await Median(Scripted(7.8, 7.81, 13.0, 7.79, 7.8), spread=0.1).read({}) == (7.8, "pH", probes.OK)
    assert await Median(Scripted(7.8, None, 7.82, None, 7.81), spread=0.1).read({}) == (7.81, "pH", probes.OK)
    assert await Median(Scripted(7.0, 7.2), times=4, spread=0.5).read({}) == (7.1, "pH", probes.OK)
    assert (await Median(Scripted(6.0, 9.0, 7.0, 8.0, 7.5), spread=0.1).read({}))[2] == probes.NOISY
    assert (await Median(Scripted(None, None, None, 7.8), times=4, spread=0.1).read({}))[2] == probes.NO_ANSWER


async def test_salinity_comes_from_conductivity_and_temperature_as_teos10_says() -> None:
    value, unit, status = await Salinity().read({"conductivity": 24.65, "temperature": 25.0})
    assert (unit, status) == ("‰", probes.OK)
    assert value == pytest.approx(float(gsw.SP_from_C(24.65, 25.0, 0.0)), abs=0.001)
    assert (await Salinity().read({"temperature": 25.0}))[0] is None
    assert (await Salinity().read({"conductivity": 99.0, "temperature": 5.0}))[2] == probes.OUT_OF_RANGE


async def test_the_self_test_names_the_broken_probe() -> None:
    good, _ = ezo("ph", "7.8")
    bad, chip = ezo("do", "6")
    chip.there = False
    assert await self_test([good, bad, Salinity()]) == {
        "ph": "ok",
        "do": probes.NO_ANSWER,
        "salinity": "no conductivity or temperature",
    }


@pytest.mark.parametrize("ampere", [0.0, 0.2, 0.5, 3.7, 12.0, 23.0])
async def test_a_motors_current_is_its_effective_value_over_whole_cycles(ampere: float) -> None:
    clamp = FakeClamp(ampere)
    value, unit, status = await MotorCurrent(clamp, ticks_us=clamp.ticks_us).read({})
    assert (unit, status) == ("A", probes.OK)
    assert value == pytest.approx(ampere if ampere > 0.3 else 0.0, rel=0.02, abs=0.02)
    assert 100_000 <= clamp.microseconds < 101_000


@pytest.mark.parametrize(
    ("ampere", "bias", "told"),
    [(28.0, 1.3, probes.OUT_OF_RANGE), (5.0, 0.4, probes.OK), (0.0, 0.0, probes.DISCONNECTED), (0.0, 3.0, probes.DISCONNECTED)],
)
async def test_a_clamp_that_clips_or_lost_its_bias_is_told(ampere: float, bias: float, told: str) -> None:
    clamp = FakeClamp(ampere, bias=bias)
    value, _, status = await MotorCurrent(clamp, ticks_us=clamp.ticks_us).read({})
    assert status == told
    assert (value is None) == (told != probes.OK)
    clamp = FakeClamp(1.0)
    slow = MotorCurrent(clamp, ticks_us=lambda: clamp.microseconds * 30)  # something held the chip up
    assert (await slow.read({}))[2] == probes.NOISY


async def test_a_solar_panel_by_day_and_night() -> None:
    for volts, told in (((5.8,), (5.8, probes.OK)), ((0.1,), (0.0, probes.OK)), ((12.0,), (None, probes.OUT_OF_RANGE))):
        value, unit, status = await Voltage(FakeDivider(*volts), "solar", 4.0).read({})
        assert (value if value is None else pytest.approx(value), status) == told
        assert unit == "V"
    assert (await Voltage(FakeDivider(5.0, 6.5), "solar", 4.0).read({}))[2] == probes.NOISY


@pytest.mark.parametrize(
    ("milliampere", "told", "depth"),
    [
        (4.0, probes.OK, 0.1),
        (3.85, probes.OK, 0.1),
        (12.0, probes.OK, 2.6),
        (20.0, probes.OK, 5.1),
        (0.0, probes.DISCONNECTED, None),
        (3.5, probes.DISCONNECTED, None),
        (3.7, probes.OUT_OF_RANGE, None),
        (20.8, probes.OUT_OF_RANGE, None),
        (22.0, "short", None),
    ],
)
async def test_a_level_transmitter_and_its_failures_by_namur_ne_43(milliampere: float, told: str, depth: float | None) -> None:
    chip = FakeAds1115([milliampere * 100.0, 0.0, 0.0, 0.0])
    value, unit, status = await Level(Ads1115(chip, sleep=no_wait), 0, span=5.0, height=0.1).read({})
    assert (unit, status) == ("m", told)
    assert value == (None if depth is None else pytest.approx(depth, abs=0.001))
    if depth is not None and depth > 1:
        salty, _, _ = await Level(Ads1115(chip, sleep=no_wait), 0, span=5.0, height=0.1).read({"salinity": 30.0})
        assert salty == pytest.approx(0.1 + (depth - 0.1) / 1.0225, abs=0.001)
    chip.there = False
    assert (await Level(Ads1115(chip, sleep=no_wait), 0, span=5.0).read({}))[2] == probes.NO_ANSWER
