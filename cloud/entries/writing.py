"""Writing down what a person says: who may, what is right, and what is kept under its id."""

from __future__ import annotations

import uuid
from typing import Any

from fastapi import HTTPException, Request
from sqlalchemy import select

from cloud.accounts.secrets import form_token_fits
from cloud.accounts.service import Principal
from cloud.alerts.tables import Alarm
from cloud.context import Context, bearer, session_cookie
from cloud.entries import service
from cloud.farms.service import pond as find_pond
from cloud.farms.tables import Pond
from cloud.tenancy import ScopedSession
from vuong.contract import api
from vuong.contract.api import EntryKind, Right


def require(request: Request, cloud: Context, asker: Principal, right: Right) -> None:
    """Refuse who may not, and a browser's request that no page of ours made."""
    if right.value not in asker.rights:  # a token may carry fewer than its person has
        raise HTTPException(403, f"role {asker.role}, or this token of theirs, may not {right}")
    if bearer(request) is None:
        session = session_cookie(request)
        if not form_token_fits(cloud.key, session, request.headers.get(api.FORM_HEADER, "")):
            raise HTTPException(403, f"send the page's form token in {api.FORM_HEADER}")


def known(posted: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the named fields of what was posted; 422 for others."""
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


def pond_of(records: ScopedSession, name: str) -> Pond:
    """Return a pond; 404 where there is no such pond to see."""
    found = find_pond(records, name)
    if found is None:
        raise HTTPException(404, f"pond {name!r:.60} is not known")
    return found


def place(request: Request) -> str:
    """Return where a request comes from, as an entry tells it."""
    return "app" if bearer(request) is not None else "cloud"


def alarm_of(records: ScopedSession, name: str) -> Alarm:
    """Return an alarm; 404 where there is no such alarm to see."""
    found = records.scalar(select(Alarm).where(Alarm.id == name))
    if found is None:
        raise HTTPException(404, f"alarm {name!r:.60} is not known")
    return found


def _of_alarm(
    cloud: Context, records: ScopedSession, asker: Principal, where: str, kind: EntryKind, alarm: Alarm, posted: dict[str, Any]
) -> api.Entry:
    own = {name: posted[name] for name in ("minutes", "reason") if name in posted}
    seen = service.standings(records, [alarm], cloud.clock.now())[alarm.id].revision
    content = {"alarm": alarm.id, "revision": posted.get("revision", seen)} | own
    entry = new_entry(cloud, asker, where, kind, pond_of(records, alarm.pond_id), content, posted)
    if entry["at"] < alarm.raised - api.CLOCK_TOLERANCE:
        raise HTTPException(422, f"time is {entry['at']}, before the alarm was raised ({alarm.raised}); set the clock right")
    return entry


def acknowledge(
    cloud: Context, records: ScopedSession, asker: Principal, alarm: str, where: str, posted: dict[str, Any]
) -> api.Acknowledgement:
    """Store the acknowledgement of an alarm and return the one that counts.

    Raises
    ------
    HTTPException
        404 where there is no such alarm to see, 422 where the time is wrong
    """
    found = alarm_of(records, alarm)
    entry = _of_alarm(cloud, records, asker, where, EntryKind.ACKNOWLEDGEMENT, found, posted)
    kept = store(cloud, records, entry, found.cooperative_id)
    # An acknowledgement of what the alarm said before it grew worse does not count; it is kept all the same.
    said: api.Acknowledgement = {"alarm": alarm, "at": kept["at"], "by": kept["by"], "where": kept["where"]}
    return service.standings(records, [found], cloud.clock.now())[alarm].acknowledged or said


def put_aside(
    cloud: Context, records: ScopedSession, asker: Principal, alarm: str, where: str, kind: EntryKind, posted: dict[str, Any]
) -> Alarm:
    """Store the shelving, unshelving or reset of an alarm; its gateway carries it out when it hears of it.

    Raises
    ------
    HTTPException
        404 where there is no such alarm to see, 409 where it is in no state for it, 422 where a field is wrong
    """
    found = alarm_of(records, alarm)
    entry = _of_alarm(cloud, records, asker, where, kind, found, posted)
    if service.find(records, entry["id"]) is None:  # a repeat of what was carried out is no fault
        aside = service.standings(records, [found], cloud.clock.now())[alarm].aside
        fault = api.aside_fault(entry, found.kind, aside["state"], found.numbers)
        if fault is not None:
            raise HTTPException(409, fault)
    store(cloud, records, entry, found.cooperative_id)
    return alarm_of(records, alarm)
