"""The pond model: repeatable, within physics, with the days that ponds have; scenarios and probes' faults."""

from __future__ import annotations

import math
from statistics import mean, median, pstdev

import gsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.pond import Fault, FaultKind, Pond, Probe, Probes, Scenario, estuary, scenario, shrimp_pond
from models.pond.carbonate import Constants
from models.pond.parameters import described
from models.pond.process import conductivity
from models.pond.scenario import Forced, Forcing
from models.pond.weather import STEP, Weather, clear_sky, sun_height
from vuong.quantities import QUANTITIES
from vuong.water import oxygen

HOUR = 3600
MIDNIGHT = 1_795_107_600  # 20 November 2026, 00:00 in Vietnam
DAY = 86_400
# evaporation, rain and farmer do nothing to the salt when no water is exchanged; alkalinity is conserved but for liming
CLOSED = {"exchange": 0.0, "outside_salinity": 0.2, "outside_spread": 0.0, "tide_salinity": 0.0}


def days(pond: Pond, start: int, count: int, step: int = 1800) -> list[list[dict[str, float]]]:
    return [[pond.step_to(start + d * DAY + k) for k in range(0, DAY, step)] for d in range(count)]


@pytest.mark.slow
@given(seed=st.integers(0, 1000), steps=st.lists(st.integers(1, 7200), min_size=1, max_size=20))
@settings(max_examples=15, deadline=None)
def test_equal_seeds_give_equal_water_however_it_is_stepped(seed: int, steps: list[int]) -> None:
    one, other = Pond(seed, MIDNIGHT, shrimp_pond()), Pond(seed, MIDNIGHT, shrimp_pond())
    time = MIDNIGHT
    for step in steps:
        time += step
        water = one.step_to(time)
    assert other.step_to(time) == water


def test_other_seeds_give_other_water_under_the_same_weather() -> None:
    one, other = (Pond(seed, MIDNIGHT, shrimp_pond(), weather_seed=5) for seed in (1, 2))
    a, b = one.step_to(MIDNIGHT + DAY), other.step_to(MIDNIGHT + DAY)
    assert a["do"] != b["do"]
    assert a["temperature"] == pytest.approx(b["temperature"], abs=0.3)


def test_water_does_not_run_back() -> None:
    pond = Pond(1, MIDNIGHT, shrimp_pond())
    pond.step_to(MIDNIGHT + 10)
    with pytest.raises(ValueError, match="does not run back"):
        pond.step_to(MIDNIGHT)


@given(
    seed=st.integers(0, 10**6),
    season=st.integers(0, 364),
    told=st.sampled_from([scenario.USUAL, scenario.oxygen_crash(MIDNIGHT + HOUR), scenario.salt_intrusion(MIDNIGHT)]),
    bay=st.booleans(),
)
@settings(max_examples=12, deadline=None)
def test_water_stays_within_physics(seed: int, season: int, told: Scenario, bay: bool) -> None:
    start = MIDNIGHT + season * DAY
    pond = Pond(seed, start, estuary() if bay else shrimp_pond(), told)
    for water in days(pond, start, 2)[0]:
        assert set(water) == set(QUANTITIES)
        for name, value in water.items():
            assert QUANTITIES[name].low <= value <= QUANTITIES[name].high, (name, value)
        assert 6.5 < water["ph"] < 9.8
        assert 0 <= water["do"] < 20


def test_salt_is_kept_when_no_water_is_exchanged() -> None:
    """Rain dilutes and evaporation concentrates; a pond that nobody fills or drains keeps its salt."""
    pond = Pond(3, MIDNIGHT, shrimp_pond(**CLOSED))
    water = pond.water
    for _ in range(300):
        before = water.salinity * water.depth
        fresh_before = water.depth
        pond.step_to(pond._grid + STEP)
        taken = max(0.0, water.salinity * water.depth - before)
        # the farmer's own water is nearly fresh (0.2 PSU), what he drains takes salt along
        assert taken <= 0.2 * max(0.0, water.depth - fresh_before) + 0.2 * 0.005
        assert water.salinity * water.depth <= before + 1e-3


def test_oxygen_comes_to_saturation_in_lifeless_water() -> None:
    dead = shrimp_pond(
        photosynthesis=0.0, respiration_plankton=0.0, respiration_sediment=0.0, respiration_animals=0.0, bloom_oxygen=0.0, aerator=2.0,
        aerator_from=0.0, aerator_until=24.0, unevenness=0.0, exchange=0.0,
    )  # fmt: skip
    pond = Pond(1, MIDNIGHT, dead)
    for water in days(pond, MIDNIGHT, 1)[0]:
        assert water["do"] == pytest.approx(oxygen.saturation(water["temperature"], water["salinity"]), rel=0.03)


def test_carbon_and_oxygen_move_by_their_quotients_in_a_closed_bottle() -> None:
    """No air, no exchange, dark: oxygen used and carbon made keep the respiratory quotient."""
    shut = [
        Forcing(what, MIDNIGHT, 2**62, size) for what, size in ((Forced.CLOUD, 1.0), (Forced.AERATOR, 0.0), (Forced.WIND, 0.0))
    ]
    pond = Pond(1, MIDNIGHT, shrimp_pond(**CLOSED, alkalinity=2300.0), Scenario("bottle", tuple(shut)))
    before = pond.water.do, pond.water.carbon / pond.water.salinity
    salinity = pond.water.salinity
    pond.step_to(MIDNIGHT + 2 * HOUR)
    used, made = before[0] - pond.water.do, (pond.water.carbon / pond.water.salinity - before[1]) * salinity
    assert used > 0.5
    assert made == pytest.approx(used * 31.25 * 0.95, rel=0.1)


@pytest.fixture(scope="module")
def pond_days() -> list[list[dict[str, float]]]:
    found = []
    for seed in range(3):
        for season in (0, 120, 240):
            start = MIDNIGHT + season * DAY
            found += days(Pond(seed, start, shrimp_pond()), start, 3)
    return found


def test_oxygen_is_lowest_before_dawn_and_highest_in_the_afternoon(pond_days: list[list[dict[str, float]]]) -> None:
    lowest = [min(range(48), key=lambda k: day[k]["do"]) / 2 for day in pond_days]
    highest = [max(range(48), key=lambda k: day[k]["do"]) / 2 for day in pond_days]
    assert 4.5 <= median(lowest) <= 7
    assert sum(3 <= hour <= 7.5 for hour in lowest) / len(lowest) > 0.9
    assert 14 <= median(highest) <= 17.5


def test_days_have_the_swings_of_intensive_ponds(pond_days: list[list[dict[str, float]]]) -> None:
    def swing(name: str) -> float:
        return median(max(w[name] for w in day) - min(w[name] for w in day) for day in pond_days)

    assert 5 < swing("do") < 10
    assert 0.4 < swing("ph") < 0.9
    assert 1 < swing("temperature") < 4
    assert 3.5 < median(min(w["do"] for w in day) for day in pond_days) < 5.5
    for day in pond_days:
        ph, do = [w["ph"] for w in day], [w["do"] for w in day]
        covariance = mean((a - mean(ph)) * (b - mean(do)) for a, b in zip(ph, do, strict=True))
        assert covariance / (pstdev(ph) * pstdev(do)) > 0.7


@pytest.mark.parametrize("season", [0, 90, 180, 270])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_crash_falls_below_2_before_dawn_and_other_ponds_do_not(seed: int, season: int) -> None:
    start = MIDNIGHT + season * DAY
    crash = Pond(seed, start - DAY, shrimp_pond(), scenario.oxygen_crash(start + HOUR))
    usual = Pond(seed, start - DAY, shrimp_pond())
    night = [(crash.step_to(t)["do"], usual.step_to(t)["do"]) for t in range(start, start + 6 * HOUR, 600)]
    assert min(night)[0] < 2
    assert min(other for _, other in night) > 2.5


def test_salty_water_comes_up_the_river() -> None:
    pond = Pond(4, MIDNIGHT, shrimp_pond(), scenario.salt_intrusion(MIDNIGHT + HOUR))
    before = pond.step_to(MIDNIGHT + HOUR)["salinity"]
    assert pond.step_to(MIDNIGHT + 13 * HOUR)["salinity"] - before > 3


def test_windows_of_a_scenario() -> None:
    told = scenario.node_offline(100, 200)
    assert [told.is_offline(t) for t in (99, 100, 199, 200)] == [False, True, True, False]
    ramp = Forcing(Forced.OUTSIDE_SALINITY, 100, 200, 10.0, ramp=50)
    assert [ramp.at(t) for t in (99, 100, 125, 150, 199, 200)] == [None, 0.0, 5.0, 10.0, 10.0, None]


@given(st.floats(0, 40), st.floats(1, 42), st.floats(7, 9.5), st.floats(500e-6, 4000e-6))
def test_ph_solves_the_carbonate_system(temperature: float, salinity: float, ph: float, dic: float) -> None:
    constants = Constants(temperature, salinity)
    assert constants.ph(dic, constants.alkalinity(dic, 10**-ph), 8.0) == pytest.approx(ph, abs=1e-3)


def test_carbonate_check_values() -> None:
    """At 25 °C and 35: pK1 5.84, pK2 8.96 (Millero 2010), pKB 8.5975 (Dickson 1990), K0 0.02839 (Weiss 1974)."""
    c = Constants(25, 35)
    assert -math.log10(c.k1) == pytest.approx(5.841, abs=0.002)
    assert -math.log10(c.k2) == pytest.approx(8.961, abs=0.002)
    assert -math.log10(c.kb) == pytest.approx(8.5975, abs=0.0005)
    assert c.k0 == pytest.approx(0.02839, abs=0.00001)


def test_the_sun() -> None:
    """Overhead at noon where latitude is declination; down at midnight; about 1,000 W/m² under a clear tropical noon."""
    assert sun_height(MIDNIGHT, 9.6, 105.97) == 0
    assert sun_height(MIDNIGHT + 12 * HOUR, 9.6, 105.97) == pytest.approx(math.cos(math.radians(9.6 + 19.7)), abs=0.01)
    assert clear_sky(1.0) == pytest.approx(1037, abs=1)
    assert clear_sky(0.0) == 0


@pytest.mark.slow
def test_weather_has_the_months_of_its_station() -> None:
    """A dry March and a wet October, within what one month may differ."""
    climate = shrimp_pond().climate
    rain = {}
    for month, start in (("March", 1_772_323_200), ("October", 1_790_812_800)):
        totals = []
        for seed in range(6):
            weather = Weather(climate, seed, start)
            steps = [weather.step(start + k * STEP) for k in range(31 * 288)]
            totals.append(sum(c.rain for c in steps) * STEP / 3600)
            assert 24 < mean(c.air for c in steps) < 31
            assert 150 < mean(c.radiation for c in steps) < 320
        rain[month] = mean(totals)
    assert rain["March"] < 60
    assert 150 < rain["October"] < 450


@given(st.floats(2, 35), st.floats(15, 35))
def test_conductivity_is_that_of_the_salinity(salinity: float, temperature: float) -> None:
    assert conductivity(salinity, temperature) == pytest.approx(float(gsw.C_from_SP(salinity, temperature, 0)), rel=0.04)


TRUE = {"do": 6.0, "ph": 8.0}


def readings(*faults: Fault, count: int = 400, quantity: str = "do") -> list[float | None]:
    probe = Probe(quantity, 1, faults)
    return [probe.read(TRUE, k * 300.0) for k in range(count)]


def said(values: list[float | None]) -> list[float]:
    return [v for v in values if v is not None]


def test_a_sound_probe_is_repeatable_and_near_the_truth() -> None:
    assert readings() == readings()
    assert mean(said(readings())) == pytest.approx(6.0, abs=0.02)
    assert 0.02 < pstdev(said(readings())) < 0.12
    assert all(round(v / 0.05, 6) == round(v / 0.05) for v in said(readings()))


def test_faults_of_probes() -> None:
    day = 400 * 300 / DAY
    drift = said(readings(Fault(FaultKind.DRIFT, "do", 0, 2**40, 1.0)))
    assert mean(drift[-20:]) == pytest.approx(6 + day, abs=0.1)
    offset = said(readings(Fault(FaultKind.OFFSET, "do", 0, 2**40, -2.0)))
    assert mean(offset) == pytest.approx(4, abs=0.02)
    stuck = readings(Fault(FaultKind.STUCK, "do", 3000, 60_000))
    assert len(set(stuck[10:200])) == 1
    assert len(set(stuck[200:])) > 1
    fouled = said(readings(Fault(FaultKind.FOULING, "do", 0, 2**40, 0.5)))
    assert mean(fouled[-20:]) == pytest.approx(6 * math.exp(-0.5 * day), rel=0.08)
    assert pstdev(fouled[-50:]) > 1.5 * pstdev(said(readings())[-50:])
    spikes = said(readings(Fault(FaultKind.SPIKES, "do", 0, 2**40, 4.0)))
    assert 5 <= sum(abs(v - 6) > 3 for v in spikes) <= 50
    assert 60 < readings(Fault(FaultKind.DROPOUT, "do", 0, 2**40, 0.25)).count(None) < 140
    noisy = said(readings(Fault(FaultKind.NOISE, "do", 0, 2**40, 0.5)))
    assert pstdev(noisy) == pytest.approx(0.56, rel=0.2)


def test_another_quantitys_fault_is_not_ours() -> None:
    assert readings(Fault(FaultKind.OFFSET, "ph", 0, 2**40, 3.0)) == readings()


def test_a_probe_lags_behind_a_sudden_change() -> None:
    probe = Probe("do", 1, resolution=0.001)
    probe.read({"do": 2.0}, 0)
    first, later = probe.read({"do": 8.0}, 30), probe.read({"do": 8.0}, 600)
    assert first is not None
    assert later is not None
    assert first < 5.5
    assert later > 7.5


def test_probes_of_a_node_leave_out_what_says_nothing() -> None:
    probes = Probes(("do", "ph"), 1, (Fault(FaultKind.DROPOUT, "do", 0, 2**40, 1.0),))
    assert set(probes.read(TRUE, 0)) == {"ph"}


def test_every_parameter_has_a_unit_and_a_source() -> None:
    assert all(unit and source for _, _, _, unit, source in described())
    assert len(described()) > 35
