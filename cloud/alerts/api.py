"""``/api/v1/alarms``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from cloud.alerts import service
from cloud.alerts.tables import Alarm
from cloud.context import Asker, Records
from cloud.entries.service import acknowledgements
from cloud.web.texts import alarm_words
from vuong.alarms import ALARM_KINDS
from vuong.contract.api import Acknowledgement, AlarmDetail, acknowledged_state
from vuong.i18n import DEFAULT

router = APIRouter(tags=["alerts"])


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
    said = acknowledgements(records, found)
    return [_detail(alarm, said.get(alarm.id), tongue) for alarm in found]


def _detail(alarm: Alarm, said: Acknowledgement | None, language: str) -> AlarmDetail:
    words = alarm_words(alarm, language)
    return {
        "id": alarm.id,
        "revision": alarm.revision,
        "pond": alarm.pond_id,
        "kind": alarm.kind,
        "category": ALARM_KINDS[alarm.kind].category,
        "priority": ALARM_KINDS[alarm.kind].priority.name.lower(),
        "quantity": alarm.quantity,
        "state": acknowledged_state(alarm.state, acknowledged=said is not None),
        "raised": alarm.raised,
        "cleared": alarm.cleared,
        "acknowledged": said["at"] if said else None,
        "acknowledged_by": said["by"] if said else None,
        "acknowledged_where": said["where"] if said else None,
        "numbers": alarm.numbers,
        "title": words.title,
        "message": words.message,
        "confidence": words.confidence,
        "cause": words.cause,
        "advice": words.advice,
    }
