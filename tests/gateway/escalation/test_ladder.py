"""Ladders as a person writes them down, and quiet hours."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import ConfigError, parse
from gateway.escalation.ladder import Quiet
from vuong.alarms import Priority

GOOD = """
[gateway]
id = "gw-1"
database = "gateway.db"
[siren]
pin = 17
longest = 5
[[contacts]]
id = "co-sau"
name = "Cô Sáu"
[[contacts.via]]
name = "zalo"
url_file = "contacts/co-sau-zalo"
[[contacts]]
id = "htx"
language = "en"
[[contacts.via]]
name = "hook"
hook_file = "contacts/htx"
[[ladders]]
id = "usual"
quiet = { from = "21:00", to = "05:00", silences = "warning" }
[[ladders.steps]]
after = 0
siren = true
lan = true
least = "siren"
[[ladders.steps]]
after = 5
contacts = ["co-sau"]
via = ["zalo"]
[[ladders.steps]]
after = 20
contacts = ["co-sau", "htx"]
[[ponds]]
id = "p1"
aerators = 4
[[nodes]]
id = "00124b0000000001"
pond = "p1"
"""


def test_a_full_ladder(tmp_path: Path) -> None:
    config = parse(tomllib.loads(GOOD), tmp_path)
    ladder = config.escalation.of("p1")
    assert ladder is not None
    assert [(s.after, s.siren, s.lan, s.contacts, s.least) for s in ladder.steps] == [
        (0, True, True, (), Priority.SIREN),
        (300, False, False, ("co-sau",), Priority.WARNING),
        (1200, False, False, ("co-sau", "htx"), Priority.WARNING),
    ]
    contact = config.escalation.contact("co-sau")
    assert contact is not None
    assert contact.via[0].url_file == tmp_path / "contacts/co-sau-zalo"
    assert config.ponds["p1"].aerators == 4
    assert config.escalation.siren is not None
    assert config.escalation.siren.longest == 300


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('silences = "warning"', 'silences = "siren"', ["silences", "never silenced"]),
        ('silences = "warning"', 'silences = "loud"', ["silences", "loud", "critical"]),
        ('from = "21:00"', 'from = "25:00"', ["quiet.from", "25:00", "21:00"]),
        ("after = 20", "after = 2", ["ladders[1].steps", "out of order"]),
        ("after = 20", "after = 9999", ["steps[3].after", "9999", "1440"]),
        ('contacts = ["co-sau", "htx"]', 'contacts = ["tu"]', ["steps[3].contacts", "tu", "co-sau, htx"]),
        ('via = ["zalo"]', 'via = ["sms"]', ["steps[2].via", "sms", "co-sau"]),
        ('url_file = "contacts/co-sau-zalo"', "", ["contacts[1].via[1]", "url_file", "hook_file"]),
        ('name = "zalo"', 'name = "lan"', ["contacts[1].via[1].name", "lan"]),
        ("[siren]\npin = 17\nlongest = 5", "", ["steps[1].siren", "[siren]"]),
        ("pin = 17", "pin = 40", ["siren.pin", "40"]),
        ('language = "en"', 'language = "fr"', ["contacts[2].language", "fr", "vi"]),
        ('id = "htx"', 'id = "co-sau"', ["contacts[2].id", "co-sau"]),
        ('id = "usual"', 'id = "usual"\nponds = ["p9"]', ["usual", "p9"]),
        ("aerators = 4", "aerators = -1", ["ponds[1].aerators", "-1"]),
    ],
)
def test_an_error_names_field_value_and_remedy(tmp_path: Path, old: str, new: str, told: list[str]) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        parse(tomllib.loads(GOOD.replace(old, new, 1)), tmp_path)
    for word in told:
        assert word in str(caught.value)


@given(
    now=st.integers(0, 4_000_000_000), begin=st.integers(0, 1439), end=st.integers(0, 1439), silences=st.sampled_from(Priority)
)
def test_quiet_hours_never_hold_the_siren(now: int, begin: int, end: int, silences: Priority) -> None:
    assert not Quiet(begin, end, silences).holds(now, Priority.SIREN)


@pytest.mark.parametrize(
    ("clock", "held"), [("20:59", False), ("21:00", True), ("23:59", True), ("00:00", True), ("04:59", True), ("05:00", False)]
)
def test_quiet_hours_over_midnight_by_the_ponds_clock(clock: str, held: bool) -> None:
    hour, minute = map(int, clock.split(":"))
    now = (hour - 7) % 24 * 3600 + minute * 60 + 1_763_596_800
    quiet = Quiet(21 * 60, 5 * 60, Priority.WARNING)
    assert quiet.holds(now, Priority.WARNING) == held
    assert not quiet.holds(now, Priority.CRITICAL), "the mildest that goes through"
