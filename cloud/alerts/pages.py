"""The alarms page, and the button that acknowledges."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from cloud.accounts.secrets import form_token_fits
from cloud.alerts import service
from cloud.context import COOKIE, Cloud, Visible, Visitor
from cloud.entries.api import acknowledge
from cloud.farms.service import cooperatives
from cloud.web.layout import language_of, own_path, page
from cloud.web.views import alarm_views
from vuong.contract.api import RIGHTS, Right

router = APIRouter(include_in_schema=False)


@router.get("/alarms")
def alarms_page(request: Request, cloud: Cloud, visitor: Visitor, records: Visible) -> HTMLResponse:
    """Show open alarms by urgency, then those that were cleared."""
    language, now = language_of(request, visitor), cloud.clock.now()
    opened = alarm_views(records, service.open_alarms(records), now, language)
    return page(
        request,
        cloud,
        "alarms.html",
        visitor,
        opened=opened,
        cleared=alarm_views(records, service.cleared_alarms(records), now, language),
        coops={coop.id: coop.name for coop in cooperatives(records)},
        open_alarms=len(opened),
    )


@router.post("/alarms/{alarm}/acknowledge")
def acknowledge_alarm(
    alarm: str,
    request: Request,
    cloud: Cloud,
    visitor: Visitor,
    records: Visible,
    token: Annotated[str, Form(max_length=200)] = "",
    revision: Annotated[int, Form(ge=0, lt=2**31)] = 0,
    next: Annotated[str, Form(max_length=500)] = "/alarms",  # noqa: A002
) -> Response:
    """Acknowledge an alarm and go back to the page that showed it."""
    if not form_token_fits(cloud.key, request.cookies.get(COOKIE, ""), token):
        raise HTTPException(403, "the form is over; load the page again")
    if Right.ACKNOWLEDGE not in RIGHTS[visitor.role]:
        raise HTTPException(403, f"role {visitor.role} may not acknowledge")
    acknowledge(cloud, records, visitor, alarm, "cloud", {"revision": revision})
    return RedirectResponse(f"{own_path(next, '/alarms')}#alarm-{alarm}", 303)
