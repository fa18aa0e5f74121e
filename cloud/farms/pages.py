"""A pond's diary page: what was done, crops, the pond itself; and the forms to write them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from cloud.accounts.access import Fields, PageWriter, Work
from cloud.accounts.roles import Right
from cloud.accounts.service import Principal
from cloud.alerts.service import alarm_revision
from cloud.context import Cloud, Context, Visible, Visitor
from cloud.farms import diary, ponds, service
from cloud.farms.kinds import KINDS, Field, numbers
from cloud.farms.tables import DiaryEntry, Pond
from cloud.tenancy import ScopedSession
from cloud.web.layout import language_of, page
from cloud.web.texts import moment_text, ui
from vuong import i18n
from vuong.limits import SPECIES

router = APIRouter(include_in_schema=False)
_ZONE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
Recorder = Annotated[Work, Depends(PageWriter(Right.RECORD))]
Keeper = Annotated[Work, Depends(PageWriter(Right.PONDS))]


def _day(value: str | None) -> str | None:
    return None if value is None else datetime.fromisoformat(value).strftime("%d/%m/%Y")


def unit_of(field: Field, language: str) -> str:
    """Return a field's unit as the reader writes it."""
    key = {"d": "unit.days", "h": "unit.hours", "/kg": "unit.per_kg", "×": None}.get(field.unit or "", "")
    return field.unit or "" if key == "" else ui(key, language) if key else ""


def _told(entry: DiaryEntry, language: str) -> str:
    parts = []
    for field in KINDS[entry.kind]:
        value = (entry.content or {}).get(field.name)
        if value is None:
            continue
        name = ui(f"field.{field.name}", language)
        if field.numeric:
            digits = 0 if float(value).is_integer() else 1
            parts.append(f"{name} {i18n.number(value, digits, language)} {unit_of(field, language)}".rstrip())
        else:
            parts.append(f"{name}: {value}")
    return " · ".join(parts)


def _show(
    request: Request,
    cloud: Context,
    visitor: Principal,
    records: ScopedSession,
    pond: Pond,
    *,
    fault: str | None = None,
    given: dict[str, str] | None = None,
    status: int = 200,
) -> HTMLResponse:
    language, now = language_of(request, visitor), cloud.clock.now()
    kind = (given or {}).get("kind") or request.query_params.get("kind", "feed")
    return page(
        request,
        cloud,
        "diary.html",
        visitor,
        status=status,
        pond=pond,
        kinds=tuple(KINDS),
        kind=kind if kind in KINDS else "feed",
        fields=[(field, unit_of(field, language)) for field in KINDS.get(kind, KINDS["feed"])],
        entries=[
            (e.id, e.kind, moment_text(e.time, now), _told(e, language), (e.content or {}).get("note"))
            for e in diary.standing(records, pond.id)[:100]
        ],
        crops=[(crop, _day(crop.started), _day(crop.ended)) for crop in diary.crops(records, pond.id)],
        species=SPECIES,
        today=datetime.fromtimestamp(now, _ZONE).date().isoformat(),
        may_record=visitor.may(Right.RECORD),
        may_keep=visitor.may(Right.PONDS),
        outline="" if pond.polygon is None else json.dumps(pond.polygon),
        given=given or {},
        fault=fault,
        open_alarms=alarm_revision(records)[0],
    )


def _pond(session: ScopedSession, name: str) -> Pond:
    found = service.pond(session, name)
    if found is None:
        raise HTTPException(404, f"pond {name!r:.60} is not known")
    return found


@router.get("/ponds/{pond}/diary")
def diary_page(pond: str, request: Request, cloud: Cloud, visitor: Visitor, records: Visible) -> HTMLResponse:
    """Show a pond's diary."""
    found = service.pond(records, pond)
    if found is None:
        return page(request, cloud, "missing.html", visitor, status=404, open_alarms=alarm_revision(records)[0])
    return _show(request, cloud, visitor, records, found)


def _back(pond: str, kind: str = "feed") -> Response:
    return RedirectResponse(f"/ponds/{pond}/diary?kind={kind}", 303)


def _again(request: Request, work: Work, pond: str, error: ValueError, form: dict[str, str]) -> Response:
    work.session.rollback()
    work.session.expire_all()
    return _show(
        request, work.cloud, work.principal, work.session, _pond(work.session, pond), fault=str(error), given=form, status=422
    )


@router.post("/ponds/{pond}/diary")
def write_page(pond: str, request: Request, work: Recorder, form: Fields) -> Response:
    """Write in the diary."""
    kind = form.get("kind", "")
    try:
        time = None
        if "when" in form:
            time = int(datetime.fromisoformat(form["when"]).replace(tzinfo=_ZONE).timestamp())
        diary.write(work, _pond(work.session, pond), kind, numbers(kind, form), time=time)
    except ValueError as error:
        return _again(request, work, pond, error, form)
    return _back(pond, kind)


@router.post("/ponds/{pond}/diary/{entry}/strike")
def strike_page(pond: str, entry: int, request: Request, work: Recorder, form: Fields) -> Response:
    """Strike an entry out; it stays in the history."""
    found = _pond(work.session, pond)
    held = next((row for row in diary.standing(work.session, found.id) if row.id == entry), None)
    if held is None:
        return _back(pond)
    try:
        diary.write(work, found, held.kind, None, time=held.time, replaces=held.id)
    except ValueError as error:
        return _again(request, work, pond, error, form)
    return _back(pond, held.kind)


@router.post("/ponds/{pond}/crops")
def crop_page(pond: str, request: Request, work: Recorder, form: Fields) -> Response:
    """Begin a crop."""
    try:
        stocked = int(form["stocked"].replace(".", "").replace(" ", "")) if "stocked" in form else None
        diary.stock(
            work,
            _pond(work.session, pond),
            started=form.get("started", ""),
            species=form.get("species", ""),
            stocked=stocked,
            hatchery=form.get("hatchery"),
        )
    except ValueError as error:
        return _again(request, work, pond, error, form)
    return _back(pond)


@router.post("/ponds/{pond}/settings")
def settings_page(pond: str, request: Request, work: Keeper, form: Fields) -> Response:
    """Change a pond: name, area, depth, outline."""
    try:
        given: dict[str, Any] = {"name": form.get("name", "")}
        for name in ("area", "depth"):
            given[name] = float(form[name].replace(",", ".")) if name in form else None
        given["polygon"] = json.loads(form["polygon"]) if "polygon" in form else None
        ponds.change(work, _pond(work.session, pond), given)
    except ValueError as error:
        return _again(request, work, pond, error, form)
    return _back(pond)
