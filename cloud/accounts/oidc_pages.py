"""``/sign-in/oidc``: to the OpenID provider and back."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import delete, select

from cloud.accounts import steps
from cloud.accounts.oidc import OidcError
from cloud.accounts.secrets import digest
from cloud.accounts.service import writing
from cloud.accounts.step_pages import settled
from cloud.accounts.tables import Identity, OidcFlow, User
from cloud.context import Cloud, session_cookie
from cloud.web.layout import cookie_options, own_path, page

router = APIRouter(include_in_schema=False)
_BROWSER: Final = "vuong_oidc"
_SECONDS: Final = 600


@router.get("/sign-in/oidc")
def to_provider(request: Request, cloud: Cloud) -> Response:
    """Send the browser to the provider."""
    target = own_path(request.query_params.get("next", "/ponds"))
    if cloud.oidc is None:
        return RedirectResponse("/sign-in", 303)
    try:
        flow = cloud.oidc.begin()
    except OidcError:
        return _again(request, cloud, "sign_in.oidc_failed", 502)
    browser, now = secrets.token_urlsafe(24), int(cloud.wall.now())
    with writing(cloud.engine) as session:
        session.execute(delete(OidcFlow).where(OidcFlow.expires <= now))
        session.add(
            OidcFlow(
                state=digest(flow.state),
                browser=digest(browser),
                nonce=flow.nonce,
                verifier=flow.verifier,
                target=target,
                expires=now + _SECONDS,
            )
        )
        session.commit()
    response = RedirectResponse(flow.url, 303)
    response.set_cookie(_BROWSER, browser, max_age=_SECONDS, **cookie_options(request))
    return response


@router.get("/sign-in/oidc/return")
def from_provider(
    request: Request,
    cloud: Cloud,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    """Take the browser back: the same browser, a flow that is used once, a token that is right, somebody whom we know."""
    now, browser = cloud.wall.now(), request.cookies.get(_BROWSER, "")
    with writing(cloud.engine) as session:
        flow = session.get(OidcFlow, digest(state))
        if flow is not None:
            session.delete(flow)
        session.commit()
    if cloud.oidc is None or flow is None or flow.expires <= now or flow.browser != digest(browser) or not code:
        return _again(request, cloud, "sign_in.oidc_failed", 403)
    try:
        subject = cloud.oidc.subject(cloud.oidc.exchange(code, flow.verifier), flow.nonce, now)
    except OidcError:
        return _again(request, cloud, "sign_in.oidc_failed", 403)
    known = (
        select(User)
        .join(Identity, Identity.user_id == User.id)
        .where(Identity.issuer == cloud.oidc.issuer, Identity.subject == subject, User.disabled.is_(None))
    )
    with writing(cloud.engine) as session:
        user = session.scalar(known)
    if user is None:
        return _again(request, cloud, "sign_in.oidc_unknown", 403)
    # What a provider asks is its own business: who needs or has a second factor here is asked for it here.
    before = session_cookie(request)
    entry = steps.go_on(cloud.engine, user, cloud.policy, now, how="oidc", target=flow.target, before=before)
    response = settled(request, entry)
    response.delete_cookie(_BROWSER, **cookie_options(request))
    return response


def _again(request: Request, cloud: Cloud, fault: str, status: int) -> Response:
    return page(
        request, cloud, "sign_in.html", None, status=status, fault=fault, login="", next="/ponds", oidc=cloud.oidc is not None
    )
