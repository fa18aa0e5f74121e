"""Entries: a set that only grows; what is wrong is told by field, value and remedy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lan.entries import Entries
from vuong.contract.api import Entry, EntryKind, entry_fault, standing_acknowledgement

NOW = 1_795_121_999
NODE = "00124b0000000001"


def said(number: int, at: int = NOW, where: str = "app", alarm: str = "a-1", revision: int = 1) -> Entry:
    return {
        "id": f"entry-{number:04d}",
        "kind": "acknowledgement",
        "pond": "p1",
        "at": at,
        "by": "Cô Sáu",
        "where": where,
        "content": {"alarm": alarm, "revision": revision},
    }


def measured(**changes: object) -> dict[str, Any]:
    content = {"quantity": "tan", "value": 1.5, "note": "bộ test"}
    return {**said(1), "kind": "hand_reading", "content": content | changes}


def calibrated(**changes: object) -> dict[str, Any]:
    content = {"node": NODE, "quantity": "ph", "points": [[7.0, 6.9], [4.0, 4.1]], "note": ""}
    return {**said(1), "kind": "calibration", "content": content | changes}


@pytest.mark.parametrize("entry", [said(1), measured(), calibrated()])
def test_sound_entries_have_no_fault(entry: object) -> None:
    assert entry_fault(entry, NOW) is None


@pytest.mark.parametrize(
    ("entry", "field", "remedy"),
    [
        ([], "entry", "object"),
        ({**said(1), "id": "../x"}, "id is '../x'", "UUID"),
        ({**said(1), "kind": "rumour"}, "kind", "acknowledgement"),
        ({**said(1), "where": "moon"}, "where", "gateway, app, cloud"),
        ({**said(1), "by": "a\nb"}, "by", "letters"),
        ({**said(1), "at": 3.5}, "time is 3.5", "UTC seconds"),
        ({**said(1), "at": NOW + 4000}, "4000 s ahead", "clock"),
        ({**said(1), "extra": 1}, "extra", "not known"),
        ({**said(1), "content": {"alarm": "", "revision": 1}}, "alarm", "id"),
        ({**said(1), "content": {"alarm": "a", "revision": True}}, "revision", "seen"),
        (measured(quantity="gold"), "quantity is 'gold'", "tan"),
        (measured(value=math.nan), "value", "tan from 0 to 100 mg/L"),
        (measured(value=True), "value", "from 0"),
        (measured(quantity="ph", value=14.1), "value is 14.1", "from 0 to 14 pH"),
        (measured(note="x" * 501), "note", "500"),
        (measured(colour="red"), "colour", "known are"),
        (calibrated(node="zz"), "node is 'zz'", "EUI-64"),
        (calibrated(points=[]), "points is []", "one to five"),
        (calibrated(points=[[7.0]]), "points has [7.0]", "pairs"),
        (calibrated(points=[[7.0, "7"]]), "points has", "numbers"),
    ],
)
def test_a_fault_names_field_and_remedy(entry: object, field: str, remedy: str) -> None:
    fault = entry_fault(entry, NOW)
    assert fault is not None
    assert field in fault
    assert remedy in fault


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_anything_is_judged_without_an_error(row: object) -> None:
    assert entry_fault(row, NOW) is not None


def test_a_repeat_adds_nothing_and_changes_nothing(tmp_path: Path) -> None:
    entries = Entries(tmp_path / "gateway.db")
    assert entries.add([said(1), said(2, alarm="a-2")]) == 2
    assert entries.add([said(1, at=NOW - 99), said(3)]) == 1
    assert [entry["at"] for _, entry in entries.after(0)] == [NOW] * 3
    assert {entry["id"] for entry in entries.unsent(10)} == {"entry-0001", "entry-0002", "entry-0003"}
    entries.add([said(2)], sent=True)
    entries.mark_sent(["entry-0001"])
    assert [entry["id"] for entry in entries.unsent(10)] == ["entry-0003"]
    assert set(entries.of_alarms(["a-1", "a-2", "none"])) == {"a-1", "a-2"}
    entries.close()


def test_entries_outlive_the_process(tmp_path: Path) -> None:
    first = Entries(tmp_path / "gateway.db")
    first.add([said(1)])
    second = Entries(tmp_path / "gateway.db")
    assert second.get("entry-0001") == said(1)
    assert second.of_pond("p1", EntryKind.ACKNOWLEDGEMENT, NOW, NOW + 1) == [said(1)]
    assert second.of_pond("p1", EntryKind.ACKNOWLEDGEMENT, NOW + 1, NOW + 9) == []
    first.close()
    second.close()


@given(
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["gateway", "app", "cloud"]), st.integers(0, 3)), min_size=1),
    st.data(),
)
def test_the_same_acknowledgement_counts_in_whatever_order_they_met(
    said_at: list[tuple[int, str, int]], data: st.DataObject
) -> None:
    entries = [said(i, NOW + at, where, revision=revision) for i, (at, where, revision) in enumerate(said_at)]
    shuffled = data.draw(st.permutations(entries)) + entries[:1]
    numbers = {"annunciated": 1}
    found = standing_acknowledgement("a-1", None, numbers, entries)
    assert standing_acknowledgement("a-1", None, numbers, shuffled) == found
    times = [entry["at"] for entry in entries if entry["content"]["revision"] >= 1]
    assert (found["at"] if found else None) == min(times, default=None)
