"""``/api/v1/ponds``."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel

from cloud.context import Records
from cloud.farms import places, service
from cloud.farms.tables import Pond
from vuong.limits import limits_of

router = APIRouter(tags=["farms"])


class PondSummary(BaseModel):
    """A pond; `area` in m², `depth` in m."""

    id: str
    name: str
    cooperative: str
    species: str
    area: float | None
    depth: float | None
    longitude: float | None
    latitude: float | None


class PondDetail(PondSummary):
    """A pond with the limits that hold for it, and its nodes."""

    limits: dict[str, Any]
    nodes: list[str]


def summary(pond: Pond) -> dict[str, Any]:
    """Return a pond as its summary's fields."""
    own = {name: getattr(pond, name) for name in ("id", "name", "species", "area", "depth", "longitude", "latitude")}
    return own | {"cooperative": pond.cooperative_id}


@router.get("/api/v1/ponds")
def get_ponds(
    records: Records,
    within: Annotated[
        str | None, Query(max_length=100, description="a map's edges west,south,east,north in degrees; everywhere")
    ] = None,
) -> list[PondSummary]:
    """Return the ponds that the asker may see, or those of them that a map shows."""
    found = service.ponds(records) if within is None else places.ponds_on_map(records, *_edges(within))
    return [PondSummary(**summary(pond)) for pond in found]


def _edges(within: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in within.split(","))
    except ValueError:
        west = south = east = north = math.nan
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise HTTPException(422, f"within is {within!r:.60}; give west,south,east,north in degrees, such as 105.8,9.5,106.2,9.8")
    return west, south, east, north


@router.get("/api/v1/ponds/{pond}")
def get_pond(pond: str, records: Records) -> PondDetail:
    """Return one pond."""
    found = service.pond(records, pond)
    if found is None:
        raise HTTPException(404, f"pond {pond!r:.60} is not known")
    nodes = [node.eui for node in found.nodes if node.revoked is None]
    return PondDetail(**summary(found), limits=asdict(limits_of(found.species, found.limits)), nodes=nodes)
