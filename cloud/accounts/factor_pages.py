"""``/account/factor``: one's own second factor, put on, renewed and taken off."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from cloud.accounts import factors, people, service
from cloud.accounts.account_pages import OWN_FORM, Password, own_number, proved
from cloud.accounts.policy import SESSION_SECONDS
from cloud.accounts.roles import Role
from cloud.accounts.service import Principal
from cloud.alerts.service import alarm_revision
from cloud.context import Cloud, Context, Visible, Visitor
from cloud.tenancy import ScopedSession
from cloud.web.layout import keep_cookie, page
from cloud.web.texts import moment_text

router = APIRouter(include_in_schema=False)


def _show(
    request: Request,
    cloud: Context,
    visitor: Principal,
    records: ScopedSession,
    fault: str | None = None,
    status: int = 200,
    *,
    secret: str | None = None,
) -> HTMLResponse:
    user, now = own_number(visitor), cloud.wall.now()
    since, left = factors.state(cloud.engine, user)
    login = people.login_of(cloud.engine, user)
    return page(
        request,
        cloud,
        "factor.html",
        visitor,
        status=status,
        since=moment_text(since, now) if since else None,
        left=left,
        required=Role(visitor.role) in cloud.policy.second_factor,
        login=login,
        secret=factors.grouped(secret) if secret else None,
        qr=factors.picture(secret, login) if secret else None,
        fault=fault,
        open_alarms=alarm_revision(records)[0],
    )


def _codes(
    request: Request,
    cloud: Context,
    visitor: Principal,
    records: ScopedSession,
    codes: list[str],
    new_session: str | None = None,
) -> HTMLResponse:
    return page(
        request,
        cloud,
        "recovery.html",
        visitor,
        new_session=new_session,
        codes=codes,
        onward="/account/factor",
        open_alarms=alarm_revision(records)[0],
    )


@router.get("/account/factor")
def factor_page(request: Request, cloud: Cloud, visitor: Visitor, records: Visible) -> HTMLResponse:
    """Show whether one has a second factor."""
    return _show(request, cloud, visitor, records)


@router.post("/account/factor", dependencies=OWN_FORM)
def change_factor(
    request: Request,
    cloud: Cloud,
    visitor: Visitor,
    records: Visible,
    do: Annotated[str, Form(max_length=10)] = "",
    present: Password = "",
    code: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Begin with a second factor, confirm it, renew the recovery codes or turn it off.

    All but the confirmation ask for the password, the last two also for a code.
    """
    user, now = own_number(visitor), cloud.wall.now()
    since, _ = factors.state(cloud.engine, user)
    if do == "confirm" and since is None:
        return _confirm(request, cloud, visitor, records, code)
    fault = proved(request, cloud, visitor, present)
    if fault is None and since is not None:
        fault = _coded(cloud, user, code, now)
    if fault is not None:
        return _show(request, cloud, visitor, records, fault, 429 if fault == "sign_in.too_many" else 422)
    if since is None:
        return _show(request, cloud, visitor, records, secret=factors.begin(cloud.engine, user, cloud.seal, now))
    if do == "codes":
        return _codes(request, cloud, visitor, records, factors.renew_codes(cloud.engine, user, now))
    if do != "off" or Role(visitor.role) in cloud.policy.second_factor:
        return _show(request, cloud, visitor, records, "factor.required", 403)
    factors.remove(cloud.engine, user, now)
    response = RedirectResponse("/account?done=factor", 303)
    cookie = service.open_session(cloud.engine, people.by_number(cloud.engine, user), now, "second factor off")
    keep_cookie(request, response, cookie, SESSION_SECONDS)
    return response


def _confirm(request: Request, cloud: Context, visitor: Principal, records: ScopedSession, code: str) -> Response:
    user, now = own_number(visitor), cloud.wall.now()
    codes = factors.confirm(cloud.engine, user, code, cloud.seal, now)
    if codes is None:
        secret = factors.begin(cloud.engine, user, cloud.seal, now) if factors.begun(cloud.engine, user, now) else None
        return _show(request, cloud, visitor, records, "factor.code_wrong", 422, secret=secret)
    cookie = service.open_session(cloud.engine, people.by_number(cloud.engine, user), now, "second factor")
    shown = _codes(request, cloud, visitor, records, codes, cookie)
    keep_cookie(request, shown, cookie, SESSION_SECONDS)
    return shown


def _coded(cloud: Context, user: int, code: str, now: float) -> str | None:
    try:
        right = factors.prove(cloud.engine, user, code, cloud.seal, now)
    except service.LockedError:
        return "sign_in.too_many"
    return None if right else "step.code_wrong"
