"""Node → gateway: SenML packs back into samples. What cannot be read is named and left out; the rest of its sample stays.

A sample whose identity (boot, seq) can be read is always returned, even with no value left: the gateway acknowledges it and the node forgets it.
"""

from __future__ import annotations

import json as stdlib_json
from dataclasses import dataclass
from typing import Final, Literal

from vuong.contract.encode import BASE_NAME
from vuong.problems import Problem
from vuong.quantities import QUANTITIES
from vuong.readings import Sample
from vuong.senml import Record, SenMLError, cbor, json
from vuong.senml.records import RELATIVE_BELOW, resolve, shown

# Nothing is dated after 2100; a node that says so has a wrong clock.
LATEST: Final = 4_102_444_800
_COUNTERS: Final = {"boot": (0, 2**32 - 1), "seq": (1, 2**53), "first": (1, 2**53)}
_LARGEST: Final = 1e9

# Units of the IANA registry that mean the same: factor and offset into the quantity's unit. In mg/L of water, "ppm" is what meters show for it.
# "ppt" is not among them: people write it for ‰, the registry means parts per trillion.
_EQUIVALENT: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "temperature": {"K": (1.0, -273.15)},
    "do": {"ppm": (1.0, 0.0), "mg/l": (1.0, 0.0), "g/l": (1000.0, 0.0), "ug/l": (0.001, 0.0)},
    "salinity": {"/": (1000.0, 0.0), "/100": (10.0, 0.0)},
    "depth": {"cm": (0.01, 0.0), "mm": (0.001, 0.0)},
}
# unit, factor from SenML's unit to the scaled integer, factor from that to the quantity's unit
_ROWS: Final = {
    q.name: (q.senml_unit, float(10 ** (q.digits - q.senml_exponent)), float(10**q.digits)) for q in QUANTITIES.values()
}


class ContractError(ValueError):
    """Nothing in the payload can be read; the message names field, value and remedy."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The samples of a pack in its order, and what was wrong beside them."""

    samples: list[Sample]
    problems: list[Problem]


def decode(payload: bytes, *, form: Literal["json", "cbor"], node: str, now: int) -> Decoded:
    """Return what a node's pack says.

    Parameters
    ----------
    payload : as it came
    form : ``json`` for live samples, ``cbor`` for backlogs
    node : EUI-64 from the topic
    now : UTC seconds of arrival, from which relative times are resolved

    Raises
    ------
    ContractError
        whatever the bytes are, nothing else: they are no SenML, or another node's
    """
    if form == "json":
        samples = _usual(payload, node, now)
        if samples is not None:
            return Decoded(samples, [])
    problems: list[Problem] = []

    def bad(place: int, error: SenMLError) -> None:
        problems.append(Problem("problem.record", {"place": place, "detail": str(error)}))

    try:
        records = resolve(*((json.parse(payload), json.data) if form == "json" else (cbor.parse(payload), cbor.data)), bad)
    except SenMLError as error:
        raise ContractError(f"{form} payload of node {node}: {error}") from None
    assembly = _Assembly(node, now, problems)
    for record in records:
        assembly.add(record)
    return Decoded(assembly.finish(), problems)


def _usual(payload: bytes, node: str, now: int) -> list[Sample] | None:  # noqa: PLR0911, PLR0912 - one loop: calls would double its time
    """Return the samples of a pack that is exactly as `encode` makes it, fast; ``None`` where it is not."""
    samples: list[Sample] = []
    firsts: dict[int, int] = {}
    boot, time, estimated, labels, begun = -1, now, True, 0, False
    values: dict[str, float] = {}
    try:
        pack = stdlib_json.loads(payload.decode())
        if pack[0]["bn"] != f"{BASE_NAME}{node}:":
            return None
        for place, record in enumerate(pack):
            name, value = record["n"], record["v"]
            labels += len(record)
            row = _ROWS.get(name)
            kind = type(value)
            if row is not None:
                if (
                    len(record) != 3
                    or record["u"] != row[0]
                    or (kind is not float and kind is not int)
                    or not -_LARGEST < value < _LARGEST
                    or name in values
                    or not begun
                ):
                    return None
                values[name] = round(value * row[1]) / row[2]
                continue
            low, high = _COUNTERS[name]
            base_time = record.get("bt")
            if kind is not int or not low <= value <= high or len(record) != 2 + (base_time is not None) + (not place):
                return None
            if base_time is not None:
                if type(base_time) is not int or not (-RELATIVE_BELOW < base_time <= 0 or RELATIVE_BELOW <= base_time <= LATEST):
                    return None
                estimated = base_time <= 0
                time = now + base_time if estimated else base_time
            if name == "seq":
                if boot < 0:
                    return None
                values = {}
                begun = True
                samples.append(Sample(node, boot, value, time, values, 1, estimated))
            elif name == "boot":
                boot, begun = value, False
            elif boot < 0:
                return None
            else:
                firsts[boot] = value
        # labels that stand twice are lost in a dict: then the payload holds more of them than the records do
        if payload.count(b'":') != labels or not samples:
            return None
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, RecursionError):
        return None
    for sample in samples:
        sample.first = firsts.get(sample.boot, 1)
        if sample.first > sample.seq:
            return None
    return samples


class _Assembly:
    """Puts resolved records together into samples, and names what does not fit."""

    def __init__(self, node: str, now: int, problems: list[Problem]) -> None:
        self.node, self.now, self.problems = node, now, problems
        self.prefix = f"{BASE_NAME}{node}:"
        self.samples: list[Sample] = []
        self.firsts: dict[int, int] = {}
        self.boot: int | None = None
        self.sample: Sample | None = None
        self.sent_time: int | float = 0
        self.orphans = 0

    def problem(self, kind: str, **numbers: str | float) -> None:
        self.problems.append(Problem(f"problem.{kind}", numbers))

    def add(self, record: Record) -> None:
        if not record.name.startswith(self.prefix):
            raise ContractError(f"name {shown(record.name)} is not of node {self.node}; send base name {self.prefix}")
        name = record.name[len(self.prefix) :]
        if name not in _COUNTERS:
            if self.sample is None:
                self.orphans += 1
            else:
                self.reading(self.sample, name, record)
            return
        value = self.counter(name, record)
        if name == "boot":
            self.boot, self.sample = value, None
        elif name == "seq":
            self.sample = None if value is None or self.boot is None else self.begin(self.boot, value, record.time)
        elif value is not None and self.boot is not None:
            self.firsts[self.boot] = value

    def counter(self, name: str, record: Record) -> int | None:
        low, high = _COUNTERS[name]
        value = record.value
        # whole numbers may come as floats from other encoders
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.problem("counter", field=name, value=shown(record.value), low=low, high=high)
        return None

    def begin(self, boot: int, seq: int, sent: float) -> Sample:
        time, estimated = int(sent), sent < RELATIVE_BELOW
        if estimated:
            time += self.now
        if sent > LATEST or (estimated and sent > 0) or time < 0:
            self.problem("time", field="seq", seq=seq, value=shown(sent))
            time, estimated = self.now, True
        self.sent_time = sent
        sample = Sample(self.node, boot, seq, time, {}, 1, estimated)
        self.samples.append(sample)
        return sample

    def reading(self, sample: Sample, name: str, record: Record) -> None:
        row = _ROWS.get(name)
        value, unit = record.value, record.unit
        if row is None:
            self.problem("quantity", field=shown(name), value=shown(value), known=", ".join(_ROWS))
        elif isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST < value < _LARGEST:
            self.problem("value", field=name, value=shown(value), seq=sample.seq)
        elif record.time != self.sent_time:
            self.problem("reading_time", field=name, value=shown(record.time), seq=sample.seq)
        elif name in sample.values:
            self.problem("twice", field=name, value=shown(value), seq=sample.seq)
        elif unit == row[0]:
            sample.values[name] = round(value * row[1]) / row[2]
        elif unit is not None and unit in _EQUIVALENT.get(name, ()):
            factor, offset = _EQUIVALENT[name][unit]
            quantity = QUANTITIES[name]
            sample.values[name] = quantity.unscaled(quantity.scaled(value * factor + offset))
        else:
            self.problem("unit", field=name, value=shown(unit), expected=row[0], seq=sample.seq)

    def finish(self) -> list[Sample]:
        if self.orphans:
            self.problem("identity", count=self.orphans)
        for sample in self.samples:
            first = self.firsts.get(sample.boot, 1)
            if first > sample.seq:
                self.problem("counter", field="first", value=first, low=1, high=sample.seq)
                first = sample.seq
            sample.first = first
        return self.samples
