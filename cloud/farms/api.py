"""``/api/v1/ponds``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from cloud.context import Records
from cloud.farms import service
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


def _summary(pond: Pond) -> dict[str, Any]:
    own = {name: getattr(pond, name) for name in ("id", "name", "species", "area", "depth", "longitude", "latitude")}
    return own | {"cooperative": pond.cooperative_id}


@router.get("/api/v1/ponds")
def get_ponds(records: Records) -> list[PondSummary]:
    """Return the ponds that the asker may see."""
    return [PondSummary(**_summary(pond)) for pond in service.ponds(records)]


@router.get("/api/v1/ponds/{pond}")
def get_pond(pond: str, records: Records) -> PondDetail:
    """Return one pond."""
    found = service.pond(records, pond)
    if found is None:
        raise HTTPException(404, f"pond {pond!r:.60} is not known")
    nodes = [node.eui for node in found.nodes if node.revoked is None]
    return PondDetail(**_summary(found), limits=asdict(limits_of(found.species, found.limits)), nodes=nodes)
