"""What people do with an alarm, by the API and on the page: acknowledge it, put it aside for a while, take it back, reset it."""

from __future__ import annotations

from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.lan.access import Device
from gateway.lan.api import JSON, desk_of, document_of, known, language_of, where
from gateway.lan.desk import Desk
from vuong.contract import api
from vuong.contract.api import AlarmDetail, EntryKind, Right, aside_fault
from vuong.i18n import DEFAULT

# Path → kind of entry, and what its document has beside `Posted`.
ASIDE: Final[dict[str, tuple[EntryKind, tuple[str, ...]]]] = {
    "shelving": (EntryKind.SHELVING, ("minutes", "reason")),
    "unshelving": (EntryKind.UNSHELVING, ()),
    "reset": (EntryKind.RESET, ()),
}


def _alarm(desk: Desk, name: str, language: str = DEFAULT) -> AlarmDetail:
    found = desk.records.alarm(name, language)
    if found is None:
        raise HTTPException(404, f"alarm {name!r:.60} is not known")
    return found


def _not_before(alarm: AlarmDetail, at: int) -> None:
    if at < alarm["raised"] - api.CLOCK_TOLERANCE:
        raise HTTPException(422, f"time is {at}, before the alarm was raised ({alarm['raised']}); set the clock right")


def take_acknowledgement(desk: Desk, name: str, device: Device, place: str, posted: dict[str, Any]) -> api.Acknowledgement:
    """Store the acknowledgement of an alarm and return the one that counts.

    Raises
    ------
    HTTPException
        404 where there is no such alarm, 422 naming what is wrong
    """
    alarm = _alarm(desk, name)
    content = {"alarm": name, "revision": posted.get("revision", alarm["revision"])}
    entry = desk.entry(EntryKind.ACKNOWLEDGEMENT, alarm["pond"], device.name, place, content, posted)
    _not_before(alarm, entry["at"])
    desk.store(entry)
    found = _alarm(desk, name)
    counts = found["acknowledged"]
    return {
        "alarm": name,
        # An acknowledgement of what the alarm said before it grew worse does not count; it is kept all the same.
        "at": entry["at"] if counts is None else counts,
        "by": found["acknowledged_by"] if counts is not None else entry["by"],
        "where": found["acknowledged_where"] if counts is not None else entry["where"],
    }


def take_aside(
    desk: Desk, what: str, name: str, device: Device, place: str, posted: dict[str, Any], language: str
) -> AlarmDetail:
    """Store that somebody shelves, takes back or resets an alarm, and return it as it stands then; a repeat (same id) has one effect.

    Raises
    ------
    HTTPException
        404 where there is no such alarm, 409 where it is in no state for it, 422 naming what is wrong
    """
    kind, fields = ASIDE[what]
    alarm = _alarm(desk, name, language)
    content = {"alarm": name, "revision": posted.get("revision", alarm["revision"])}
    content |= {field: posted.get(field) for field in fields}
    entry = desk.entry(kind, alarm["pond"], device.name, place, content, posted)
    if desk.entries.get(entry["id"]) is None:
        _not_before(alarm, entry["at"])
        fault = aside_fault(entry, alarm["kind"], alarm["state"], alarm["numbers"])
        if fault is not None:
            raise HTTPException(409, fault)
    desk.store(entry)
    return _alarm(desk, name, language)


async def acknowledge(request: Request) -> Response:
    """Acknowledge an alarm; the answer is the acknowledgement that counts."""
    desk = desk_of(request)
    device = await desk.require(request, Right.ACKNOWLEDGE)
    posted = await document_of(request)
    known(posted, "revision")
    return JSON(await desk.ask(take_acknowledgement, desk, request.path_params["alarm"], device, where(request), posted))


async def aside(request: Request) -> Response:
    """Shelve an alarm, take it back or reset it; the answer is the alarm as it stands then."""
    desk, what = desk_of(request), request.url.path.rpartition("/")[2]
    device = await desk.require(request, Right.ACKNOWLEDGE)
    posted = await document_of(request)
    known(posted, "revision", *ASIDE[what][1])
    name = request.path_params["alarm"]
    return JSON(await desk.ask(take_aside, desk, what, name, device, where(request), posted, language_of(request)))


def routes() -> list[Route]:
    """Return the paths of the contract."""
    one = api.ALARMS + "/{alarm}"
    return [
        Route(one + "/acknowledgement", acknowledge, methods=["POST"]),
        *(Route(f"{one}/{what}", aside, methods=["POST"]) for what in ASIDE),
    ]
