"""Nuisance statistics from the journal, and the commands that print them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.alarms.statistics import statistics
from tests.gateway.alarms.conftest import MINUTE, NOON, Feed
from vuong.command import main

CONFIG = """
gateway = {{ id = "gw-1", database = "{path}" }}
ponds = [{{ id = "p1" }}]
[[aerators]]
id = "q1"
pond = "p1"
pin = 5
"""


@pytest.fixture
def config(feed: Feed, tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG.format(path=feed.bench.path), encoding="utf-8")
    return path


def test_what_chatters_what_is_stale_and_what_comes_most(feed: Feed) -> None:
    for minute in range(0, 120, 20):  # six times in two hours
        feed(minute, do=3.5, ph=8.0)
        feed(minute + 1, do=6.0, ph=8.0)
        feed(minute + 17, do=6.0, ph=8.0)
    feed(130, ph=6.8)
    feed(26 * 60, ph=6.8)
    found = statistics(feed.bench.store._connection, NOON, NOON + 27 * 60 * MINUTE)
    assert found.calls == 7
    (frequent, times), *_ = found.frequent
    assert (frequent[2], times) == ("oxygen_low", 6)
    assert {source[2]: n for source, n in found.chattering.items()} == {"oxygen_low": 3}
    assert {kind for _, _, kind in found.stale} == {"ph_low_critical"}
    assert sum(n for (_, kind), n in found.by_day.items() if kind == "oxygen_low") == 6
    assert found.floods == []


def test_a_flood_is_told_once(feed: Feed) -> None:
    execute = feed.bench.store._connection.execute
    for second in range(0, 600, 50):
        execute(
            "INSERT INTO alarm_journal VALUES (NULL, ?, ?, 'p1', NULL, 'oxygen_low', 'raised', 1, '')",
            (NOON + second, str(second)),
        )
    assert len(statistics(feed.bench.store._connection, NOON, NOON + 3600).floods) == 1


def test_the_commands(feed: Feed, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feed(0, do=3.5)
    feed(1, do=1.5)
    assert main(["gateway", "alarms", "statistics", "--config", str(config), "--days", "99999", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["calls"] == 2
    assert main(["gateway", "alarms", "statistics", "--config", str(config), "--days", "99999"]) == 0
    assert "oxygen_lethal" in capsys.readouterr().out
    assert main(["gateway", "alarms", "history", "--config", str(config), "--days", "99999", "--json"]) == 0
    events = json.loads(capsys.readouterr().out)["events"]
    assert [e["event"] for e in events] == ["raised", "worsened"]
    assert main(["gateway", "alarms", "history", "--config", str(config), "--days", "99999"]) == 0
    assert "oxygen_lethal" in capsys.readouterr().out
    assert main(["gateway", "alarms", "kinds", "--json"]) == 0
    assert {row["name"] for row in json.loads(capsys.readouterr().out)} >= {"oxygen_lethal", "white_spot_risk"}
    assert main(["gateway", "alarms", "kinds", "--lang", "en"]) == 0
    assert "| oxygen_lethal | oxygen | Water | Siren | do | do_siren | 0.30 |" in capsys.readouterr().out


def test_an_aerators_override_and_wrong_calls(
    config: Path, feed: Feed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gateway", "alarms", "aerator", "--config", str(config), "q1", "off", "--by", "sau"]) == 0
    assert feed.bench.rows('SELECT aerator, wanted, "by" FROM aerator_overrides') == [("q1", "off", "sau")]
    assert main(["gateway", "alarms", "aerator", "--config", str(config), "q9", "off"]) == 2
    assert "known are q1" in capsys.readouterr().err
    assert main(["gateway", "alarms", "history", "--config", str(tmp_path / "absent.toml")]) == 2
