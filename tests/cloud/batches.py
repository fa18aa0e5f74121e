"""A small farm of two co-ops, and batches from their gateways."""

from __future__ import annotations

import gzip
from typing import Any

import orjson

NOW = 1_795_200_000
TOKENS = {"gw-a": "token-of-gateway-a-0123456789", "gw-b": "token-of-gateway-b-0123456789"}
PASSWORD = "mật khẩu đủ dài"
NODES = {"gw-a": ("00000000000000a1", "00000000000000a2"), "gw-b": ("00000000000000b1",)}

FARM: dict[str, Any] = {
    "cooperatives": [{"id": "coop-a", "name": "HTX Alpha"}, {"id": "coop-b", "name": "HTX Beta"}],
    "gateways": [{"id": f"gw-{c}", "cooperative": f"coop-{c}", "token": TOKENS[f"gw-{c}"]} for c in "ab"],
    "ponds": [
        {"id": "ao-a1", "cooperative": "coop-a", "name": "Ao A1 · Cô Sáu", "species": "vannamei", "area": 3000},
        {
            "id": "ao-a2",
            "cooperative": "coop-a",
            "name": "Ao A2 · Chú Ba",
            "species": "monodon",
            "limits": {"do": {"low_warning": 4.5}},
        },
        {"id": "ao-b1", "cooperative": "coop-b", "name": "Ao B1 · Dì Năm", "species": "vannamei"},
    ],
    "nodes": [
        {"id": "00000000000000a1", "pond": "ao-a1"},
        {"id": "00000000000000a2", "pond": "ao-a2"},
        {"id": "00000000000000b1", "pond": "ao-b1"},
    ],
    "users": [
        {"login": "sau", "name": "Cô Sáu", "role": "farmer", "cooperative": "coop-a", "password": PASSWORD},
        {"login": "nam", "name": "Dì Năm", "role": "manager", "cooperative": "coop-b", "password": PASSWORD},
        {"login": "canbo", "name": "Lý Bopha", "role": "official", "password": PASSWORD, "language": "en"},
    ],
}


def columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return rows ``{node, boot, seq, time, do, do_flag, ...}`` as the contract's columns."""
    quantities = sorted({name for row in rows for name in row["values"]})
    return {
        **{name: [row[name] for row in rows] for name in ("node", "boot", "seq", "time", "arrived")},
        "values": {name: [row["values"].get(name) for row in rows] for name in quantities},
        "flags": {name: [row["flags"].get(name) for row in rows] for name in quantities},
        "reasons": {str(index): row["reasons"] for index, row in enumerate(rows) if row.get("reasons")},
    }


def sample(
    seq: int, *, node: str = "00000000000000a1", boot: int = 7, time: int | None = None, **values: float
) -> dict[str, Any]:
    """Return one sample as a row."""
    at = NOW - 3600 + seq * 60 if time is None else time
    return {
        "node": node,
        "boot": boot,
        "seq": seq,
        "time": at,
        "arrived": at + 2,
        "values": values,
        "flags": dict.fromkeys(values, 1),
    }


def alarm(id: str = "a1", revision: int = 1, **changes: object) -> dict[str, Any]:  # noqa: A002
    """Return an alarm row."""
    row = {
        "id": id,
        "revision": revision,
        "pond": "ao-a1",
        "node": "00000000000000a1",
        "kind": "oxygen_low",
        "quantity": "do",
        "state": "unacknowledged",
        "raised": NOW - 1200,
        "cleared": None,
        "acknowledged": None,
        "numbers": {"value": 3.256, "limit": 4.0, "since": NOW - 1200},
    }
    return row | changes


def batch(rows: list[dict[str, Any]] | None = None, *, gateway: str = "gw-a", first: int = 1, **parts: object) -> dict[str, Any]:
    """Return a batch; empty parts are left out."""
    document: dict[str, Any] = {"version": 1, "gateway": gateway, "first": first, "last": first + max(len(rows or []), 1) - 1}
    if rows:
        document["samples"] = columns(rows)
    return document | parts


def packed(document: object) -> bytes:
    """Return a batch as it travels."""
    return gzip.compress(orjson.dumps(document), 1)
