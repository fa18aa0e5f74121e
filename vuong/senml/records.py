"""The data model that SenML's JSON and CBOR share: resolving base fields (RFC 8428 section 4)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

VERSION: Final = 10
# Section 4.5.3: a time below this is relative to now.
RELATIVE_BELOW: Final = 2**28

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")
_BASE_FIELDS = frozenset({"bn", "bt", "bu", "bv", "bs", "bver"})
_FIELDS = _BASE_FIELDS | {"n", "u", "v", "vs", "vb", "vd", "s", "t", "ut"}
_VALUES = ("v", "vs", "vb", "vd")

Number = int | float
Raw = Mapping[str, object]


class SenMLError(ValueError):
    """A pack or record breaks RFC 8428; the message names field, value and remedy."""


@dataclass(frozen=True, slots=True)
class Record:
    """A resolved record (section 4.6): it stands by itself.

    Attributes
    ----------
    name : base name and name
    unit : IANA SenML unit, ``None`` where the pack gives none
    value : number, text, truth value or data; ``None`` where the record has only a sum
    sum : integral of the value over time, in unit times seconds
    time : seconds since 1970 in UTC; below 2**28 it is relative to now (section 4.5.3), and the receiver adds its own now
    update_time : seconds until the next reading at the latest
    """

    name: str
    unit: str | None = None
    value: Number | str | bool | bytes | None = None
    sum: Number | None = None
    time: Number = 0
    update_time: Number | None = None


def shown(value: object) -> str:
    """Return `value` short enough for a message."""
    if isinstance(value, list | dict):
        return "an array" if isinstance(value, list) else "a map"
    words = "a huge integer" if isinstance(value, int) and abs(value) >= 10**40 else ascii(value)
    return words if len(words) <= 60 else words[:57] + "..."


def number(field: str, value: object) -> Number:
    """Return `value` if it is a finite number.

    Raises
    ------
    SenMLError
        naming `field`
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SenMLError(f"{field} is {shown(value)}; it must be a number")
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise SenMLError(f"{field} is {shown(value)}; it must be finite and within a double's range")
    return value


def text(field: str, value: object) -> str:
    """Return `value` if it is text that UTF-8 can carry.

    Raises
    ------
    SenMLError
        naming `field`
    """
    if not isinstance(value, str):
        raise SenMLError(f"{field} is {shown(value)}; it must be text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise SenMLError(f"{field} is {shown(value)}; it holds half a surrogate pair") from None
    return value


def _plus(field: str, base: Number | None, own: Number | None) -> Number | None:
    if base is None or own is None:
        return base if own is None else own
    try:
        return number(field, base + own)
    except OverflowError:
        raise SenMLError(f"{field} with its base is beyond a double's range") from None


class _Base:
    """The base fields in force, which apply to a record and all that follow it."""

    __slots__ = ("name", "sum", "time", "unit", "value", "version")

    def __init__(self) -> None:
        self.name = ""
        self.time: Number = 0
        self.unit: str | None = None
        self.value: Number | None = None
        self.sum: Number | None = None
        self.version: int | None = None

    def take(self, raw: Raw, *, first: bool) -> None:
        version = raw.get("bver", VERSION if self.version is None else self.version)
        if isinstance(version, bool) or not isinstance(version, int) or not 0 < version <= VERSION:
            raise SenMLError(f"bver is {shown(version)}; versions 1 to {VERSION} are understood")
        if not first and version != self.version:
            raise SenMLError(f"bver is {version} after {self.version}; one pack has one version")
        name = text("bn", raw["bn"]) if "bn" in raw else self.name
        time = number("bt", raw["bt"]) if "bt" in raw else self.time
        unit = text("bu", raw["bu"]) if "bu" in raw else self.unit
        value = number("bv", raw["bv"]) if "bv" in raw else self.value
        total = number("bs", raw["bs"]) if "bs" in raw else self.sum
        self.version, self.name, self.time, self.unit, self.value, self.sum = version, name, time, unit, value, total


def _resolved(raw: Raw, base: _Base, data: Callable[[object], bytes]) -> Record | None:
    for label in raw:
        if label not in _FIELDS and label.endswith("_"):
            raise SenMLError(f"label {shown(label)} must be understood (it ends with _) and is not known here")
    if all(label in _BASE_FIELDS or label not in _FIELDS for label in raw):
        return None  # it only sets base fields for those that follow
    name = base.name + (text("n", raw["n"]) if "n" in raw else "")
    if not _NAME.fullmatch(name):
        raise SenMLError(f"name is {shown(name)}; use letters, digits and - : . / _, beginning with a letter or digit")
    present = [label for label in _VALUES if label in raw]
    if len(present) > 1:
        raise SenMLError(f"record {shown(name)} has {' and '.join(present)}; give one value")
    total = _plus("s", base.sum, number("s", raw["s"]) if "s" in raw else None)
    value: Number | str | bool | bytes | None = None
    if not present:
        value = base.value
        if value is None and total is None:
            raise SenMLError(f"record {shown(name)} has neither value nor sum; give one of v, vs, vb, vd, s")
    elif present[0] == "v":
        value = _plus("v", base.value, number("v", raw["v"]))
    elif present[0] == "vs":
        value = text("vs", raw["vs"])
    elif present[0] == "vd":
        value = data(raw["vd"])
    elif isinstance(raw["vb"], bool):
        value = raw["vb"]
    else:
        raise SenMLError(f"vb is {shown(raw['vb'])}; it must be true or false")
    return Record(
        name,
        text("u", raw["u"]) if "u" in raw else base.unit,
        value,
        total,
        _plus("t", base.time, number("t", raw["t"]) if "t" in raw else 0) or 0,
        number("ut", raw["ut"]) if "ut" in raw else None,
    )


def resolve(
    pack: Iterable[Raw],
    data: Callable[[object], bytes],
    on_bad: Callable[[int, SenMLError], None] | None = None,
) -> list[Record]:
    """Return the resolved records of a pack, with base fields put in and taken away.

    Parameters
    ----------
    pack : records by their JSON labels
    data : turns the ``vd`` of this form into bytes
    on_bad : is told of each bad record by its place in the pack and the record is left out; without it a bad record is an error.
        A bad base field is an error in any case, for it would change what follows.

    Raises
    ------
    SenMLError
        naming field, value and remedy
    """
    base, found = _Base(), list[Record]()
    for place, raw in enumerate(pack):
        base.take(raw, first=place == 0)
        try:
            record = _resolved(raw, base, data)
        except SenMLError as error:
            if on_bad is None:
                raise SenMLError(f"record {place}: {error}") from None
            on_bad(place, error)
            continue
        if record is not None:
            found.append(record)
    return found


def fields(record: Record, data: Callable[[bytes], object]) -> dict[str, object]:
    """Return the labels and values that carry a resolved record.

    Raises
    ------
    SenMLError
        if the record breaks RFC 8428
    """
    if not _NAME.fullmatch(text("n", record.name)):
        raise SenMLError(f"name is {shown(record.name)}; use letters, digits and - : . / _, beginning with a letter or digit")
    out: dict[str, object] = {"n": record.name}
    if record.unit is not None:
        out["u"] = text("u", record.unit)
    match record.value:
        case None:
            if record.sum is None:
                raise SenMLError(f"record {shown(record.name)} has neither value nor sum")
        case bool():
            out["vb"] = record.value
        case str():
            out["vs"] = text("vs", record.value)
        case bytes():
            out["vd"] = data(record.value)
        case _:
            out["v"] = number("v", record.value)
    if record.sum is not None:
        out["s"] = number("s", record.sum)
    if record.time:
        out["t"] = number("t", record.time)
    if record.update_time is not None:
        out["ut"] = number("ut", record.update_time)
    return out
