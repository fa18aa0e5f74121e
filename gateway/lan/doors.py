"""The ways in and out: PIN, pairing by a scanned code, signing out."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.lan.access import BROWSER_SECONDS, DEVICE_SECONDS, LockedError, form_token_fits
from gateway.lan.api import desk_of
from gateway.lan.desk import COOKIE
from gateway.lan.page import VISIT_COOKIE, cookie_options, form, page, written
from vuong.contract.api import Right


async def sign_in_page(request: Request) -> Response:
    """Show the form for the PIN."""
    desk = desk_of(request)
    ready = await desk.ask(desk.access.has_pin)
    return page(request, "sign_in.html", fault=None if ready else "fault.no_pin", wait=0, pairing=None)


async def sign_in(request: Request) -> Response:
    """Sign in by PIN, or say why not."""
    fields, desk = await form(request), desk_of(request)
    return await _enter_house(
        request, fields, None, lambda source, now: desk.access.sign_in(fields.get("pin", ""), fields.get("name", ""), source, now)
    )


async def pair_page(request: Request) -> Response:
    """Show the form that a scanned code leads to; the code is spent when the form is sent, not by looking at it."""
    return page(request, "sign_in.html", fault=None, wait=0, pairing=request.query_params.get("code", "")[:100])


async def pair(request: Request) -> Response:
    """Pair this browser by a code."""
    fields, desk = await form(request), desk_of(request)
    code = fields.get("code", "")
    return await _enter_house(
        request, fields, code, lambda source, now: desk.access.pair(code, fields.get("name", ""), source, now)
    )


async def _enter_house(request: Request, fields: dict[str, str], code: str | None, enter: Any) -> Response:  # noqa: ANN401
    desk = desk_of(request)

    def again(fault: str, status: int, wait: float = 0) -> Response:
        return page(request, "sign_in.html", status=status, fault=fault, wait=int(wait // 60) + 1, pairing=code)

    if not form_token_fits(request.cookies.get(VISIT_COOKIE, ""), fields.get("token", "")):
        return again("fault.expired", 403)
    try:
        token = await desk.ask(enter, request.client.host if request.client else "", desk.wall.now())
    except LockedError as error:
        return again("fault.locked", 429, error.wait)
    if token is None:
        return again("fault.pin" if code is None else "fault.code", 401)
    response = RedirectResponse("/", 303)
    response.set_cookie(COOKIE, token, max_age=BROWSER_SECONDS if code is None else DEVICE_SECONDS, **cookie_options(request))
    return response


async def sign_out(request: Request) -> Response:
    """Take this browser's token away."""
    device, _, fits = await written(request, Right.READ)
    desk = desk_of(request)
    if device is not None and fits:
        await desk.ask(desk.access.revoke, device.id)
    response = RedirectResponse("/sign-in", 303)
    if fits:
        response.delete_cookie(COOKIE, **cookie_options(request))
    return response


def routes() -> list[Route]:
    """Return the pages."""
    return [
        Route("/sign-in", sign_in_page),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/pair", pair_page),
        Route("/pair", pair, methods=["POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
    ]
