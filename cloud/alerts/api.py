"""``/api/v1/alarms``: what stands, and what people do with an alarm."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request

from cloud.accounts.service import Principal
from cloud.alerts import service
from cloud.alerts.tables import Alarm
from cloud.context import Asker, Cloud, Records
from cloud.entries.service import Standing, standings
from cloud.entries.writing import acknowledge, known, place, put_aside, require
from cloud.tenancy import ScopedSession
from cloud.web.texts import alarm_words
from vuong.alarms import ALARM_KINDS
from vuong.contract import api
from vuong.contract.api import AlarmDetail, EntryKind, Right
from vuong.i18n import DEFAULT

router = APIRouter(tags=["alerts"])
Posted = Annotated[dict[str, Any], Body()]
Language = Annotated[str | None, Query(description="of the texts; the asker's own")]


@router.get(api.ALARMS)
def get_alarms(
    records: Records,
    asker: Asker,
    cloud: Cloud,
    pond: str | None = None,
    open: Annotated[bool, Query(description="only those that are not cleared")] = True,  # noqa: A002
    language: Language = None,
) -> list[AlarmDetail]:
    """Return alarms, the open ones by urgency, then (with ``open=false``) those cleared last."""
    found = service.open_alarms(records, pond)
    if not open:
        found += service.cleared_alarms(records, pond)
    return _details(records, found, cloud.clock.now(), language or asker.language or DEFAULT)


def _details(records: ScopedSession, alarms: list[Alarm], now: float, language: str) -> list[AlarmDetail]:
    stand = standings(records, alarms, now)
    return [_detail(alarm, stand[alarm.id], language) for alarm in alarms]


def _detail(alarm: Alarm, standing: Standing, language: str) -> AlarmDetail:
    words, said = alarm_words(alarm, language), standing.acknowledged
    return {
        "id": alarm.id,
        "revision": standing.revision,
        "pond": alarm.pond_id,
        "kind": alarm.kind,
        "category": ALARM_KINDS[alarm.kind].category,
        "priority": ALARM_KINDS[alarm.kind].priority.name.lower(),
        "quantity": alarm.quantity,
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
        **standing.aside,
    }


@router.post(api.ALARMS + "/{alarm}/acknowledgement")
def post_acknowledgement(
    alarm: str, request: Request, cloud: Cloud, asker: Asker, records: Records, posted: Posted
) -> api.Acknowledgement:
    """Acknowledge an alarm; the answer is the acknowledgement that counts."""
    require(request, cloud, asker, Right.ACKNOWLEDGE)
    known(posted, "revision")
    return acknowledge(cloud, records, asker, alarm, place(request), posted)


@router.post(api.ALARMS + "/{alarm}/shelving")
def post_shelving(
    alarm: str, request: Request, cloud: Cloud, asker: Asker, records: Records, posted: Posted, language: Language = None
) -> AlarmDetail:
    """Put an alarm aside for a while: ``{"minutes", "reason", "revision"?, "time"?, "id"?}``; it calls again when that is over."""
    require(request, cloud, asker, Right.ACKNOWLEDGE)
    known(posted, "minutes", "reason", "revision")
    found = put_aside(cloud, records, asker, alarm, place(request), EntryKind.SHELVING, posted)
    return _now(cloud.clock.now(), records, asker, found, language)


@router.post(api.ALARMS + "/{alarm}/unshelving")
def post_unshelving(
    alarm: str, request: Request, cloud: Cloud, asker: Asker, records: Records, posted: Posted, language: Language = None
) -> AlarmDetail:
    """Take an alarm back that was put aside."""
    require(request, cloud, asker, Right.ACKNOWLEDGE)
    known(posted, "revision")
    found = put_aside(cloud, records, asker, alarm, place(request), EntryKind.UNSHELVING, posted)
    return _now(cloud.clock.now(), records, asker, found, language)


@router.post(api.ALARMS + "/{alarm}/reset")
def post_reset(
    alarm: str, request: Request, cloud: Cloud, asker: Asker, records: Records, posted: Posted, language: Language = None
) -> AlarmDetail:
    """Reset an alarm that stays after its condition has gone."""
    require(request, cloud, asker, Right.ACKNOWLEDGE)
    known(posted, "revision")
    found = put_aside(cloud, records, asker, alarm, place(request), EntryKind.RESET, posted)
    return _now(cloud.clock.now(), records, asker, found, language)


def _now(now: float, records: ScopedSession, asker: Principal, alarm: Alarm, language: str | None) -> AlarmDetail:
    return _details(records, [alarm], now, language or asker.language or DEFAULT)[0]
