"""What a node says beside its readings: its state, and the calibrations that a technician made at it."""

from __future__ import annotations

import uuid
from typing import Any, Final

import orjson

from gateway.observation import Pond
from gateway.timekeeping import EARLIEST
from vuong.contract.decode import ContractError
from vuong.contract.entry import CLOCK_TOLERANCE, Entry, EntryKind, entry_fault

Detail = dict[str, float | int | str | None]

STATES: Final = ("online", "offline")
# Fields of a status that are kept, as the node names them. `config` is the version in force, `refused` why a newer one is not.
_KEPT: Final = (
    "boot", "firmware", "battery", "solar", "motor_current", "rssi", "heap", "reset", "held", "dropped", "power", "config",
    "refused", "mode", "crash",
)  # fmt: skip
_SAFE_MODE: Final = "safe mode"
_LONGEST: Final = 100
_LONGEST_FAULTS: Final = 400
_IDS: Final = uuid.UUID("5e1c9b52-6d3e-4d0b-9a8e-1f0b6c1f7a12")


def _document(payload: bytes, what: str) -> dict[str, Any]:
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise ContractError(f"{what} is not JSON") from None
    if not isinstance(document, dict):
        raise ContractError(f"{what} is {type(document).__name__}, not an object")
    return document


def status_of(payload: bytes) -> tuple[str, Detail]:
    """Return a node's state and what it tells of itself, in fields that `vuong.contract.batch.StatusRow` takes.

    ``faults`` are the probes' in one text (``ph: no answer; do: …``), ``safe_mode`` says why the node runs without its probes.

    Raises
    ------
    ContractError
        if it is no status
    """
    status = _document(payload, "status")
    state = status.get("state")
    if state not in STATES:
        raise ContractError(f"status has state {state!r:.60}; known are {', '.join(STATES)}")
    detail: Detail = {
        name: value[:_LONGEST] if isinstance(value, str) else value
        for name in _KEPT
        if isinstance(value := status.get(name), str | int | float) and not isinstance(value, bool)
    }
    faults = status.get("probes")
    if isinstance(faults, dict):
        told = {str(name): str(fault) for name, fault in faults.items()}
        if _SAFE_MODE in told:
            detail["safe_mode"] = told.pop(_SAFE_MODE)[:_LONGEST]
        if told:
            detail["faults"] = "; ".join(f"{name}: {fault}" for name, fault in told.items())[:_LONGEST_FAULTS]
    return state, detail


def calibration_of(payload: bytes, node: str, pond: Pond, arrived: int) -> Entry | None:
    """Return a calibration that a node tells of as an entry, known by (node, quantity, time) for ever; ``None`` of any other reply.

    Parameters
    ----------
    payload : of a message on ``reply``: ``{"calibration": {"quantity", "time", "operator", "lot", "before", "after", …}}``, or the answer
        to a technician's command, which is not the gateway's business
    node, pond : who says it, and where it stands
    arrived : UTC seconds; a node that does not know the time calibrated now

    Raises
    ------
    ContractError
        naming what is wrong with it
    """
    reply = _document(payload, "reply")
    if "calibration" not in reply:
        if "id" not in reply:
            raise ContractError("reply has neither a calibration nor the id of a command")
        return None
    told = reply["calibration"]
    if not isinstance(told, dict):
        raise ContractError(f"calibration is {type(told).__name__}, not an object")
    quantity, time = told.get("quantity"), told.get("time")
    if type(time) is not int:
        raise ContractError(f"calibration has time {time!r:.60}; send UTC seconds, 0 where they are not known")
    known = EARLIEST <= time <= arrived + CLOCK_TOLERANCE
    identity = f"{node}/{quantity}/{time}" if known else f"{node}/{quantity}/{time}/{told.get('after')}"
    content = {"node": node, "quantity": quantity, "points": told.get("points", []), "note": ""}
    content |= {name: told[name] for name in ("method", "lot", "before", "after") if name in told}
    entry: Entry = {
        "id": str(uuid.uuid5(_IDS, identity)),
        "kind": EntryKind.CALIBRATION,
        "pond": pond.id,
        "at": time if known else arrived,
        "by": told.get("operator") or node,
        "where": "node",
        "content": content,
    }
    fault = entry_fault(entry, arrived)
    if fault is not None:
        raise ContractError(f"calibration: {fault}")
    return entry
