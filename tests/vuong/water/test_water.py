"""Published check values, `gsw` (TEOS-10) as oracle over the whole range, and the node's interpreter."""

from __future__ import annotations

import math
from collections.abc import Callable

import gsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vuong.water import ammonia, oxygen, ph, salinity

temperatures = st.floats(0.0, 40.0)
salinities = st.floats(0.0, 42.0)


@pytest.mark.parametrize(("t", "s", "mg"), [(25, 0, 8.26), (28, 15, 7.20), (30, 15, 6.96), (30, 25, 6.59)])
def test_oxygen_check_values(t: float, s: float, mg: float) -> None:
    assert oxygen.saturation(t, s) == pytest.approx(mg, abs=0.005)


def test_oxygen_check_value_of_the_paper() -> None:
    """Garcia & Gordon 1992: 6.315 mL/L for the combined fit at 10 °C and 35; the Benson-Krause fit differs in the third decimal."""
    assert oxygen.saturation(10, 35) / oxygen.MG_PER_ML == pytest.approx(6.315, abs=0.005)


@given(temperatures, salinities)
def test_oxygen_agrees_with_teos_10(t: float, s: float) -> None:
    """To 0.2 %: the oracle is fitted in µmol/kg, and goes through the density of sea water."""
    absolute = gsw.SA_from_SP(s, 0, 106, 9.6)
    litre = gsw.rho(absolute, gsw.CT_from_t(absolute, t, 0), 0) / 1000
    assert oxygen.saturation(t, s) == pytest.approx(gsw.O2sol_SP_pt(s, t) * litre * 31.9988e-3, rel=2e-3)


@given(temperatures, salinities)
def test_less_oxygen_in_warmer_saltier_or_higher_water(t: float, s: float) -> None:
    assert oxygen.saturation(min(t + 1, 40), s) <= oxygen.saturation(t, s)
    assert oxygen.saturation(t, min(s + 1, 42)) <= oxygen.saturation(t, s)
    assert oxygen.saturation(t, s, 900) < oxygen.saturation(t, s)


def test_pressure_correction() -> None:
    """USGS tables (Benson & Krause): 25 °C, 760 mmHg 8.26, 700 mmHg 7.59 mg/L."""
    assert oxygen.saturation(25, 0, 700 * 1.333224) == pytest.approx(7.59, abs=0.01)
    assert oxygen.pressure_factor(25, oxygen.ATMOSPHERE) == pytest.approx(1)
    assert oxygen.percent(oxygen.saturation(25, 10), 25, 10) == pytest.approx(100)


@pytest.mark.parametrize(
    ("conductivity", "t", "p", "expected"),
    [  # UNESCO 44: conductivity ratios 1, 1.2, 0.65
        (42.914, 15 / 1.00024, 0, 35.0),
        (42.914 * 0.65, 5 / 1.00024, 0, None),
    ],
)
def test_salinity_check_values(conductivity: float, t: float, p: float, expected: float | None) -> None:
    wanted = gsw.SP_from_C(conductivity, t, p) if expected is None else expected
    assert salinity.from_conductivity(conductivity, t, p) == pytest.approx(wanted, abs=1e-4)


@given(st.floats(0.01, 90), st.floats(0, 40), st.floats(0, 100))
def test_salinity_agrees_with_teos_10(c: float, t: float, p: float) -> None:
    """To 1e-6 from 2 up; to 0.002 below, where the oracle scales Hill's extension to meet PSS-78 at 2."""
    wanted = float(gsw.SP_from_C(c, t, p))
    if not wanted <= 41.99:
        return
    assert salinity.from_conductivity(c, t, p) == pytest.approx(wanted, abs=1e-6 if wanted > 2.002 else 2e-3)


def test_salinity_of_no_conductivity_is_zero() -> None:
    assert salinity.from_conductivity(0, 28) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(("s", "share"), [(0, 0.0539), (35, 0.0556)])
def test_ammonia_check_values(s: float, share: float) -> None:
    assert ammonia.fraction(8, 25, s) == pytest.approx(share, abs=5e-5)


@given(st.floats(6, 10), temperatures, salinities)
def test_more_ammonia_in_warmer_or_more_alkaline_water(p: float, t: float, s: float) -> None:
    assert 0 < ammonia.fraction(p, t, s) < 1
    assert ammonia.fraction(min(p + 0.5, 11), t, s) > ammonia.fraction(p, t, s)
    assert ammonia.fraction(p, min(t + 2, 40), s) >= ammonia.fraction(p, t, s)


@given(st.floats(0.2, 20), st.floats(0.01, 0.19), temperatures, salinities)
def test_safe_ph_is_where_the_limit_is_reached(total: float, limit: float, t: float, s: float) -> None:
    safe = ammonia.safe_ph(total, limit, t, s)
    assert safe is not None
    if 4 <= safe <= 11:
        assert total * ammonia.fraction(safe, t, s) == pytest.approx(limit)


def test_too_little_ammonia_never_reaches_the_limit() -> None:
    assert ammonia.safe_ph(0.1, 0.3, 28, 15) is None


@pytest.mark.parametrize(("t", "mv"), [(25, 59.16), (30, 60.15)])
def test_nernst_check_values(t: float, mv: float) -> None:
    assert ph.slope(t) == pytest.approx(mv, abs=0.005)


@given(st.floats(85, 105), st.floats(-30, 30), st.floats(5, 40), st.floats(4, 10))
def test_a_calibrated_electrode_reads_true(percent: float, offset: float, t: float, true: float) -> None:
    def millivolts(p: float) -> float:
        return offset - (p - 7) * ph.slope(t) * percent / 100

    found = ph.calibrate(7, millivolts(7), 4.01, millivolts(4.01), t)
    assert found == pytest.approx((percent, offset))
    assert ph.from_millivolts(millivolts(true), t, *found) == pytest.approx(true)


def test_compensation_to_another_temperature() -> None:
    """A reading of 9 shown at an assumed 25 °C in water of 35 °C is 8.935; neutral water needs none."""
    assert ph.compensate(9, 25, 35) == pytest.approx(7 + 2 * 298.15 / 308.15)
    assert ph.compensate(7, 25, 35) == 7


@pytest.mark.parametrize(
    ("percent", "offset", "expected"),
    [(98, 5, "fine"), (98, -35, "clean"), (88, 0, "maintain"), (80, 0, "replace"), (120, 0, "recalibrate"), (-60, 0, "replace")],
)
def test_condition_of_an_electrode(percent: float, offset: float, expected: str) -> None:
    assert ph.condition(percent, offset) == expected


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: oxygen.saturation(41, 10), "temperature is 41"),
        (lambda: oxygen.saturation(25, -1), "salinity is -1"),
        (lambda: oxygen.saturation(math.nan, 10), "temperature is nan"),
        (lambda: oxygen.saturation(25, 10, 1.0), "pressure is 1.0 hPa"),
        (lambda: salinity.from_conductivity(-1, 25), "conductivity"),
        (lambda: salinity.from_conductivity(99, 25), "salinity is"),
        (lambda: salinity.from_conductivity(20, 60), "temperature is 60"),
        (lambda: ammonia.fraction(15, 25, 0), "ph is 15"),
        (lambda: ammonia.safe_ph(1, 0, 25, 0), "limit is 0"),
        (lambda: ph.slope(-300), "temperature is -300"),
        (lambda: ph.calibrate(7, 0, 7, 0, 25), "buffers"),
        (lambda: ph.from_millivolts(0, 25, 0), "slope_percent is 0"),
    ],
)
def test_out_of_range_is_named(call: Callable[[], object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        call()


def test_micropython_computes_the_same(micropython: Callable[[str], object]) -> None:
    script = """
import json
from vuong.water import ammonia, oxygen, ph, salinity
print(json.dumps([oxygen.saturation(28, 15), oxygen.saturation(28, 15, 1000), salinity.from_conductivity(25.0, 28.0, 1.0),
                  salinity.from_conductivity(1.0, 28.0), ammonia.fraction(8.0, 28.0, 15.0), ph.compensate(9, 25, 35)]))
"""
    wanted = [
        oxygen.saturation(28, 15),
        oxygen.saturation(28, 15, 1000),
        salinity.from_conductivity(25.0, 28.0, 1.0),
        salinity.from_conductivity(1.0, 28.0),
        ammonia.fraction(8.0, 28.0, 15.0),
        ph.compensate(9, 25, 35),
    ]
    assert micropython(script) == pytest.approx(wanted, rel=1e-5)
