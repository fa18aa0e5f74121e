"""The alarms page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from cloud.alerts import service
from cloud.context import Cloud, Visible, Visitor
from cloud.farms.service import cooperatives
from cloud.web.layout import language_of, page
from cloud.web.views import alarm_view

router = APIRouter(include_in_schema=False)


@router.get("/alarms")
def alarms_page(request: Request, cloud: Cloud, visitor: Visitor, records: Visible) -> HTMLResponse:
    """Show open alarms by urgency, then those that were cleared."""
    language, now = language_of(request, visitor), cloud.clock.now()
    opened = [alarm_view(alarm, now, language) for alarm in service.open_alarms(records)]
    return page(
        request,
        cloud,
        "alarms.html",
        visitor,
        opened=opened,
        cleared=[alarm_view(alarm, now, language) for alarm in service.cleared_alarms(records)],
        coops={coop.id: coop.name for coop in cooperatives(records)},
        open_alarms=len(opened),
    )
