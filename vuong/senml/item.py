"""CBOR data items (RFC 8949), as far as SenML needs them: the shared vocabulary has no dependencies.

Reads all of CBOR that is well formed; numbers may be integers, floats of three sizes, bignums (tags 2, 3) and decimal fractions (tag 4).
"""

from __future__ import annotations

import struct
from typing import Final

DEEPEST: Final = 32
# Beyond these nothing fits a double, and powers of ten would eat memory.
_EXPONENTS: Final = 400
_BIGNUM_BYTES: Final = 128

_BREAK: Final = object()


class ItemError(ValueError):
    """The bytes are not one well-formed CBOR item."""


class Other:
    """An item with no Python value here: an unassigned simple value, or a tag that is not known."""

    def __repr__(self) -> str:
        return "an unknown CBOR item"


def load(payload: bytes) -> object:
    """Return the one item that `payload` holds.

    Raises
    ------
    ItemError
        whatever the bytes are, nothing else
    """
    reader = _Reader(payload)
    found = reader.item(DEEPEST)
    if reader.at != len(payload):
        raise ItemError(f"{len(payload) - reader.at} bytes are left over after the item")
    return found


class _Reader:
    def __init__(self, payload: bytes) -> None:
        self.payload, self.at = payload, 0

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.payload):
            raise ItemError(f"{end - len(self.payload)} bytes are missing at the end")
        found = self.payload[self.at : end]
        self.at = end
        return found

    def head(self) -> tuple[int, int, int | None]:
        """Return major type, additional information, and argument (``None``: indefinite length)."""
        first = self.take(1)[0]
        major, info = first >> 5, first & 31
        if info < 24:
            return major, info, info
        if info < 28:
            return major, info, int.from_bytes(self.take(1 << (info - 24)), "big")
        if info == 31 and major in {2, 3, 4, 5, 7}:
            return major, info, None
        raise ItemError(f"byte {self.at - 1} (0x{first:02x}) begins no item")

    def item(self, depth: int, *, may_break: bool = False) -> object:  # noqa: PLR0911 - one return a major type
        if not depth:
            raise ItemError(f"items are nested deeper than {DEEPEST}")
        major, info, argument = self.head()
        match major:
            case 0:
                return argument
            case 1:
                assert argument is not None  # noqa: S101 - head() refuses it
                return -1 - argument
            case 2:
                return self.string(major, argument)
            case 3:
                try:
                    return self.string(major, argument).decode()
                except UnicodeDecodeError:
                    raise ItemError(f"text before byte {self.at} is not UTF-8") from None
            case 4:
                return self.array(argument, depth - 1)
            case 5:
                return self.map(argument, depth - 1)
            case 6:
                return self.tag(argument, depth - 1)
            case _:
                return self.simple(info, argument, may_break=may_break)

    def string(self, major: int, length: int | None) -> bytes:
        if length is not None:
            return self.take(length)
        parts = list[bytes]()
        while True:
            inner, info, length = self.head()
            if (inner, info) == (7, 31):
                return b"".join(parts)
            if inner != major or length is None:
                raise ItemError(f"a string of unknown length holds another kind of item before byte {self.at}")
            part = self.take(length)
            if major == 3:
                try:
                    part.decode()
                except UnicodeDecodeError:
                    raise ItemError(f"text before byte {self.at} is not UTF-8") from None
            parts.append(part)

    def array(self, length: int | None, depth: int) -> list[object]:
        found = list[object]()
        while length is None or len(found) < length:
            element = self.item(depth, may_break=length is None)
            if element is _BREAK:
                break
            found.append(element)
        return found

    def map(self, length: int | None, depth: int) -> dict[int | str, object]:
        found = dict[int | str, object]()
        while length is None or len(found) < length:
            key = self.item(depth, may_break=length is None)
            if key is _BREAK:
                break
            if isinstance(key, bool) or not isinstance(key, int | str):
                raise ItemError(f"the map key before byte {self.at} is neither integer nor text")
            if key in found:
                raise ItemError(f"the map key before byte {self.at} stands twice")
            found[key] = self.item(depth)
        return found

    def tag(self, number: int | None, depth: int) -> object:
        content = self.item(depth)
        if number in {2, 3}:
            if not isinstance(content, bytes) or len(content) > _BIGNUM_BYTES:
                raise ItemError(f"the bignum before byte {self.at} is no byte string of at most {_BIGNUM_BYTES} bytes")
            whole = int.from_bytes(content, "big")
            return whole if number == 2 else -1 - whole
        if number == 4:
            return self.decimal(content)
        if number == 55799:  # "this is CBOR"
            return content
        return Other()

    def decimal(self, content: object) -> int | float:
        if not isinstance(content, list) or len(content) != 2 or any(type(part) is not int for part in content):
            raise ItemError(f"the decimal fraction before byte {self.at} is not [exponent, mantissa]")
        exponent, mantissa = content
        if abs(exponent) > _EXPONENTS:
            raise ItemError(f"the decimal fraction before byte {self.at} has exponent {exponent}; at most {_EXPONENTS} fits")
        if exponent >= 0:
            return int(mantissa * 10**exponent)
        try:
            return float(mantissa / 10**-exponent)  # division of integers rounds once: the nearest double
        except OverflowError:
            raise ItemError(f"the decimal fraction before byte {self.at} is beyond a double's range") from None

    def simple(self, info: int, argument: int | None, *, may_break: bool) -> object:
        if argument is None:
            if may_break:
                return _BREAK
            raise ItemError(f"a break before byte {self.at} ends nothing")
        if info in {25, 26, 27}:
            form = {25: ">e", 26: ">f", 27: ">d"}[info]
            return float(struct.unpack(form, self.payload[self.at - struct.calcsize(form) : self.at])[0])
        if info == 24 and argument < 32:
            raise ItemError(f"byte {self.at - 1} repeats a short simple value")
        if info in {20, 21}:
            return info == 21
        return None if info in {22, 23} else Other()


def dump(value: object) -> bytes:
    """Return `value` as CBOR in its shortest form (RFC 8949 section 4.2.1, but for the order of keys).

    Parameters
    ----------
    value : ``None``, bool, int, float, str, bytes, and lists and dicts of them

    Raises
    ------
    ItemError
        for any other type
    """
    out = bytearray()
    _dump(value, out)
    return bytes(out)


def _head(major: int, argument: int, out: bytearray) -> None:
    if argument < 24:
        out.append(major << 5 | argument)
        return
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            out.append(major << 5 | info)
            out += argument.to_bytes(size, "big")
            return
    raise ItemError("a length does not fit 64 bits")


def _dump(value: object, out: bytearray) -> None:
    match value:
        case None:
            out.append(0xF6)
        case bool():
            out.append(0xF5 if value else 0xF4)
        case int():
            _dump_int(value, out)
        case float():
            _dump_float(value, out)
        case str():
            encoded = value.encode()
            _head(3, len(encoded), out)
            out += encoded
        case bytes():
            _head(2, len(value), out)
            out += value
        case list():
            _head(4, len(value), out)
            for element in value:
                _dump(element, out)
        case dict():
            _head(5, len(value), out)
            for key, element in value.items():
                _dump(key, out)
                _dump(element, out)
        case _:
            raise ItemError(f"{type(value).__name__} has no CBOR form here")


def _dump_int(value: int, out: bytearray) -> None:
    whole, major = (value, 0) if value >= 0 else (-1 - value, 1)
    if whole < 1 << 64:
        _head(major, whole, out)
        return
    out.append(0xC2 + major)
    encoded = whole.to_bytes((whole.bit_length() + 7) // 8, "big")
    _head(2, len(encoded), out)
    out += encoded


def _dump_float(value: float, out: bytearray) -> None:
    for lead, form in ((0xF9, ">e"), (0xFA, ">f")):
        try:
            encoded = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, encoded)[0] == value:
            out.append(lead)
            out += encoded
            return
    out.append(0xFB)
    out += struct.pack(">d", value)
