"""``/api/v1``: hand readings, calibrations; and the exchange of entries with gateways. What is said of alarms: `cloud.alerts.api`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, HTTPException, Query, Request, Response

from cloud.context import Asker, Cloud, Records, require_sender
from cloud.entries import service
from cloud.entries.writing import known, new_entry, place, pond_of, require, store
from cloud.telemetry.ingest import Sender
from cloud.tenancy import Scope, ScopedSession
from vuong.contract import api
from vuong.contract.api import EntryKind, EntryPage, EntryReply, Right

router = APIRouter(tags=["entries"])
_LATEST_SECOND: Final = 2**40
Posted = Annotated[dict[str, Any], Body()]
Position = Annotated[int, Query(ge=0, lt=2**31)]  # as wide as its column
Second = Annotated[int, Query(ge=0, le=_LATEST_SECOND)]


@router.get(api.PONDS + "/{pond}/hand-readings")
def get_hand_readings(pond: str, records: Records, start: Second = 0, end: Second = _LATEST_SECOND) -> list[api.HandReading]:
    """Return a pond's hand readings, the newest first."""
    found = service.of_pond(records, pond_of(records, pond).id, EntryKind.HAND_READING, start, end)
    return [api.hand_reading(entry) for entry in found]


@router.post(api.PONDS + "/{pond}/hand-readings", status_code=201)
def post_hand_reading(
    pond: str, request: Request, cloud: Cloud, asker: Asker, records: Records, posted: Posted
) -> api.HandReading:
    """Take a value that somebody measured by hand: ``{"quantity", "value", "note"?, "time"?, "id"?}``."""
    require(request, cloud, asker, Right.ENTER)
    found, content = pond_of(records, pond), known(posted, "quantity", "value", "note")
    entry = new_entry(cloud, asker, place(request), EntryKind.HAND_READING, found, content, posted)
    return api.hand_reading(store(cloud, records, entry, found.cooperative_id))


@router.get(api.PONDS + "/{pond}/calibrations")
def get_calibrations(pond: str, records: Records, start: Second = 0, end: Second = _LATEST_SECOND) -> list[api.Calibration]:
    """Return a pond's calibrations, the newest first."""
    found = service.of_pond(records, pond_of(records, pond).id, EntryKind.CALIBRATION, start, end)
    return [api.calibration(entry) for entry in found]


@router.post(api.PONDS + "/{pond}/calibrations", status_code=201)
def post_calibration(
    pond: str, request: Request, cloud: Cloud, asker: Asker, records: Records, posted: Posted
) -> api.Calibration:
    """Take the record of a calibration: ``{"node", "quantity", "points": [[reference, measured], …], "note"?, "time"?, "id"?}``."""
    require(request, cloud, asker, Right.CALIBRATE)
    found, content = pond_of(records, pond), known(posted, "node", "quantity", "points", "note")
    nodes = [node.eui for node in found.nodes if node.revoked is None]
    if content.get("node") not in nodes:
        raise HTTPException(422, f"node is {content.get('node')!r:.60}; nodes of this pond are {', '.join(nodes) or 'none'}")
    entry = new_entry(cloud, asker, place(request), EntryKind.CALIBRATION, found, content, posted)
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
