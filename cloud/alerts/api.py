"""``/api/v1/alarms``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from cloud.alerts import service
from cloud.context import Asker, Records
from cloud.web.texts import alarm_text
from vuong.alarms import ALARM_KINDS
from vuong.i18n import DEFAULT

router = APIRouter(tags=["alerts"])


class AlarmDetail(BaseModel):
    """An alarm with its texts in the asker's language; times are UTC seconds."""

    id: str
    revision: int
    pond: str
    kind: str
    category: str
    priority: str
    quantity: str | None
    state: str
    raised: int
    cleared: int | None
    acknowledged: int | None
    numbers: dict[str, Any]
    title: str
    cause: str
    advice: str


@router.get("/api/v1/alarms")
def get_alarms(
    records: Records,
    asker: Asker,
    pond: str | None = None,
    open: Annotated[bool, Query(description="only those that are not cleared")] = True,  # noqa: A002
    language: Annotated[str | None, Query(description="of the texts; the asker's own")] = None,
) -> list[AlarmDetail]:
    """Return alarms, the open ones by urgency, then (with ``open=false``) those cleared last."""
    found = service.open_alarms(records, pond)
    if not open:
        found += service.cleared_alarms(records, pond)
    tongue = language or asker.language or DEFAULT
    return [
        AlarmDetail(
            id=alarm.id,
            revision=alarm.revision,
            pond=alarm.pond_id,
            kind=alarm.kind,
            category=ALARM_KINDS[alarm.kind].category,
            priority=ALARM_KINDS[alarm.kind].priority.name.lower(),
            quantity=alarm.quantity,
            state=alarm.state,
            raised=alarm.raised,
            cleared=alarm.cleared,
            acknowledged=alarm.acknowledged,
            numbers=alarm.numbers,
            title=alarm_text(alarm, "title", tongue),
            cause=alarm_text(alarm, "cause", tongue),
            advice=alarm_text(alarm, "advice", tongue),
        )
        for alarm in found
    ]
