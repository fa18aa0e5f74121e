"""Signing in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from cloud.accounts import service, steps
from cloud.accounts.secrets import form_token_fits
from cloud.accounts.step_pages import settled
from cloud.context import Cloud, session_cookie
from cloud.web.layout import browser_session, drop_cookie, own_path, page

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
def sign_in_page(request: Request, cloud: Cloud) -> HTMLResponse:
    """Show the sign-in form."""
    return page(
        request,
        cloud,
        "sign_in.html",
        None,
        fault=None,
        login="",
        next=own_path(request.query_params.get("next", "/ponds")),
        oidc=cloud.oidc is not None,
    )


@router.post("/sign-in")
def sign_in(
    request: Request,
    cloud: Cloud,
    login: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    token: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=500)] = "/ponds",  # noqa: A002
) -> Response:
    """Sign in or go on to the next step, or say why not."""
    target, now = own_path(next), cloud.wall.now()

    def again(fault: str, status: int) -> HTMLResponse:
        return page(
            request,
            cloud,
            "sign_in.html",
            None,
            status=status,
            fault=fault,
            login=login,
            next=target,
            oidc=cloud.oidc is not None,
        )

    if not form_token_fits(cloud.key, browser_session(request), token):
        return again("sign_in.expired", 403)
    address = request.client.host if request.client else ""
    try:
        user = service.authenticate(cloud.engine, login, password, address, now)
    except service.LockedError as error:
        locked = again("sign_in.too_many", 429)
        locked.headers["Retry-After"] = str(int(error.seconds) + 1)
        return locked
    if user is None:
        return again("sign_in.wrong", 401)
    before = session_cookie(request)
    entry = steps.go_on(cloud.engine, user, cloud.policy, now, how=steps.BY_PASSWORD, target=target, before=before)
    return settled(request, entry)


@router.post("/sign-out")
def sign_out(request: Request, cloud: Cloud, token: Annotated[str, Form(max_length=200)] = "") -> Response:
    """Sign out."""
    session = session_cookie(request)
    if session and form_token_fits(cloud.key, session, token):
        service.sign_out(cloud.engine, session)
        response = RedirectResponse("/sign-in", 303)
        drop_cookie(request, response)
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response
    return RedirectResponse("/ponds", 303)
