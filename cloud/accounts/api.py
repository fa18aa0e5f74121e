"""``/api/v1/me``."""

from __future__ import annotations

from fastapi import APIRouter

from cloud.context import Asker
from vuong.contract import api
from vuong.contract.api import RIGHTS

router = APIRouter(tags=["accounts"])


@router.get(api.ME)
def get_me(asker: Asker) -> api.Me:
    """Return who asks."""
    return {
        "name": asker.name,
        "role": asker.role,
        "cooperative": asker.cooperative,
        "language": asker.language,
        "rights": sorted(RIGHTS[asker.role]),
    }
