"""``/api/v1``: acknowledging, hand readings, calibrations; and the exchange of entries with gateways."""

from __future__ import annotations

import math
import uuid
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, HTTPException, Query, Request, Response
from sqlalchemy import select

from cloud.accounts.secrets import form_token_fits
from cloud.accounts.service import Principal
from cloud.alerts.tables import Alarm
from cloud.context import COOKIE, Asker, Cloud, Context, Records, bearer, require_sender
from cloud.entries import service
from cloud.farms.service import pond as find_pond
from cloud.farms.tables import Pond
from cloud.telemetry.ingest import Sender
from cloud.tenancy import Scope, ScopedSession
from vuong.contract import api
from vuong.contract.api import EntryKind, EntryPage, EntryReply, Right

router = APIRouter(tags=["entries"])
_LATEST_SECOND: Final = 2**40
Posted = Annotated[dict[str, Any], Body()]
Position = Annotated[int, Query(ge=0, le=2**62)]
Second = Annotated[int, Query(ge=0, le=_LATEST_SECOND)]


def _require(request: Request, cloud: Context, asker: Principal, right: Right) -> None:
    """Refuse who may not, and a browser's request that no page of ours made."""
    if right.value not in asker.rights:  # a token may carry fewer than its person has
        raise HTTPException(403, f"role {asker.role}, or this token of theirs, may not {right}")
    if bearer(request) is None:
        session = request.cookies.get(COOKIE, "")
        if not form_token_fits(cloud.key, session, request.headers.get(api.FORM_HEADER, "")):
            raise HTTPException(403, f"send the page's form token in {api.FORM_HEADER}")


def _known(posted: dict[str, Any], *names: str) -> dict[str, Any]:
    unknown = sorted(set(posted) - {*names, "id", "time"})
    if unknown:
        raise HTTPException(422, f"{unknown[0]!r:.60} is not known; known are {', '.join((*names, 'id', 'time'))}")
    return {name: posted[name] for name in names if name in posted}


def new_entry(
    cloud: Context, asker: Principal, where: str, kind: EntryKind, pond: Pond, content: dict[str, Any], posted: dict[str, Any]
) -> api.Entry:
    """Return a new entry; it is not stored yet.

    Raises
    ------
    HTTPException
        422 naming what is wrong with it
    """
    now = cloud.clock.now()
    entry: api.Entry = {
        "id": posted.get("id", str(uuid.uuid4())),
        "kind": str(kind),
        "pond": pond.id,
        "at": posted.get("time", int(now)),
        "by": asker.name,
        "where": where,
        "content": content,
    }
    fault = api.entry_fault(entry, now)
    if fault is not None:
        raise HTTPException(422, fault)
    return entry


def store(cloud: Context, records: ScopedSession, entry: api.Entry, cooperative: str) -> api.Entry:
    """Store an entry; return the one that is kept under this id."""
    records.rollback()  # what was read before must not hide what is stored now
    service.add(cloud.engine, [entry], {entry["pond"]: cooperative})
    kept = service.find(records, entry["id"])
    if kept is None or kept["kind"] != entry["kind"]:
        raise HTTPException(409, f"id {entry['id']!r} is already that of another entry; send a new one")
    return kept


def _pond(records: ScopedSession, name: str) -> Pond:
    found = find_pond(records, name)
    if found is None:
        raise HTTPException(404, f"pond {name!r:.60} is not known")
    return found


def _where(request: Request) -> str:
    return "app" if bearer(request) is not None else "cloud"


@router.post(api.ALARMS + "/{alarm}/acknowledgement")
def post_acknowledgement(
    alarm: str, request: Request, cloud: Cloud, asker: Asker, records: Records, posted: Posted
) -> api.Acknowledgement:
    """Acknowledge an alarm; the answer is the acknowledgement that counts."""
    _require(request, cloud, asker, Right.ACKNOWLEDGE)
    _known(posted, "revision")
    return acknowledge(cloud, records, asker, alarm, _where(request), posted)


def acknowledge(
    cloud: Context, records: ScopedSession, asker: Principal, alarm: str, where: str, posted: dict[str, Any]
) -> api.Acknowledgement:
    """Store the acknowledgement of an alarm and return the one that counts.

    Raises
    ------
    HTTPException
        404 where there is no such alarm to see, 422 where the time is wrong
    """
    found = records.scalar(select(Alarm).where(Alarm.id == alarm))
    if found is None:
        raise HTTPException(404, f"alarm {alarm!r:.60} is not known")
    content = {"alarm": alarm, "revision": posted.get("revision", found.revision)}
    entry = new_entry(cloud, asker, where, EntryKind.ACKNOWLEDGEMENT, _pond(records, found.pond_id), content, posted)
    if entry["at"] < found.raised - api.CLOCK_TOLERANCE:
        raise HTTPException(422, f"time is {entry['at']}, before the alarm was raised ({found.raised}); set the clock right")
    kept = store(cloud, records, entry, found.cooperative_id)
    # An acknowledgement of what the alarm said before it grew worse does not count; it is kept all the same.
    said: api.Acknowledgement = {"alarm": alarm, "at": kept["at"], "by": kept["by"], "where": kept["where"]}
    return service.acknowledgements(records, [found]).get(alarm, said)


@router.get(api.PONDS + "/{pond}/hand-readings")
def get_hand_readings(pond: str, records: Records, start: Second = 0, end: Second = _LATEST_SECOND) -> list[api.HandReading]:
    """Return a pond's hand readings, the newest first."""
    found = service.of_pond(records, _pond(records, pond).id, EntryKind.HAND_READING, start, end)
    return [api.hand_reading(entry) for entry in found]


@router.post(api.PONDS + "/{pond}/hand-readings", status_code=201)
def post_hand_reading(
    pond: str, request: Request, cloud: Cloud, asker: Asker, records: Records, posted: Posted
) -> api.HandReading:
    """Take a value that somebody measured by hand: ``{"quantity", "value", "note"?, "time"?, "id"?}``."""
    _require(request, cloud, asker, Right.ENTER)
    found, content = _pond(records, pond), _known(posted, "quantity", "value", "note")
    entry = new_entry(cloud, asker, _where(request), EntryKind.HAND_READING, found, content, posted)
    return api.hand_reading(store(cloud, records, entry, found.cooperative_id))


@router.get(api.PONDS + "/{pond}/calibrations")
def get_calibrations(pond: str, records: Records, start: Second = 0, end: Second = _LATEST_SECOND) -> list[api.Calibration]:
    """Return a pond's calibrations, the newest first."""
    found = service.of_pond(records, _pond(records, pond).id, EntryKind.CALIBRATION, start, end)
    return [api.calibration(entry) for entry in found]


@router.post(api.PONDS + "/{pond}/calibrations", status_code=201)
def post_calibration(
    pond: str, request: Request, cloud: Cloud, asker: Asker, records: Records, posted: Posted
) -> api.Calibration:
    """Take the record of a calibration: ``{"node", "quantity", "points": [[reference, measured], …], "note"?, "time"?, "id"?}``."""
    _require(request, cloud, asker, Right.CALIBRATE)
    found, content = _pond(records, pond), _known(posted, "node", "quantity", "points", "note")
    nodes = [node.eui for node in found.nodes if node.revoked is None]
    if content.get("node") not in nodes:
        raise HTTPException(422, f"node is {content.get('node')!r:.60}; nodes of this pond are {', '.join(nodes) or 'none'}")
    entry = new_entry(cloud, asker, _where(request), EntryKind.CALIBRATION, found, content, posted)
    return api.calibration(store(cloud, records, entry, found.cooperative_id))


@router.get(api.ENTRIES)
def get_entries(
    request: Request,
    response: Response,
    cloud: Cloud,
    sender: Annotated[Sender, Depends(require_sender)],
    after: Position = 0,
    limit: Annotated[int, Query(ge=1, le=api.MOST_ENTRIES)] = api.MOST_ENTRIES,
) -> Any:  # noqa: ANN401 - EntryPage, or 304 without a body
    """Return a gateway the entries of its co-op after a position; 304 where it has seen the newest already (``If-None-Match``)."""
    with ScopedSession(cloud.engine, Scope.of(sender.cooperative)) as session:
        tag = f'"{service.last(session)}"'
        if request.headers.get("If-None-Match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        entries, last = service.after(session, after, limit)
    response.headers["ETag"] = tag
    page: EntryPage = {"entries": entries, "last": last}
    return page


@router.post(api.ENTRIES)
def post_entries(cloud: Cloud, sender: Annotated[Sender, Depends(require_sender)], posted: Posted) -> EntryReply:
    """Take a gateway's entries; any number of times, in any order, with one effect."""
    rows = posted.get("entries")
    if not isinstance(rows, list) or len(rows) > api.MOST_ENTRIES:
        raise HTTPException(422, f"entries is not usable; send a list of up to {api.MOST_ENTRIES}")
    refused, sound = dict[str, str](), list[api.Entry]()
    with ScopedSession(cloud.engine, Scope.of(sender.cooperative)) as session:
        ponds = service.cooperatives_of(
            session, (row["pond"] for row in rows if isinstance(row, dict) and isinstance(row.get("pond"), str))
        )
    for row in rows:
        # The gateway looked at its time; where clocks differ an entry must not be lost.
        fault = api.entry_fault(row, math.inf)
        if fault is None and row["pond"] not in ponds:
            fault = f"pond is {row['pond']!r:.60}, which is none of this gateway's co-op"
        if fault is None:
            sound.append(row)
        elif isinstance(row, dict) and isinstance(row.get("id"), str):
            refused[row["id"]] = fault
    service.add(cloud.engine, sound, ponds)
    return {"accepted": [entry["id"] for entry in sound], "refused": refused}
