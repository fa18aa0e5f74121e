"""``/sign-in/step``: what is asked between the right password and the session."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from cloud.accounts import attempts, factors, people, service, steps
from cloud.accounts.policy import SESSION_SECONDS
from cloud.accounts.secrets import form_token_fits
from cloud.accounts.steps import Entry, Step, Waiting
from cloud.context import Cloud, Context, cookie_name, session_cookie, signed_in
from cloud.web.layout import browser_session, drop_cookie, keep_cookie, language_of, page
from cloud.web.texts import ui

router = APIRouter(include_in_schema=False)
STEP_COOKIE: Final = "vuong_step"
_HERE: Final = "/sign-in/step"
_MEASURED_A_MINUTE: Final = 120


def settled(request: Request, entry: Entry) -> Response:
    """Send the browser where its sign-in goes on, or where it wanted to go."""
    if entry.step is not None:
        response = RedirectResponse(_HERE, 303)
        keep_cookie(request, response, entry.cookie, steps.STEP_SECONDS, STEP_COOKIE)
        return response
    response = RedirectResponse(entry.target, 303)
    keep_cookie(request, response, entry.cookie, SESSION_SECONDS)
    drop_cookie(request, response, STEP_COOKIE)
    return response


def _show(
    request: Request, cloud: Context, waiting: Waiting, fault: str | None = None, status: int = 200, retry: float | None = None
) -> HTMLResponse:
    secret = None
    if waiting.step is Step.ENROL:
        secret = factors.begin(cloud.engine, waiting.user.id, cloud.seal, cloud.wall.now())
    shown = page(
        request,
        cloud,
        "step.html",
        None,
        status=status,
        own_language=waiting.user.language,
        step=waiting.step.value,
        login=waiting.user.login,
        fault=fault,
        shortest=people.shortest(waiting.user.role),
        longest=people.LONGEST,
        secret=factors.grouped(secret) if secret else None,
        qr=factors.picture(secret, waiting.user.login) if secret else None,
    )
    if retry is not None:
        shown.headers["Retry-After"] = str(int(retry) + 1)
    return shown


def _waiting(request: Request, cloud: Context) -> Waiting | None:
    cookie = request.cookies.get(cookie_name(request, STEP_COOKIE))
    return steps.waiting(cloud.engine, cookie, cloud.policy, cloud.wall.now()) if cookie else None


@router.get(_HERE)
def step_page(request: Request, cloud: Cloud) -> Response:
    """Show what is asked next; who has not begun is sent to sign in."""
    waiting = _waiting(request, cloud)
    return RedirectResponse("/sign-in", 303) if waiting is None else _show(request, cloud, waiting)


@router.post("/sign-in/strength")
def measure(
    request: Request,
    cloud: Cloud,
    token: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=people.LONGEST)] = "",
) -> dict[str, int | str]:
    """Tell whoever chooses a password how strong it is; nothing of it is kept."""
    waiting = _waiting(request, cloud)
    somebody = waiting.user.id if waiting else getattr(signed_in(request, cloud), "user", None)
    if somebody is None or not form_token_fits(cloud.key, browser_session(request), token):
        raise HTTPException(401, "sign in first")
    if not attempts.spend(cloud.engine, f"strength:{somebody}", cloud.wall.now(), limit=_MEASURED_A_MINUTE, seconds=60):
        raise HTTPException(429, "too many; wait a minute", {"Retry-After": "60"})
    user = people.by_number(cloud.engine, somebody)
    score = people.strength(password, user.login, user.role)
    return {"score": score, "text": ui(f"strength.{score}", language_of(request, own=user.language))}


@router.post(_HERE)
def take_step(
    request: Request,
    cloud: Cloud,
    token: Annotated[str, Form(max_length=200)] = "",
    code: Annotated[str, Form(max_length=100)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    again: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Take the step that is asked, and go on."""
    waiting, now = _waiting(request, cloud), cloud.wall.now()
    if waiting is None:
        return RedirectResponse("/sign-in", 303)
    if not form_token_fits(cloud.key, browser_session(request), token):
        return _show(request, cloud, waiting, "sign_in.expired", 403)
    if waiting.step is Step.PASSWORD:
        return _choose(request, cloud, waiting, (password, again), now)
    return (_prove if waiting.step is Step.CODE else _enrol)(request, cloud, waiting, code, now)


def _prove(request: Request, cloud: Context, waiting: Waiting, code: str, now: float) -> Response:
    try:
        right = factors.prove(cloud.engine, waiting.user.id, code, cloud.seal, now)
    except service.LockedError as error:
        return _show(request, cloud, waiting, "sign_in.too_many", 429, error.seconds)
    if not right:
        return _show(request, cloud, waiting, "step.code_wrong", 401)
    return settled(request, _go_on(request, cloud, waiting, now, proved=True))


def _choose(request: Request, cloud: Context, waiting: Waiting, twice: tuple[str, str], now: float) -> Response:
    if twice[0] != twice[1]:
        return _show(request, cloud, waiting, "account.differ", 422)
    try:
        people.set_password(cloud.engine, waiting.user.login, twice[0], now=now, actor=f"user:{waiting.user.id}")
    except people.PersonError:
        return _show(request, cloud, waiting, "step.password_weak", 422)
    return settled(request, _go_on(request, cloud, waiting, now, proved=waiting.proved))


def _go_on(request: Request, cloud: Context, waiting: Waiting, now: float, *, proved: bool) -> Entry:
    user = people.find(cloud.engine, waiting.user.login)  # as the step left them
    return steps.go_on(
        cloud.engine,
        user,
        cloud.policy,
        now,
        how=waiting.how,
        target=waiting.target,
        proved=proved,
        before=session_cookie(request),
    )


def _enrol(request: Request, cloud: Context, waiting: Waiting, code: str, now: float) -> Response:
    codes = factors.confirm(cloud.engine, waiting.user.id, code, cloud.seal, now)
    if codes is None:
        return _show(request, cloud, waiting, "factor.code_wrong", 422)
    entry = _go_on(request, cloud, waiting, now, proved=True)
    session = entry.cookie if entry.step is None else None
    language = waiting.user.language
    response = page(
        request,
        cloud,
        "recovery.html",
        None,
        own_language=language,
        new_session=session,
        codes=codes,
        onward=entry.target if entry.step is None else _HERE,
    )
    if entry.step is None:
        keep_cookie(request, response, entry.cookie, SESSION_SECONDS)
        drop_cookie(request, response, STEP_COOKIE)
    else:
        keep_cookie(request, response, entry.cookie, steps.STEP_SECONDS, STEP_COOKIE)
    return response
