"""The alarm that matters most: one alarm that grows in place, tells its course, and that no doubt of the probe may hide."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.alarms.board import UPDATE
from gateway.alarms.engine import UNSURE_DELAY
from tests.gateway.alarms.conftest import MINUTE, NOON, Feed, Judge
from vuong.alarm_text import render
from vuong.flags import Flag


@pytest.fixture
def pond(feed: Feed) -> Feed:
    """Give the pond four aerators."""
    bench = feed.bench
    for nodes in (bench.config.ponds, bench.config.nodes):
        nodes.update({name: replace(pond, aerators=4) for name, pond in nodes.items()})
    bench.restart()
    return feed


def fall(feed: Feed, start: float, per_hour: float, minutes: range) -> None:
    for minute in minutes:
        feed(minute, do=round(start - per_hour * minute / 60, 2))


def test_one_alarm_grows_and_wanes_in_place_and_its_history_is_kept(feed: Feed) -> None:
    for minute, value in enumerate([5.0, 3.9, 2.9, 1.9, 1.9]):
        feed(minute, do=value)
    assert feed.bench.rows("SELECT kind, state, raised, revision FROM alarms") == [
        ("oxygen_lethal", "unacknowledged", NOON + 60, 3)
    ]
    for minute in (10, 25):
        feed(minute, do=3.4)
    assert feed.bench.rows("SELECT kind, state FROM alarms") == [("oxygen_low", "unacknowledged")]
    for minute in (30, 45):
        feed(minute, do=6.0)
    assert feed.bench.rows("SELECT kind, state, count(*) FROM alarms") == [("oxygen_low", "returned", 1)]
    history = feed.bench.rows("SELECT kind, event FROM alarm_journal ORDER BY position")
    assert history == [
        ("oxygen_low", "raised"),
        ("oxygen_critical", "worsened"),
        ("oxygen_lethal", "worsened"),
        ("oxygen_low", "eased"),
        ("oxygen_low", "cleared"),
    ]


def test_it_tells_rate_time_and_aerators(pond: Feed) -> None:
    fall(pond, 4.5, 0.6, range(0, 61, 5))
    numbers = pond.numbers("oxygen_low")
    assert numbers["value"] == pytest.approx(3.9, abs=0.1)
    assert numbers["rate"] == pytest.approx(0.6, abs=0.02)
    assert numbers["aerators"] == 2, "half of them at a warning"
    assert numbers["target"] == 3.0
    expected = NOON + 150 * MINUTE  # 4.5 - 0.6 * 2.5 = 3.0
    assert abs(numbers["reached"] - expected) < 10 * MINUTE
    assert numbers["earliest"] < numbers["reached"]
    assert numbers["confidence"] == "high"
    said = render("oxygen_low", "do", numbers, raised=NOON, pond="Ao 1", language="vi").message
    assert said.startswith(f"Ao 1: DO {numbers['value']:.1f} mg/L và".replace(".", ",")), said
    assert " và đang giảm 0,6 mg/L mỗi giờ; sẽ xuống 3,0 lúc 14:" in said
    assert said.endswith("; bật 2 quạt nước ngay")


def test_worse_wants_all_aerators_and_the_next_limit(pond: Feed) -> None:
    fall(pond, 4.5, 1.2, range(0, 91, 5))
    numbers = pond.numbers("oxygen_critical")
    assert (numbers["aerators"], numbers["target"]) == (4, 2.0)


def test_water_that_does_not_fall_has_no_projected_time(pond: Feed) -> None:
    for minute in range(0, 61, 5):
        pond(minute, do=3.6 + (minute % 10) / 100)
    numbers = pond.numbers("oxygen_low")
    assert "rate" not in numbers
    assert "reached" not in numbers


def test_numbers_follow_while_it_stands_but_do_not_flood(pond: Feed) -> None:
    for second in range(0, 3600, 20):
        pond(second / 60, do=round(3.9 - second / 3600 * 0.8, 2))
    ((revision,),) = pond.bench.rows("SELECT revision FROM alarms")
    assert 5 <= revision <= 1 + 3600 // UPDATE
    assert pond.numbers("oxygen_low")["value"] < 3.3


def test_numbers_that_say_nothing_new_are_no_revision(feed: Feed) -> None:
    for minute in range(0, 600, 5):
        feed(minute, do=3.5)
    assert feed.bench.rows("SELECT revision FROM alarms") == [(1,)]


@pytest.mark.parametrize(("flag", "sure"), [(Flag.GOOD, "high"), (Flag.SUSPECT, "medium")])
def test_a_doubtful_reading_raises_at_once_and_says_so(feed: Feed, judge: type[Judge], flag: Flag, sure: str) -> None:
    judge.flags["do"] = flag
    feed(0, do=1.5)
    assert feed.alarms("oxygen_lethal") == [("unacknowledged", 0, None)]
    assert feed.numbers("oxygen_lethal")["confidence"] == sure


def test_a_failed_reading_hides_no_oxygen_alarm(feed: Feed, judge: type[Judge]) -> None:
    feed(0, do=5.0)
    judge.flags["do"] = Flag.FAIL
    feed(1, do=1.5)
    assert feed.alarms("oxygen_lethal") == [], "one spike is none"
    feed(1 + UNSURE_DELAY / 60, do=1.5)
    assert feed.alarms("oxygen_lethal") == [("unacknowledged", 6, None)]
    assert feed.numbers("oxygen_lethal")["confidence"] == "low"
    feed(30, do=6.0)
    feed(60, do=6.0)
    assert feed.alarms("oxygen_lethal") == [("unacknowledged", 6, None)], "and only a good reading clears it"
    judge.flags.clear()
    feed(61, do=6.0)
    feed(80, do=6.0)
    assert feed.alarms("oxygen_lethal") == [("returned", 6, 80)]


def test_a_single_failed_spike_raises_nothing(feed: Feed, judge: type[Judge]) -> None:
    for minute in range(0, 120, 5):
        judge.flags = {"do": Flag.FAIL} if minute == 30 else {}
        feed(minute, do=0.2 if minute == 30 else 5.0)
    assert feed.bench.rows("SELECT * FROM alarms") == []


def test_a_probe_under_suspicion_makes_the_alarm_unsure(feed: Feed, judge: type[Judge]) -> None:
    judge.flags["do"] = Flag.FAIL
    for minute in (0, 10, 20):
        feed(minute, do=5.0)
    assert feed.alarms("probe_fault") == [("unacknowledged", 20, None)]
    judge.flags.clear()
    feed(21, do=3.5)
    assert feed.numbers("oxygen_low")["confidence"] == "low"


def test_a_little_less_than_nothing_is_no_oxygen(feed: Feed) -> None:
    """A galvanic probe in water without oxygen, below its own zero: outside the physical range, and deadly."""
    for minute in (0, 3, 6):
        feed(minute, do=-0.05)
    assert feed.alarms("oxygen_lethal") == [("unacknowledged", 6, None)]
    feed(100, do=6.0)
    feed(120, do=6.0)
    for minute in (200, 203, 206):
        feed(minute, do=-9.0)
    assert [state for state, *_ in feed.alarms("oxygen_lethal")] + [
        state for (state,) in feed.bench.rows("SELECT state FROM alarms WHERE kind = 'oxygen_low'")
    ] == ["returned"]


def test_a_fault_of_ours_in_a_stage_hides_no_oxygen_alarm(feed: Feed, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def update(self, observation: object) -> None:
            raise ZeroDivisionError

    feed.bench.ingest._pipeline.stages = [Broken(), *feed.bench.ingest._pipeline.stages]  # type: ignore[list-item]
    feed(0, do=1.5)
    assert feed.alarms("oxygen_lethal") == [("unacknowledged", 0, None)]
