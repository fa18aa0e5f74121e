"""``/account``: one's own password, sessions, tokens and data."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from cloud.accounts import audit, factors, people, personal, service, tokens
from cloud.accounts.access import Fields
from cloud.accounts.policy import SESSION_SECONDS
from cloud.accounts.secrets import digest, form_token_fits
from cloud.accounts.service import Principal
from cloud.alerts.service import alarm_revision
from cloud.context import Cloud, Context, Visible, Visitor, session_cookie
from cloud.tenancy import ScopedSession
from cloud.web.layout import drop_cookie, keep_cookie, language_of, page
from cloud.web.texts import moment_text, ui

router = APIRouter(include_in_schema=False)


def own_number(visitor: Principal) -> int:
    """Return the number of who is signed in."""
    assert visitor.user is not None  # noqa: S101 - a browser's session is a person's
    return visitor.user


def require_own_form(request: Request, cloud: Cloud, visitor: Visitor, form: Fields) -> None:
    """Refuse a form that no page of this session made."""
    del visitor  # who is not signed in is sent to sign in
    if not form_token_fits(cloud.key, session_cookie(request), form.get("token", "")):
        raise HTTPException(403, "this form has expired; load the page anew")


OWN_FORM: Final = [Depends(require_own_form)]
_LATELY: Final = 8
_NOTABLE: Final = frozenset(
    {"sign_in.failed", "sign_in.locked", "factor.failed", "factor.locked", "factor.replayed", "factor.recovery_used"}
)
_ACTIVITY: Final = _NOTABLE | {
    "sign_in",
    "user.password",
    "user.role",
    "user.linked",
    "user.enabled",
    "token.issued",
    "factor.enrolled",
    "factor.codes_renewed",
    "factor.removed",
    "factor.reset",
}
Password = Annotated[str, Form(max_length=1000)]


def _activity(cloud: Context, me: str, now: float, language: str) -> list[dict[str, Any]]:
    """Return what happened to the account of late; notable is what its owner should not learn here for the first time."""
    return [
        {
            "text": ui(f"activity.{action}", language),
            "time": moment_text(time, now),
            "notable": actor != me or action in _NOTABLE,
        }
        for time, actor, action in audit.concerning(cloud.engine, me, _ACTIVITY, _LATELY)
    ]


def _show(
    request: Request, cloud: Context, visitor: Principal, records: ScopedSession, fault: str | None = None, status: int = 200
) -> HTMLResponse:
    language, now, user = language_of(request, visitor), cloud.wall.now(), own_number(visitor)
    here = digest(session_cookie(request))
    opened: list[dict[str, Any]] = [
        {
            "here": row.digest == here,
            "since": moment_text(row.expires - SESSION_SECONDS, now),
            "until": moment_text(row.expires, now),
        }
        for row in service.sessions(cloud.engine, user, now, cloud.policy)
    ]
    held = [
        {"id": row.id, "name": row.name, "since": moment_text(row.created, now), "until": moment_text(row.expires, now)}
        for row in tokens.of_user(cloud.engine, user, now)
    ]
    return page(
        request,
        cloud,
        "account.html",
        visitor,
        status=status,
        login=people.login_of(cloud.engine, user),
        sessions=opened,
        tokens=held,
        fault=fault,
        done=request.query_params.get("done") if status == 200 else None,
        shortest=people.shortest(visitor.role),
        longest=people.LONGEST,
        activity=_activity(cloud, f"user:{user}", now, language),
        factor=factors.state(cloud.engine, user)[0] is not None,
        reader=language,
        open_alarms=alarm_revision(records)[0],
    )


@router.get("/account")
def account_page(request: Request, cloud: Cloud, visitor: Visitor, records: Visible) -> HTMLResponse:
    """Show who one is here: password, sessions, tokens, data."""
    return _show(request, cloud, visitor, records)


def proved(request: Request, cloud: Context, visitor: Principal, password: str) -> str | None:
    """Return why the present password does not prove who asks (a text's key), ``None`` where it does; attempts count as sign-ins do."""
    address = request.client.host if request.client else ""
    login = people.login_of(cloud.engine, own_number(visitor))
    try:
        found = service.authenticate(cloud.engine, login, password, address, cloud.wall.now())
    except service.LockedError:
        return "sign_in.too_many"
    return None if found is not None else "account.wrong"


@router.post("/account/password", dependencies=OWN_FORM)
def change_password(
    request: Request,
    cloud: Cloud,
    visitor: Visitor,
    records: Visible,
    present: Password = "",
    password: Password = "",
    again: Password = "",
) -> Response:
    """Change one's password; all other sessions and all tokens end, and this one goes on under a new cookie."""
    now, fault = cloud.wall.now(), proved(request, cloud, visitor, present)
    if fault is None and password != again:
        fault = "account.differ"
    if fault is None:
        try:
            user = people.change_password(cloud.engine, own_number(visitor), password, now=now, actor=visitor.actor)
        except people.PersonError:
            fault = "account.weak"
        else:
            response = RedirectResponse("/account?done=password", 303)
            cookie = service.open_session(cloud.engine, user, now, "password changed")
            keep_cookie(request, response, cookie, SESSION_SECONDS)
            return response
    return _show(request, cloud, visitor, records, fault, 429 if fault == "sign_in.too_many" else 422)


@router.post("/account/sessions/end", dependencies=OWN_FORM)
def end_sessions(request: Request, cloud: Cloud, visitor: Visitor) -> Response:
    """End all of one's sessions but this one."""
    service.end_other_sessions(cloud.engine, own_number(visitor), session_cookie(request), cloud.wall.now())
    return RedirectResponse("/account?done=sessions", 303)


@router.post("/account/tokens/{token}/end", dependencies=OWN_FORM)
def end_token(token: int, cloud: Cloud, visitor: Visitor) -> Response:
    """End one of one's tokens."""
    if 0 <= token < 2**31:
        tokens.revoke(cloud.engine, own_number(visitor), token, now=cloud.wall.now(), actor=visitor.actor)
    return RedirectResponse("/account?done=token", 303)


@router.post("/account/data", dependencies=OWN_FORM)
def my_data(cloud: Cloud, visitor: Visitor) -> Response:
    """Hand out everything that is held about the person, as a file."""
    held = personal.export(cloud.engine, own_number(visitor), now=cloud.wall.now(), actor=visitor.actor)
    return JSONResponse(held, headers={"Content-Disposition": 'attachment; filename="vuong.json"'})


@router.post("/account/delete", dependencies=OWN_FORM)
def delete_account(request: Request, cloud: Cloud, visitor: Visitor, records: Visible, present: Password = "") -> Response:
    """Delete what names the person, who confirms it with the password."""
    fault = proved(request, cloud, visitor, present)
    if fault is not None:
        return _show(request, cloud, visitor, records, fault, 429 if fault == "sign_in.too_many" else 422)
    personal.delete(cloud.engine, own_number(visitor), now=cloud.wall.now(), actor=visitor.actor)
    response = RedirectResponse("/sign-in", 303)
    drop_cookie(request, response)
    return response
