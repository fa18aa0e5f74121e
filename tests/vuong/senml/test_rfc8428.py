"""The RFC's own examples (sections 5.1 and 6), and what its text forbids."""

from __future__ import annotations

import json as stdlib_json

import cbor2
import pytest

from vuong.senml import Record, SenMLError, cbor, json

SINGLE = b'[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]'
MULTIPLE = b"""[
 {"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},
 {"n":"current","u":"A","v":1.2}
]"""
DATA_POINTS = b"""[
 {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09, "bu":"A","bver":5, "n":"voltage","u":"V","v":120.1},
 {"n":"current","t":-5,"v":1.2},
 {"n":"current","t":-4,"v":1.3},
 {"n":"current","t":-3,"v":1.4},
 {"n":"current","t":-2,"v":1.5},
 {"n":"current","t":-1,"v":1.6},
 {"n":"current","v":1.7}
]"""
MEASUREMENTS = b"""[
 {"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09, "bu":"%RH","v":20},
 {"u":"lon","v":24.30621},
 {"u":"lat","v":60.07965},
 {"t":60,"v":20.3},
 {"u":"lon","t":60,"v":24.30622},
 {"u":"lat","t":60,"v":60.07965},
 {"t":120,"v":20.7},
 {"u":"%EL","t":150,"v":98}
]"""
TYPES = b"""[
 {"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},
 {"n":"label","vs":"Machine Room"},
 {"n":"open","vb":false},
 {"n":"nfc-reader","vd":"aGkgCg"}
]"""
ACTUATOR = b"""[
 {"bn":"urn:dev:ow:10e2073a01080063:"},
 {"n":"temp","u":"Cel","v":23.1},
 {"n":"heat","u":"/","v":1},
 {"n":"fan","u":"/","v":0}
]"""
# Section 6: DATA_POINTS as CBOR.
CBOR = bytes.fromhex(
    "87 a7 21 78 1b 75 72 6e 3a 64 65 76 3a 6f 77 3a 31 30 65 32 30 37 33 61 30 31 30 38 30 30 36 3a"
    "22 fb 41 d3 03 a1 5b 00 10 62 23 61 41 20 05 00 67 76 6f 6c 74 61 67 65 01 61 56 02 fb 40 5e 06"
    "66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 24 02 fb 3f f3 33 33 33 33 33 33 a3 00 67 63 75"
    "72 72 65 6e 74 06 23 02 fb 3f f4 cc cc cc cc cc cd a3 00 67 63 75 72 72 65 6e 74 06 22 02 fb 3f"
    "f6 66 66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 21 02 f9 3e 00 a3 00 67 63 75 72 72 65 6e"
    "74 06 20 02 fb 3f f9 99 99 99 99 99 9a a3 00 67 63 75 72 72 65 6e 74 06 00 02 fb 3f fb 33 33 33"
    "33 33 33"
)


def test_single_data_point() -> None:
    assert json.decode(SINGLE) == [Record("urn:dev:ow:10e2073a01080063", "Cel", 23.1)]


def test_multiple_data_points_with_base_name() -> None:
    assert [r.name for r in json.decode(MULTIPLE)] == [
        "urn:dev:ow:10e2073a01080063:voltage",
        "urn:dev:ow:10e2073a01080063:current",
    ]


def test_base_time_and_base_unit() -> None:
    records = json.decode(DATA_POINTS)
    assert [(r.unit, r.value) for r in records] == [("V", 120.1), *(("A", v) for v in (1.2, 1.3, 1.4, 1.5, 1.6, 1.7))]
    # the resolved form of section 5.1.4 differs in the sixth decimal of a second: a double holds no more
    assert [round(r.time - 1276020076.001, 3) for r in records] == [0, -5, -4, -3, -2, -1, 0]


def test_measurements_of_one_name() -> None:
    records = json.decode(MEASUREMENTS)
    assert {r.name for r in records} == {"urn:dev:ow:10e2073a01080063"}
    assert [(r.unit, r.time - 1320067464, r.value) for r in records[-3:]] == [
        ("lat", 60, 60.07965), ("%RH", 120, 20.7), ("%EL", 150, 98)]  # fmt: skip


def test_all_types_of_value() -> None:
    assert [r.value for r in json.decode(TYPES)] == [23.1, "Machine Room", False, b"hi \n"]


def test_a_record_with_base_fields_alone_is_no_record() -> None:
    assert [r.name.rpartition(":")[2] for r in json.decode(ACTUATOR)] == ["temp", "heat", "fan"]


def test_the_cbor_example_is_the_json_example() -> None:
    assert cbor.decode(CBOR) == json.decode(DATA_POINTS)
    labels = {v: k for k, v in cbor.LABELS.items()}
    assert [{labels[k]: v for k, v in r.items()} for r in cbor2.loads(CBOR)] == [
        *stdlib_json.loads(DATA_POINTS)[:-1],
        {"n": "current", "t": 0, "v": 1.7},
    ]


@pytest.mark.parametrize("payload", [SINGLE, MULTIPLE, DATA_POINTS, MEASUREMENTS, TYPES, ACTUATOR])
def test_examples_survive_both_forms(payload: bytes) -> None:
    records = json.decode(payload)
    assert json.decode(json.encode(records)) == records
    assert cbor.decode(cbor.encode(records)) == records


def test_relative_times_stay_relative() -> None:
    assert [r.time for r in json.decode(b'[{"n":"a","v":1},{"n":"a","t":-30,"v":1},{"n":"a","bt":-3600,"t":5,"v":1}]')] == [
        0, -30, -3595]  # fmt: skip


def test_base_value_and_base_sum_are_added() -> None:
    records = json.decode(b'[{"bn":"a","bv":20,"bs":100,"v":1.5},{"s":11},{"vs":"text"}]')
    assert [(r.value, r.sum) for r in records] == [(21.5, 100), (20, 111), ("text", 100)]


def test_unknown_labels_are_ignored_unless_they_must_be_understood() -> None:
    assert json.decode(b'[{"n":"a","v":1,"foo":[{}]}]') == [Record("a", None, 1)]
    with pytest.raises(SenMLError, match="foo_"):
        json.decode(b'[{"n":"a","v":1,"foo_":1}]')
    with pytest.raises(SenMLError, match="foo_"):
        json.decode(b'[{"bn":"a","foo_":1},{"v":1}]')
    with pytest.raises(SenMLError, match="foo_"):
        cbor.decode(cbor2.dumps([{0: "a", 2: 1, "foo_": 1}]))


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (b"", "not JSON"),
        (b"{}", "array"),
        (b"[]", "array"),
        (b"[1]", "record 0 is 1"),
        (b'[{"n":"a"}]', "neither value nor sum"),
        (b'[{"v":1}]', "name is ''"),
        (b'[{"n":"_a","v":1}]', "name is '_a'"),
        (b'[{"n":"a\\n","v":1}]', "name"),
        (b'[{"n":"a","v":1,"vs":"x"}]', "v and vs"),
        (b'[{"n":"a","v":1,"v":2}]', "'v' stands twice"),
        (b'[{"n":"a","v":"1"}]', "v is '1'"),
        (b'[{"n":"a","v":true}]', "v is True"),
        (b'[{"n":"a","vb":1}]', "vb is 1"),
        (b'[{"n":"a","vd":"a+=="}]', "vd"),
        (b'[{"n":"a","vd":"a"}]', "vd"),
        (b'[{"n":"a","vs":"\\ud800"}]', "surrogate"),
        (b'[{"n":"a","v":NaN}]', "finite"),
        (b'[{"n":"a","v":-Infinity}]', "finite"),
        (b'[{"n":"a","v":1e999}]', "finite"),
        (b'[{"n":"a","v":1' + b"0" * 400 + b"}]", "finite"),
        (b'[{"n":"a","v":' + b"9" * 5000 + b"}]", "not JSON"),
        (b'[{"bn":"a","bt":1e308},{"t":1e308,"v":1}]', "t is inf"),
        (b'[{"n":"a","v":1,"bver":11}]', "bver is 11"),
        (b'[{"n":"a","v":1,"bver":true}]', "bver is True"),
        (b'[{"n":"a","v":1,"bver":5},{"n":"a","v":1,"bver":6}]', "bver is 6 after 5"),
        (b'[{"n":"a","v":1},{"n":"a","v":1,"bver":5}]', "bver is 5 after 10"),
        (b"\xff", "byte 0 is not UTF-8"),
        (b"[" * 100_000, "nested"),
    ],
)
def test_what_is_wrong_is_named(payload: bytes, named: str) -> None:
    with pytest.raises(SenMLError, match=named):
        json.decode(payload)


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        ("", "missing"),
        ("80", "array"),
        ("a0", "a map"),
        ("8101", "record 0"),
        ("81a2006161026161", "v is 'a'"),
        ("81a200616102f97e00", "finite"),  # half-precision NaN
        ("81a200616102fb7ff0000000000000", "finite"),
        ("81a20061610200ff", "left over"),
        ("81a3006161020102 02".replace(" ", ""), "twice"),
        ("81a30061610200616e6161", "both as number and as text"),
        ("81a2006161021c", "begins no item"),
        ("81a20061610202" "ff", "left over"),
        ("9fff", "array"),
        ("ff", "ends nothing"),
        ("81a2006161 02c4821a7fffffff01", "exponent"),
        ("81a2006161 02c48102", "exponent, mantissa"),
        ("81a1f501", "key"),
        ("5b7fffffffffffffff00", "missing"),
        ("9b7fffffffffffffff00", "missing"),
        ("61ff", "UTF-8"),
        ("81" * 40 + "00", "nested"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_cbor_is_named(payload: str, named: str) -> None:
    with pytest.raises(SenMLError, match=named):
        cbor.decode(bytes.fromhex(payload))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("c48221196ab3", 273.15),  # RFC 8949 section 3.4.4
        ("c4822419 0286", 0.00646),
        ("c482020a", 1000),
        ("c249010000000000000000", 2**64),
        ("c349010000000000000000", -1 - 2**64),
        ("f93c00", 1.0),
        ("fa47c35000", 100000.0),
        ("1903e8", 1000),
        ("3903e7", -1000),
    ],
)
def test_numbers_in_cbor(value: str, expected: float) -> None:
    assert cbor.decode(bytes.fromhex("81a200616102" + value)) == [Record("a", None, expected)]


def test_indefinite_lengths_are_read() -> None:
    # [_ {_ n: (_ "te", "mp"), v: 1}]
    assert cbor.decode(bytes.fromhex("9fbf007f627465626d70ff0201ffff")) == [Record("temp", None, 1)]
