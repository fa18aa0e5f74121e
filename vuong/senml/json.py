"""SenML as JSON (RFC 8428 section 5), media type ``application/senml+json``."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from typing import Final

from vuong.senml.records import Raw, Record, SenMLError, fields, resolve, shown

MEDIA_TYPE: Final = "application/senml+json"
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        labels = [label for label, _ in pairs]
        twice = next(label for label in labels if labels.count(label) > 1)
        raise SenMLError(f"label {shown(twice)} stands twice in one record")
    return found


def data(value: object) -> bytes:
    """Return the bytes of a ``vd``: base64url without padding (section 5).

    Raises
    ------
    SenMLError
        if it is anything else
    """
    if not isinstance(value, str) or not _BASE64URL.fullmatch(value):
        raise SenMLError(f"vd is {shown(value)}; it must be base64url without padding")
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except binascii.Error:
        raise SenMLError(f"vd is {shown(value)}; its length is not one of base64url") from None


def parse(payload: bytes) -> list[Raw]:
    """Return the records of a pack as they stand, unresolved.

    Raises
    ------
    SenMLError
        if the payload is not a JSON array of objects
    """
    try:
        pack = json.loads(payload.decode(), object_pairs_hook=_once)
    except SenMLError:
        raise
    except UnicodeDecodeError as error:
        raise SenMLError(f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise SenMLError("the payload is nested too deeply") from None
    except ValueError as error:
        raise SenMLError(f"the payload is not JSON: {error}") from None
    if not isinstance(pack, list) or not pack:
        raise SenMLError(f"the payload is {shown(pack)}; a pack is an array of at least one record")
    for place, record in enumerate(pack):
        if not isinstance(record, dict):
            raise SenMLError(f"record {place} is {shown(record)}; it must be an object")
    return pack


def decode(payload: bytes) -> list[Record]:
    """Return the resolved records of a JSON pack.

    Raises
    ------
    SenMLError
        whatever the bytes are, nothing else
    """
    return resolve(parse(payload), data)


def encode(records: Iterable[Record]) -> bytes:
    """Return resolved records as a JSON pack.

    Raises
    ------
    SenMLError
        if a record breaks RFC 8428, or there is none
    """
    pack = [fields(r, lambda v: base64.urlsafe_b64encode(v).rstrip(b"=").decode()) for r in records]
    if not pack:
        raise SenMLError("a pack needs at least one record")
    return json.dumps(pack, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
