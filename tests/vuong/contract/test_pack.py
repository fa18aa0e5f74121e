"""Node's packs: golden payloads, exact round trips, the real MicroPython, and any RFC 8428 reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vuong.contract.decode import decode
from vuong.contract.encode import cbor_pack, decimal_text, json_pack
from vuong.quantities import QUANTITIES
from vuong.senml import cbor, json

NODE = "70b3d57ed0001a2b"
NOW = 1_795_118_400
GOLDEN = Path(__file__).parent / "golden"
FORMS: list[Literal["json", "cbor"]] = ["json", "cbor"]
PACKERS: dict[str, Callable[[str, Any, Any], bytes]] = {"json": json_pack, "cbor": cbor_pack}

Packed = tuple[list[tuple[int, int, int, dict[str, int]]], dict[int, int]]

CASES: dict[str, Packed] = {
    "live": ([(4_000_000_000, 17, 1_795_118_390, {"temperature": 2853, "do": 646, "ph": 812, "salinity": 1503})], {4_000_000_000: 3}),
    "no_clock": ([(7, 1, 0, {"do": 5}), (7, 2, -30, {"temperature": -105, "conductivity": 45970})], {7: 1}),
    "two_boots": (
        [
            (1, 900, 1_795_000_000, {"do": 320}),
            (1, 901, 1_795_000_900, {"do": 0, "turbidity": 40}),
            (2, 1, 1_795_001_000, {"depth": -12}),
            (2, 2, 1_795_001_900, {}),
        ],
        {1: 850, 2: 1},
    ),
}  # fmt: skip

values = st.dictionaries(st.sampled_from(sorted(QUANTITIES)), st.integers(-(10**7), 10**7))
times = st.integers(2**28, 4_102_444_800) | st.integers(-(2**27), 0)


@st.composite
def packs(draw: st.DrawFn) -> Packed:
    boots = draw(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3, unique=True))
    samples = [
        (boot, seq, draw(times), draw(values))
        for boot in boots
        for seq in sorted(draw(st.sets(st.integers(1, 2**40), min_size=1, max_size=4)))
    ]
    lowest = {boot: min(s[1] for s in samples if s[0] == boot) for boot in boots}
    return samples, {boot: draw(st.integers(1, lowest[boot])) for boot in draw(st.sets(st.sampled_from(boots)))}


def expected(packed: Packed) -> list[tuple[object, ...]]:
    samples, firsts = packed
    return [
        (
            boot,
            seq,
            time if time > 0 else NOW + time,
            {n: QUANTITIES[n].unscaled(v) for n, v in v.items()},
            firsts.get(boot, 1),
            time <= 0,
        )
        for boot, seq, time, v in samples
    ]


def said(payload: bytes, form: Literal["json", "cbor"]) -> list[tuple[object, ...]]:
    decoded = decode(payload, form=form, node=NODE, now=NOW)
    assert decoded.problems == []
    assert {s.node for s in decoded.samples} == {NODE}
    return [(s.boot, s.seq, s.time, s.values, s.first, s.estimated) for s in decoded.samples]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CASES)
def test_golden_payloads(form: Literal["json", "cbor"], name: str) -> None:
    payload = (GOLDEN / f"{name}.{form}").read_bytes()
    assert PACKERS[form](NODE, *CASES[name]) == payload
    assert said(payload, form) == expected(CASES[name])


@pytest.mark.parametrize("form", FORMS)
@given(packed=packs())
def test_what_is_packed_comes_out_exactly(form: Literal["json", "cbor"], packed: Packed) -> None:
    assert said(PACKERS[form](NODE, *packed), form) == expected(packed)


@given(packs())
def test_any_reader_of_rfc_8428_understands_both_forms_alike(packed: Packed) -> None:
    one, other = json.decode(json_pack(NODE, *packed)), cbor.decode(cbor_pack(NODE, *packed))
    assert one == other
    assert all(r.name.startswith(f"urn:dev:mac:{NODE}:") for r in one)
    assert [r.time for r in one if r.name.endswith(":seq")] == [s[2] for s in packed[0]]


@given(packs())
def test_cbor2_reads_the_same_decimals(packed: Packed) -> None:
    packed_values = [v for s in packed[0] for v in sorted(s[3].items())]
    read = [r[2] for r in cbor2.loads(cbor_pack(NODE, *packed)) if 1 in r]
    for (name, scaled), value in zip(packed_values, read, strict=True):
        q = QUANTITIES[name]
        assert value.scaleb(q.digits - q.senml_exponent) == scaled


@given(st.integers(-(10**12), 10**12), st.integers(-12, 6))
@example(5, -3)
@example(0, -2)
@example(-100, -2)
def test_decimal_text_is_the_number(mantissa: int, exponent: int) -> None:
    assert float(decimal_text(mantissa, exponent)) == float(f"{mantissa}e{exponent}")


@pytest.mark.parametrize("pack", [json_pack, cbor_pack])
def test_what_cannot_be_packed_is_refused(pack: Callable[[str, Any, Any], bytes]) -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        pack(NODE, [], {})
    with pytest.raises(ValueError, match="'chlorine'"):
        pack(NODE, [(1, 1, NOW, {"chlorine": 1})], {})


def test_micropython_packs_the_same_bytes(micropython: Callable[[str], object]) -> None:
    """Under the real interpreter with a heap of 64 KB."""
    script = f"""
import json
from binascii import hexlify
from vuong.contract.encode import cbor_pack, json_pack
cases = {CASES!r}
print(json.dumps([[n, hexlify(json_pack({NODE!r}, *cases[n])).decode(), hexlify(cbor_pack({NODE!r}, *cases[n])).decode()] for n in cases]))
"""
    assert micropython(script) == [[n, json_pack(NODE, *c).hex(), cbor_pack(NODE, *c).hex()] for n, c in CASES.items()]


def test_a_backlog_of_fifty_samples_fits_micropythons_heap(micropython: Callable[[str], object]) -> None:
    script = f"""
from vuong.contract.encode import cbor_pack
samples = [(9, i, 1795000000 + 900 * i, {{"temperature": 2850 + i, "do": 600, "ph": 800, "salinity": 1500}}) for i in range(1, 51)]
print(len(cbor_pack({NODE!r}, samples, {{9: 1}})))
"""
    samples = [
        (9, i, 1795000000 + 900 * i, {"temperature": 2850 + i, "do": 600, "ph": 800, "salinity": 1500}) for i in range(1, 51)
    ]
    assert micropython(script) == len(cbor_pack(NODE, samples, {9: 1}))
