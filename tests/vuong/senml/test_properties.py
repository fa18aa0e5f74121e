"""Round trips, any bytes at all, and `cbor2` as oracle."""

from __future__ import annotations

import contextlib
import math
from typing import cast

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vuong.senml import Record, SenMLError, cbor, item, json

finite = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**70), 2**70))
words = st.text(st.characters(codec="utf-8"), max_size=20)
records = st.builds(
    Record,
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9\-:./_]{0,20}", fullmatch=True),
    unit=st.none() | words,
    value=st.one_of(finite, words, st.booleans(), st.binary(max_size=20)),
    sum=st.none() | finite,
    time=finite,
    update_time=st.none() | finite,
)
packs = st.lists(records, min_size=1, max_size=8)

# Bytes that look like packs reach deeper than random ones.
labels = st.sampled_from(["bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut", "x", "x_"])
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), words, st.binary(max_size=8)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
odd_packs = st.lists(
    st.dictionaries(labels | st.integers(-7, 9), st.one_of(anything, st.integers(1, 10), st.just("a")), max_size=5), max_size=4
)


@given(packs)
def test_json_round_trip(pack: list[Record]) -> None:
    assert json.decode(json.encode(pack)) == pack


@given(packs)
def test_cbor_round_trip(pack: list[Record]) -> None:
    assert cbor.decode(cbor.encode(pack)) == pack


@given(packs)
def test_both_forms_say_the_same(pack: list[Record]) -> None:
    assert json.decode(json.encode(pack)) == cbor.decode(cbor.encode(pack))


@given(packs)
def test_cbor2_reads_what_is_written(pack: list[Record]) -> None:
    numbers = [record.get(2) for record in cbor2.loads(cbor.encode(pack))]
    assert numbers == [r.value if isinstance(r.value, int | float) and not isinstance(r.value, bool) else None for r in pack]


@given(st.binary(max_size=200))
@example(b"\x81\xbf\xff")
def test_any_bytes_raise_nothing_else(payload: bytes) -> None:
    for form in (json, cbor):
        with contextlib.suppress(SenMLError):
            form.decode(payload)


@given(odd_packs)
def test_odd_packs_raise_nothing_else(pack: list[dict[str | int, object]]) -> None:
    payload = cbor2.dumps(pack)
    with contextlib.suppress(SenMLError):
        for record in cbor.decode(payload):
            assert record.name
            assert math.isfinite(record.time)


@given(odd_packs, st.data())
def test_damaged_packs_raise_nothing_else(pack: list[dict[str | int, object]], data: st.DataObject) -> None:
    payload = bytearray(cbor2.dumps(pack))
    for _ in range(data.draw(st.integers(0, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(SenMLError):
        cbor.decode(bytes(payload))


@given(anything)
def test_items_as_cbor2_reads_and_writes_them(value: object) -> None:
    written = item.dump(value)
    assert _equal(cbor2.loads(written), value)
    assert _equal(item.load(cbor2.dumps(value)), value)
    assert _equal(item.load(written), value)


@given(st.integers(-300, 0), st.integers(-(2**63), 2**63))
def test_decimal_fractions_are_rounded_once(exponent: int, mantissa: int) -> None:
    written = item.dump([exponent, mantissa])
    assert float(cast("int | float", item.load(b"\xc4" + written))) == float(f"{mantissa}e{exponent}")


@pytest.mark.parametrize("depth", [1, 10, 31])
def test_nesting_within_the_bound_is_read(depth: int) -> None:
    assert item.load(b"\x81" * depth + b"\x00")


def _equal(one: object, other: object) -> bool:
    """Equal, where NaN equals NaN."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    return type(one) is type(other) and one == other
