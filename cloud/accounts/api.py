"""``/api/v1/me``."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from cloud.context import Asker

router = APIRouter(tags=["accounts"])


class Me(BaseModel):
    """Who asks; `cooperative` is ``null`` for those who see all."""

    name: str
    role: str
    cooperative: str | None
    language: str | None


@router.get("/api/v1/me")
def get_me(asker: Asker) -> Me:
    """Return who asks."""
    return Me(name=asker.name, role=asker.role, cooperative=asker.cooperative, language=asker.language)
