"""Hash chains: every entry's hash covers the entry and the hash before it, so that nothing in the middle can be changed unseen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

START: Final = "0" * 64


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return a document as bytes, the same for the same content: sorted keys, no spaces, UTF-8, no NaN.

    Raises
    ------
    ValueError
        if it holds a number that JSON does not know
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def link(previous: str, document: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of an entry that follows the entry with hash `previous`."""
    return hashlib.sha256(previous.encode("ascii") + b"\n" + canonical(document)).hexdigest()


def first_break(entries: Iterable[tuple[Mapping[str, Any], str, str]]) -> int | None:
    """Return the index of the first entry that does not fit, ``None`` where all do.

    Parameters
    ----------
    entries : (document, hash before it, its hash), in order
    """
    expected = START
    for index, (document, previous, own) in enumerate(entries):
        if previous != expected or own != link(previous, document):
            return index
        expected = own
    return None
