"""SenML as CBOR (RFC 8428 section 6), media type ``application/senml+cbor``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from vuong.senml import item
from vuong.senml.records import Raw, Record, SenMLError, fields, resolve, shown

MEDIA_TYPE: Final = "application/senml+cbor"
# Table 6 of the RFC.
LABELS: Final = {
    "bver": -1, "bn": -2, "bt": -3, "bu": -4, "bv": -5, "bs": -6,
    "n": 0, "u": 1, "v": 2, "vs": 3, "vb": 4, "s": 5, "t": 6, "ut": 7, "vd": 8,
}  # fmt: skip
_NAMES = {number: label for label, number in LABELS.items()}


def data(value: object) -> bytes:
    """Return the bytes of a ``vd``: a byte string.

    Raises
    ------
    SenMLError
        if it is anything else
    """
    if not isinstance(value, bytes):
        raise SenMLError(f"vd is {shown(value)}; it must be a byte string")
    return value


def parse(payload: bytes) -> list[Raw]:
    """Return the records of a pack as they stand, by their JSON labels, unresolved.

    Raises
    ------
    SenMLError
        if the payload is not a CBOR array of maps
    """
    try:
        pack = item.load(payload)
    except item.ItemError as error:
        raise SenMLError(f"the payload is not CBOR: {error}") from None
    if not isinstance(pack, list) or not pack:
        raise SenMLError(f"the payload is {shown(pack)}; a pack is an array of at least one record")
    found: list[Raw] = []
    for place, record in enumerate(pack):
        if not isinstance(record, dict):
            raise SenMLError(f"record {place} is {shown(record)}; it must be a map")
        raw = {(_NAMES.get(label, f"#{label}") if isinstance(label, int) else label): v for label, v in record.items()}
        if len(raw) != len(record):
            raise SenMLError(f"record {place} has a label both as number and as text")
        found.append(raw)
    return found


def decode(payload: bytes) -> list[Record]:
    """Return the resolved records of a CBOR pack.

    Raises
    ------
    SenMLError
        whatever the bytes are, nothing else
    """
    return resolve(parse(payload), data)


def encode(records: Iterable[Record]) -> bytes:
    """Return resolved records as a CBOR pack.

    Raises
    ------
    SenMLError
        if a record breaks RFC 8428, or there is none
    """
    pack = [{LABELS[label]: v for label, v in fields(r, lambda v: v).items()} for r in records]
    if not pack:
        raise SenMLError("a pack needs at least one record")
    return item.dump(pack)
