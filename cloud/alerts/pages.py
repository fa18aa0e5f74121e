"""The alarms page, and the buttons that answer an alarm."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from cloud.accounts.secrets import form_token_fits
from cloud.alerts import service
from cloud.context import Cloud, Visible, Visitor, session_cookie
from cloud.entries.writing import acknowledge, put_aside
from cloud.farms.service import cooperatives
from cloud.web.layout import language_of, own_path, page
from cloud.web.views import alarm_views
from vuong.contract.api import RIGHTS, EntryKind, Right

router = APIRouter(include_in_schema=False)
_KINDS: Final = {"shelve": EntryKind.SHELVING, "unshelve": EntryKind.UNSHELVING, "reset": EntryKind.RESET}


@router.get("/alarms")
def alarms_page(request: Request, cloud: Cloud, visitor: Visitor, records: Visible) -> HTMLResponse:
    """Show open alarms by urgency, then those that were put aside, then those that were cleared."""
    language, now = language_of(request, visitor), cloud.clock.now()
    views = alarm_views(records, service.open_alarms(records), now, language)
    opened = [view for view in views if view.state not in service.ASIDE]
    return page(
        request,
        cloud,
        "alarms.html",
        visitor,
        opened=opened,
        aside=[view for view in views if view.state in service.ASIDE],
        cleared=alarm_views(records, service.cleared_alarms(records), now, language),
        coops={coop.id: coop.name for coop in cooperatives(records)},
        open_alarms=len(opened),
    )


@router.post("/alarms/{alarm}/{answer}")
def answer_alarm(
    alarm: str,
    answer: Literal["acknowledge", "shelve", "unshelve", "reset"],
    request: Request,
    cloud: Cloud,
    visitor: Visitor,
    records: Visible,
    token: Annotated[str, Form(max_length=200)] = "",
    revision: Annotated[int, Form(ge=0, lt=2**31)] = 0,
    minutes: Annotated[int, Form(ge=0, le=24 * 60)] = 0,
    reason: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=500)] = "/alarms",  # noqa: A002
) -> Response:
    """Answer an alarm and go back to the page that showed it."""
    if not form_token_fits(cloud.key, session_cookie(request), token):
        raise HTTPException(403, "the form is over; load the page again")
    if Right.ACKNOWLEDGE not in RIGHTS[visitor.role]:
        raise HTTPException(403, f"role {visitor.role} may not acknowledge")
    said: dict[str, Any] = {"revision": revision}
    if answer == "acknowledge":
        acknowledge(cloud, records, visitor, alarm, "cloud", said)
    else:
        said |= {"minutes": minutes, "reason": reason.strip()} if answer == "shelve" else {}
        put_aside(cloud, records, visitor, alarm, "cloud", _KINDS[answer], said)
    return RedirectResponse(f"{own_path(next, '/alarms')}#alarm-{alarm}", 303)
