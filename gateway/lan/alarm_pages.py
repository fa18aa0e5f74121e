"""One alarm on a page of its own: what it says, what happened to it, and the forms to shelve it, take it back or reset it."""

from __future__ import annotations

from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.lan import texts
from gateway.lan.access import Device
from gateway.lan.answering import ASIDE, take_aside
from gateway.lan.api import desk_of
from gateway.lan.desk import Desk
from gateway.lan.page import language_of, page, visitor, written
from vuong import i18n
from vuong.alarms import ALARM_KINDS, LONGEST_SHELVING
from vuong.contract.api import AlarmDetail, Right

_MINUTES: Final = (30, 60, 240, 720, 1440)
_DONE: Final = {"shelving": "shelved", "unshelving": "unshelved", "reset": "reset"}


def shown_alarms(desk: Desk, now: float, language: str) -> dict[str, object]:
    """Return what the template of an alarm asks for beside the alarm."""
    return {
        "pond_names": {pond.id: pond.name for pond in desk.config.ponds.values()},
        "moment": lambda time: texts.moment_text(time, now),
        "age": lambda time: i18n.age(now - time, language),
        "suppressor": lambda name: texts.suppressor_text(name, language),
    }


def _shown(desk: Desk, name: str, language: str) -> dict[str, object] | None:
    alarm: AlarmDetail | None = desk.records.alarm(name, language)
    if alarm is None:
        return None
    now = desk.clock.now()
    longest = LONGEST_SHELVING[ALARM_KINDS[alarm["kind"]].priority] // 60
    return {
        **shown_alarms(desk, now, language),
        "a": alarm,
        "minutes": [(n, texts.duration_text(n, language)) for n in _MINUTES if n <= longest],
        "history": [
            (texts.moment_text(time, now), texts.ui(f"event.{event}", language), texts.suppressor_text(by, language))
            for time, event, by in desk.records.history(name)
        ],
    }


async def alarm(request: Request) -> Response:
    """Show one alarm."""
    return await _show(request, await visitor(request), request.path_params["alarm"])


async def _show(
    request: Request, device: Device | None, name: str, *, status: int = 200, fault: str | None = None, reason: str = ""
) -> Response:
    if device is None:
        return RedirectResponse("/sign-in", 303)
    desk, language = desk_of(request), language_of(request)
    shown = await desk.ask(_shown, desk, name, language)
    if shown is None:
        return page(request, "gone.html", status=404, device=device, fault="fault.alarm_gone")
    return page(request, "alarm.html", status=status, device=device, fault=fault, reason=reason, **shown)


async def put(request: Request) -> Response:
    """Carry a form out: ``/alarms/{alarm}/shelving``, ``/unshelving``, ``/reset``."""
    device, fields, fits = await written(request, Right.ACKNOWLEDGE)
    name, what = request.path_params["alarm"], request.url.path.rpartition("/")[2]
    if device is None or not fits:
        return await _show(request, device, name, status=403, fault="fault.expired")
    desk = desk_of(request)
    posted: dict[str, Any] = {n: int(v) for n in ("revision", "minutes") if (v := fields.get(n, "")).isascii() and v.isdigit()}
    reason = " ".join(fields.get("reason", "").split())
    if reason:
        posted["reason"] = reason
    try:
        await desk.ask(take_aside, desk, what, name, device, "gateway", posted, i18n.DEFAULT)
    except HTTPException as error:
        fault = "fault.reason" if error.status_code == 422 else "fault.moved_on"
        return await _show(request, device, name, status=error.status_code, fault=fault, reason=reason)
    return RedirectResponse(f"/?done={_DONE[what]}#alarms", 303)


def routes() -> list[Route]:
    """Return the pages."""
    one = "/alarms/{alarm}"
    return [Route(one, alarm), *(Route(f"{one}/{what}", put, methods=["POST"]) for what in ASIDE)]
