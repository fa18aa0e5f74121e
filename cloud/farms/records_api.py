"""``/api/v1``: ponds written, crops, the pond diary, certification records, administrative units."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Body, Depends, HTTPException, Query
from pydantic import BaseModel, Field

from cloud.accounts.access import ApiWriter, Work
from cloud.accounts.roles import Right
from cloud.context import Asker, Cloud, Context, Records, demand
from cloud.farms import certification, diary, places, ponds, service, units
from cloud.farms.api import summary
from cloud.farms.diary import DiaryError
from cloud.farms.ponds import FieldError
from cloud.farms.tables import Crop, DiaryEntry, Pond, Unit
from cloud.tenancy import ScopedSession
from vuong.contract.api import PONDS, ROOT

router = APIRouter(tags=["farms"])
_LATEST: Final = 2**33
Given = Annotated[dict[str, Any], Body(max_length=20)]
Day = Annotated[str, Query(pattern=r"^\d{4}-\d{2}-\d{2}$", description="YYYY-MM-DD")]
AnyDay = Annotated[str | None, Query(pattern=r"^\d{4}-\d{2}-\d{2}$", description="YYYY-MM-DD; today in Vietnam")]
Level = Literal["province", "district", "commune"]
_ZONE: Final = ZoneInfo("Asia/Ho_Chi_Minh")


class CropRow(BaseModel):
    """A crop; dates are ``YYYY-MM-DD``, `stocked` how many post-larvae."""

    id: int
    species: str
    started: str
    ended: str | None
    stocked: int | None
    hatchery: str | None


class NewCrop(BaseModel):
    """A crop that begins."""

    species: str = Field(max_length=40)
    started: str = Field(max_length=10)
    stocked: int | None = Field(None, ge=1, le=10**10)
    hatchery: str | None = Field(None, max_length=200)


class DiaryRow(BaseModel):
    """An entry of the diary; `author` is a number, `content` ``null`` where it strikes out what it replaces."""

    id: int
    kind: str
    time: int
    content: dict[str, Any] | None
    author: int | None
    entered: int
    replaces: int | None


class NewDiaryRow(BaseModel):
    """An entry to be written; `id` is the app's own, so that a repeat has one effect."""

    kind: str = Field(max_length=40)
    content: dict[str, Any] | None = None
    time: int | None = Field(None, ge=0, le=_LATEST)
    replaces: int | None = Field(None, ge=1, le=2**31 - 1)
    id: str | None = Field(None, max_length=64)


def _pond(session: ScopedSession, name: str) -> Pond:
    found = service.pond(session, name)
    if found is None:
        raise HTTPException(404, f"pond {name!r:.60} is not known")
    return found


def _today(cloud: Context) -> str:
    return datetime.fromtimestamp(cloud.clock.now(), _ZONE).date().isoformat()


def _units_of(session: ScopedSession, pond: Pond, day: str) -> list[Unit]:
    if pond.longitude is None or pond.latitude is None:
        return []
    return places.units_at(session, pond.longitude, pond.latitude, day)


def _unit(unit: Unit) -> dict[str, Any]:
    return {name: getattr(unit, name) for name in ("code", "level", "name", "parent", "valid_from", "valid_to")}


def _crop(row: Crop) -> CropRow:
    return CropRow(
        id=row.id, species=row.species, started=row.started, ended=row.ended, stocked=row.stocked, hatchery=row.hatchery
    )


def _entry(row: DiaryEntry) -> DiaryRow:
    return DiaryRow(
        id=row.id,
        kind=row.kind,
        time=row.time,
        content=row.content,
        author=row.author,
        entered=row.entered,
        replaces=row.replaces,
    )


@router.post(PONDS, status_code=201)
def post_pond(given: Given, work: Annotated[Work, Depends(ApiWriter(Right.PONDS))]) -> dict[str, str]:
    """Create a pond: ``{"id", "cooperative", "name", "species", "area"?, "depth"?, "longitude"?, "latitude"?, "limits"?, "polygon"?}``."""
    try:
        return {"id": ponds.create(work, given).id}
    except FieldError as error:
        raise HTTPException(422, str(error)) from None


@router.patch(PONDS + "/{pond}")
def patch_pond(pond: str, given: Given, work: Annotated[Work, Depends(ApiWriter(Right.PONDS))]) -> dict[str, Any]:
    """Change some fields of a pond."""
    found = _pond(work.session, pond)
    try:
        ponds.change(work, found, given)
    except FieldError as error:
        raise HTTPException(422, str(error)) from None
    names = ("id", "name", "species", "area", "depth", "longitude", "latitude", "limits", "polygon")
    return {name: getattr(found, name) for name in names}


@router.get(PONDS + "/{pond}/outline")
def get_outline(pond: str, records: Records, cloud: Cloud) -> dict[str, Any]:
    """Return a pond's outline as a GeoJSON feature, and the smallest administrative unit of today that it lies in."""
    found = _pond(records, pond)
    held = _units_of(records, found, _today(cloud))
    return {
        "type": "Feature",
        "geometry": found.polygon,
        "properties": {"pond": found.id, "area": found.area, "unit": held[0].code if held else None},
    }


@router.get(PONDS + "/{pond}/units")
def get_pond_units(pond: str, records: Records, cloud: Cloud, day: AnyDay = None) -> list[dict[str, Any]]:
    """Return the administrative units that a pond lay in on a day, the smallest first; only units with an outline are found."""
    return [_unit(unit) for unit in _units_of(records, _pond(records, pond), day or _today(cloud))]


@router.get(PONDS + "/{pond}/neighbours")
def get_neighbours(
    pond: str,
    records: Records,
    metres: Annotated[float, Query(gt=0, le=places.FARTHEST, description="from bank to bank")] = 500,
) -> list[dict[str, Any]]:
    """Return the ponds near a pond that the asker may see, the nearest first, with their distance in m: whom to warn of a disease."""
    near = places.neighbours(records, _pond(records, pond), metres)
    return [summary(other) | {"distance": distance} for other, distance in near]


@router.get(PONDS + "/{pond}/crops")
def get_crops(pond: str, records: Records) -> list[CropRow]:
    """Return a pond's crops, the newest first."""
    return [_crop(row) for row in diary.crops(records, _pond(records, pond).id)]


@router.post(PONDS + "/{pond}/crops", status_code=201)
def post_crop(pond: str, crop: NewCrop, work: Annotated[Work, Depends(ApiWriter(Right.RECORD))]) -> CropRow:
    """Begin a crop; the one before ends on that day."""
    try:
        return _crop(diary.stock(work, _pond(work.session, pond), **crop.model_dump()))
    except DiaryError as error:
        raise HTTPException(422, str(error)) from None


@router.get(PONDS + "/{pond}/diary")
def get_diary(
    pond: str,
    records: Records,
    all: Annotated[bool, Query(description="also what was replaced or struck out")] = False,  # noqa: A002
) -> list[DiaryRow]:
    """Return a pond's diary: what holds, the latest first; or with ``all=true`` everything, in the order of writing."""
    found = _pond(records, pond).id
    return [_entry(row) for row in (diary.history(records, found) if all else diary.standing(records, found))]


@router.post(PONDS + "/{pond}/diary", status_code=201)
def post_diary(pond: str, entry: NewDiaryRow, work: Annotated[Work, Depends(ApiWriter(Right.RECORD))]) -> DiaryRow:
    """Write in a pond's diary; an entry is corrected by one that ``replaces`` it."""
    try:
        written = diary.write(
            work,
            _pond(work.session, pond),
            entry.kind,
            entry.content,
            time=entry.time,
            replaces=entry.replaces,
            client_id=entry.id,
        )
    except DiaryError as error:
        raise HTTPException(422, str(error)) from None
    return _entry(written)


@router.get(PONDS + "/{pond}/certification")
def get_certification(
    pond: str,
    asker: Asker,
    records: Records,
    cloud: Cloud,
    standard: Literal["vietgap", "asc", "bap"] = "vietgap",
) -> dict[str, Any]:
    """Return a pond's record for a certification body, hash-chained; needs the right ``export``."""
    demand(asker, Right.EXPORT)
    return certification.record(records, _pond(records, pond), standard, cloud.clock.now())


@router.get(ROOT + "/units")
def get_units(records: Records, day: Day, level: Level = "province") -> list[dict[str, Any]]:
    """Return the administrative units of a level that existed on a day."""
    return [_unit(unit) for unit in units.on(records, level, day)]


@router.get(ROOT + "/units/{code}/ponds")
def get_unit_ponds(
    code: str, records: Records, cloud: Cloud, level: Level = "commune", day: AnyDay = None
) -> list[dict[str, Any]]:
    """Return the ponds that the asker may see in a unit as it was drawn on a day (before the merger of 2025: ``day=2025-06-30``)."""
    on = day or _today(cloud)
    unit = units.one(records, level, code, on)
    if unit is None:
        raise HTTPException(
            404, f"{level} {code!r:.20} did not exist on {on}; ask /api/v1/units?level={level}&day={on} for those that did"
        )
    if unit.west is None:
        raise HTTPException(
            409, f"{level} {code} has no outline here; the operator stores outlines with `vuong cloud units --outlines`"
        )
    return [summary(pond) for pond in places.ponds_in(records, unit)]


@router.get(ROOT + "/units/{code}/successors")
def get_successors(code: str, records: Records, level: Level = "province") -> list[dict[str, Any]]:
    """Return what an old unit became in the merger of 2025: the new units and their shares, which add up to 1 over each level."""
    found = units.successors(records, level, code)
    if not found:
        raise HTTPException(404, f"{level} {code!r:.20} has no crosswalk; the operator stores one with `vuong cloud units`")
    return [
        {"code": unit.code, "level": unit.level, "name": unit.name, "weight": weight, "basis": basis}
        for unit, weight, basis in found
    ]
