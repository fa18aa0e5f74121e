"""Calibrations: what is accepted, what is refused with which reason, what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware import calibration, probes, settling
from firmware.calibration import CalibrationError
from firmware.ledger import Ledger
from firmware.probes.combined import InWater
from vuong.water import ph

from .test_probes import Scripted


@given(
    slope=st.floats(86.0, 104.0),
    offset=st.floats(-55.0, 55.0),
    temperature=st.floats(10.0, 40.0),
    buffers=st.sampled_from([(7.0,), (4.01, 6.86), (9.18, 6.86), (4.01, 7.0, 10.01)]),
)
def test_an_electrode_is_found_from_its_buffers(
    slope: float, offset: float, temperature: float, buffers: tuple[float, ...]
) -> None:
    per_ph = ph.slope(temperature) * slope / 100.0
    points = [(b, offset - (b - 7.0) * per_ph) for b in buffers]
    found = calibration.ph_electrode(points, temperature, slope)
    assert found == (pytest.approx(slope, abs=0.01), pytest.approx(offset, abs=0.01))
    assert ph.from_millivolts(points[0][1], temperature, *found) == pytest.approx(buffers[0], abs=0.001)


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ([(4.01, -177.0), (7.0, 0.0)], "swapped"),
        ([(4.01, 130.0), (7.0, 0.0)], r"slope is 7\d %.*replace"),
        ([(4.01, 200.0), (7.0, 0.0)], "not what its label says"),
        ([(6.86, 8.0), (7.0, 0.0)], "less than 1 pH"),
        ([(7.0, 75.0)], "offset is 75 mV"),
        ([(4.01, 177.0), (7.0, 30.0), (10.01, -178.0)], "straight line"),
        ([], "0 buffers"),
    ],
)
def test_a_bad_ph_calibration_is_refused_with_its_reason(points: list[tuple[float, float]], reason: str) -> None:
    with pytest.raises(CalibrationError, match=reason):
        calibration.ph_electrode(points, 25.0)


def test_oxygen_in_air_and_at_zero() -> None:
    assert calibration.oxygen_cell(42.0, 0.5, 29.0) == (42.0, 29.0, 0.5)
    for air, zero, reason in ((0.5, 42.0, "swapped"), (6.0, 0.0, "electrolyte"), (42.0, 9.0, "sulphite")):
        with pytest.raises(CalibrationError, match=reason):
            calibration.oxygen_cell(air, zero, 29.0)
    assert calibration.oxygen_meter(7.0, 28.0, 15.0) == (pytest.approx(7.20 / 7.0, abs=0.002), 0.0)
    assert calibration.oxygen_meter(7.4, 28.0, 15.0, zero=0.4) == (pytest.approx(7.20 / 7.0, abs=0.002), 0.4)
    with pytest.raises(CalibrationError, match="sulphite"):
        calibration.oxygen_meter(7.0, 28.0, 15.0, zero=1.0)
    with pytest.raises(CalibrationError, match=r"saturation is 7\.20"):
        calibration.oxygen_meter(3.0, 28.0, 15.0)


def test_conductivity_with_one_and_two_standards() -> None:
    assert calibration.conductivity_cell([(12.88, 12.5)]) == (pytest.approx(1.0304), 0.0)
    factor, offset = calibration.conductivity_cell([(53.0, 52.0), (12.88, 12.5)])
    assert factor * 12.5 + offset == pytest.approx(12.88)
    assert factor * 52.0 + offset == pytest.approx(53.0)
    for points, reason in (
        ([(12.88, 52.0), (53.0, 12.5)], "swapped"),
        ([(12.88, 12.5), (15.0, 14.6)], "too close"),
        ([(12.88, 2.0)], "air bubbles"),
        ([(12.88, 0.0)], "air bubbles"),
        ([], "one or two"),
    ):
        with pytest.raises(CalibrationError, match=reason):
            calibration.conductivity_cell(points)


def test_temperature() -> None:
    assert calibration.temperature_offset(28.0, 28.4) == pytest.approx(-0.4)
    with pytest.raises(CalibrationError, match=r"off by 3.0 °C"):
        calibration.temperature_offset(28.0, 31.0)


def test_a_point_is_taken_only_when_the_reading_has_settled() -> None:
    assert not settling.settled("ph", [0.1] * 5)
    assert settling.settled("ph", [30.0, 10.0, 0.1, 0.2, 0.1, 0.3, 0.2, 0.1])
    assert not settling.settled("ph", [0.1, 0.2, 0.3, 0.4, 0.5, 0.7])


def test_the_wrong_medium_is_noticed() -> None:
    calibration.check_medium("air", 0.01)
    calibration.check_medium("water", 20.0)
    calibration.check_medium("air", None)
    with pytest.raises(CalibrationError, match="the probe is in water"):
        calibration.check_medium("air", 20.0)
    with pytest.raises(CalibrationError, match="the probe is in air"):
        calibration.check_medium("water", 0.01)


async def test_a_probe_out_of_the_water_is_not_believed() -> None:
    probe = InWater(Scripted(7.8))
    assert (await probe.read({"conductivity": 20.0}))[2] == probes.OK
    assert (await probe.read({}))[2] == probes.OK
    assert await probe.read({"conductivity": 0.01}) == (None, "pH", probes.NOT_IN_WATER)


def test_the_ledger_keeps_who_when_what_and_survives(tmp_path: Path) -> None:
    path = str(tmp_path / "calibration.json")
    ledger = Ledger(path, kept=2)
    assert ledger.state("ph", 0) == "never"
    for day in (0, 10, 20):
        ledger.add("ph", day * 86400, "Lan", f"lot {day}", [100.0, 0.0], [97.0, float(day)])
    ledger.add("do", 0, "Lan", "air", [40.0], [42.0])
    again = Ledger(path, kept=2)
    newest = again.newest("ph")
    assert newest is not None
    assert (newest["operator"], newest["lot"], newest["before"], newest["after"]) == ("Lan", "lot 20", [100.0, 0.0], [97.0, 20.0])
    assert [again.state("ph", day * 86400) for day in (20, 49, 50, 64, 65)] == ["fine", "fine", "due", "due", "overdue"]
    assert len(again.unsent()) == 3  # two of pH, one of oxygen
    again.mark_sent(again.unsent()[0])
    assert len(Ledger(path).unsent()) == 2
    (tmp_path / "calibration.json").write_text("{torn")
    assert Ledger(path).newest("ph") is None
