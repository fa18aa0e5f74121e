"""What a gateway does with packs that are not as they should be."""

from __future__ import annotations

import contextlib
import json as stdlib_json
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vuong.contract.decode import ContractError, Decoded, decode
from vuong.contract.encode import json_pack
from vuong.quantities import QUANTITIES

NODE = "70b3d57ed0001a2b"
NOW = 1_795_118_400
BASE = {"bn": f"urn:dev:mac:{NODE}:", "bt": NOW - 10}
IDENTITY = [{**BASE, "n": "boot", "v": 7}, {"n": "seq", "v": 3}]


def read(*records: dict[str, Any]) -> Decoded:
    pack = stdlib_json.dumps(records).encode()
    return decode(pack, form="json", node=NODE, now=NOW)


def reading(n: str = "do", u: str | None = "kg/m3", v: object = 0.005, **more: object) -> dict[str, Any]:
    return {"n": n, "v": v, **({} if u is None else {"u": u}), **more}


GOOD = reading("ph", "pH", 8.1)


@pytest.mark.parametrize(
    ("bad", "key", "named"),
    [
        (reading("chlorine"), "quantity", "chlorine"),
        (reading(u="Cel"), "unit", "kg/m3"),
        (reading(u=None), "unit", "kg/m3"),
        (reading("salinity", "ppt", 15), "unit", "/1000"),
        (reading("conductivity", "mS/cm", 15), "unit", "S/m"),
        (reading(v="5,0"), "record", "5,0"),
        (reading(v=True), "record", "True"),
        (reading(v=None), "record", "None"),
        (reading(v=float("nan")), "record", "finite"),
        (reading(v=float("inf")), "record", "finite"),
        (reading(v=1e12), "value", "1000000000000.0"),
        ({"n": "do", "u": "kg/m3", "vs": "high"}, "value", "high"),
        (reading(t=60), "reading_time", "do"),
        (reading("ph", "pH", 7.0), "twice", "ph"),
        (reading(must_=1), "record", "must_"),
        (reading("first", None, 9), "counter", "first"),
        (reading("first", None, 0), "counter", "first"),
    ],
)  # fmt: skip
def test_one_bad_record_leaves_the_rest(bad: dict[str, Any], key: str, named: str) -> None:
    decoded = read(*IDENTITY, GOOD, bad, reading("temperature", "Cel", 28.5))
    assert [s.values for s in decoded.samples] == [{"ph": 8.1, "temperature": 28.5}]
    assert [p.key for p in decoded.problems] == [f"problem.{key}"]
    assert named in str(decoded.problems[0])


@pytest.mark.parametrize(
    ("record", "value"),
    [
        (reading("do", "ppm", 6.46), 6.46),
        (reading("do", "mg/l", 6.46), 6.46),
        (reading("do", "g/l", 0.00646), 6.46),
        (reading("do", "kg/m3", 0.006461), 6.46),
        (reading("temperature", "K", 301.65), 28.5),
        (reading("salinity", "/", 0.0153), 15.3),
        (reading("depth", "cm", 120), 1.2),
        (reading("conductivity", "S/m", 4.597), 45.97),
    ],
)
def test_units_that_mean_the_same_are_converted(record: dict[str, Any], value: float) -> None:
    decoded = read(*IDENTITY, record)
    assert decoded.problems == []
    assert decoded.samples[0].values == {record["n"]: value}


def test_records_of_other_writers_are_read() -> None:
    """Whole names, times of their own, whole numbers as floats, white space: all legal RFC 8428."""
    name = f"urn:dev:mac:{NODE}:"
    time = NOW - 60
    decoded = read(
        {"n": f"{name}boot", "t": time, "v": 7.0},
        {"n": f"{name}seq", "t": time, "v": 3.0},
        {"n": f"{name}do", "u": "kg/m3", "t": time, "v": 0.005},
    )
    assert [(s.boot, s.seq, s.time, s.values, s.estimated) for s in decoded.samples] == [(7, 3, time, {"do": 5.0}, False)]
    assert decoded.problems == []


def test_a_sample_without_identity_is_a_problem_and_the_next_is_read() -> None:
    decoded = read(
        {**BASE, **GOOD}, reading(), {"n": "seq", "v": 1}, GOOD, {"n": "boot", "v": 7}, GOOD, {"n": "seq", "v": 2}, GOOD
    )
    assert [(s.boot, s.seq) for s in decoded.samples] == [(7, 2)]
    assert [(p.key, p.numbers) for p in decoded.problems] == [("problem.identity", {"count": 4})]


@pytest.mark.parametrize(
    "counter", [{"n": "seq", "v": 0}, {"n": "seq", "v": 1.5}, {"n": "seq", "vs": "x"}, {"n": "boot", "v": 2**32}]
)
def test_a_bad_counter_is_named(counter: dict[str, Any]) -> None:
    decoded = read(*IDENTITY, GOOD, counter, GOOD)
    assert [s.seq for s in decoded.samples] == [3]
    assert sorted(p.key for p in decoded.problems) == ["problem.counter", "problem.identity"]


@pytest.mark.parametrize("time", [30, 4_102_444_801, -(2**31)])
def test_an_impossible_time_becomes_the_arrival(time: int) -> None:
    decoded = read({**BASE, "bt": time, "n": "boot", "v": 7}, {"n": "seq", "v": 3}, GOOD)
    assert [(s.time, s.estimated, s.values) for s in decoded.samples] == [(NOW, True, {"ph": 8.1})]
    assert [p.key for p in decoded.problems] == ["problem.time"]


def test_relative_times_are_resolved_at_arrival() -> None:
    decoded = read({**BASE, "bt": -90, "n": "boot", "v": 7}, {"n": "seq", "v": 3}, GOOD)
    assert [(s.time, s.estimated) for s in decoded.samples] == [(NOW - 90, True)]


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (b"", "not JSON"),
        (b"{}", "array"),
        (b"\xff\xfe", "UTF-8"),
        (b"[" * 100_000, "nested"),
        (b'[{"bn":"urn:dev:mac:70b3d57ed0009999:","n":"boot","v":1}]', "70b3d57ed0009999"),
        (b'[{"n":"boot","v":1}]', "send base name"),
        (b'[{"bver":11,"n":"boot","v":1}]', "bver"),
    ],
)
def test_what_cannot_be_read_at_all_is_an_error(payload: bytes, named: str) -> None:
    with pytest.raises(ContractError, match=named):
        decode(payload, form="json", node=NODE, now=NOW)


def test_another_nodes_reading_spoils_the_pack() -> None:
    with pytest.raises(ContractError, match="70b3d57ed0009999"):
        read(*IDENTITY, GOOD, {"bn": "urn:dev:mac:70b3d57ed0009999:", **GOOD})


def test_a_label_that_stands_twice_is_an_error() -> None:
    payload = json_pack(NODE, [(7, 3, NOW, {"do": 500})], {}).replace(b'"v":0.005', b'"v":0.009,"v":0.005')
    with pytest.raises(ContractError, match="stands twice"):
        decode(payload, form="json", node=NODE, now=NOW)


@given(st.binary(max_size=150))
def test_any_bytes_raise_nothing_else(payload: bytes) -> None:
    with contextlib.suppress(ContractError):
        decode(payload, form="json", node=NODE, now=NOW)
    with contextlib.suppress(ContractError):
        decode(payload, form="cbor", node=NODE, now=NOW)


names = st.sampled_from([*QUANTITIES, "boot", "seq", "first", "other"])
numbers = st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.text(max_size=4), st.integers(0, 9))
odd_records = st.fixed_dictionaries(
    {},
    optional={
        "n": names, "v": numbers, "u": st.sampled_from(["kg/m3", "Cel", "pH", "/1000", "S/m", "ppm", "m", 3]), "bt": numbers,
        "t": numbers, "bn": st.just(BASE["bn"]), "vs": st.text(max_size=3), "x_": st.none(), "bv": numbers,
    },
)  # fmt: skip


@given(st.lists(odd_records, min_size=1, max_size=8), st.booleans())
def test_odd_packs_raise_nothing_else_and_both_forms_agree(records: list[dict[str, Any]], whole: bool) -> None:
    pack = [*(IDENTITY if whole else []), *records]
    pack[0] = {**BASE, **pack[0]}
    labels = {"bn": -2, "bt": -3, "bv": -5, "n": 0, "u": 1, "v": 2, "vs": 3, "t": 6, "x_": "x_"}
    outcomes = []
    for form, payload in (
        ("json", stdlib_json.dumps(pack).encode()),
        ("cbor", cbor2.dumps([{labels[k]: v for k, v in r.items()} for r in pack])),
    ):
        try:
            outcomes.append(decode(payload, form=form, node=NODE, now=NOW))  # type: ignore[arg-type]
        except ContractError:
            outcomes.append(None)
    assert outcomes[0] == outcomes[1]
    for sample in outcomes[0].samples if outcomes[0] else []:
        assert 0 <= sample.time <= 4_102_444_800
        assert 1 <= sample.first <= sample.seq
