"""The power budget adds up and says what it cannot."""

from __future__ import annotations

import json

import pytest

from hardware import power


def test_more_battery_and_longer_intervals_last_longer() -> None:
    for variant in power.LOADS:
        # less than twice: a larger cell also discharges itself more
        assert 1.5 < power.days(variant, 12000, 900) / power.days(variant, 6000, 900) < 2
        assert power.days(variant, 6000, 1800) > 1.5 * power.days(variant, 6000, 900)
        assert power.panel(variant, 900) > power.panel(variant, 1800)


def test_the_average_is_the_sum_of_its_loads() -> None:
    always = sum(load.milliamps for load in power.LOADS["low-cost"] if load.seconds is None)
    pulses = sum(load.milliamps * load.seconds for load in power.LOADS["low-cost"] if load.seconds is not None)
    assert power.average("low-cost", 1000) == pytest.approx(always + pulses / 1000)


def test_every_figure_names_its_source() -> None:
    assert all(load.source for loads in power.LOADS.values() for load in loads)


def test_the_command_prints_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert power.main(["--json", "--battery", "6000"]) == 0
    assert json.loads(capsys.readouterr().out)["low-cost"]["days"] > 20
    assert power.main([]) == 0
    assert "days without sun" in capsys.readouterr().out
    assert power.main(["--interval", "5"]) == 2
    assert "not longer" in capsys.readouterr().err
