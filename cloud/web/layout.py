"""Rendering a page: templates, language, form tokens, addresses of static files."""

from __future__ import annotations

import hashlib
import secrets
from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from cloud.accounts.secrets import form_token
from cloud.accounts.service import Principal
from cloud.context import COOKIE, Context, cookie_name, session_cookie
from cloud.web import texts
from vuong import i18n
from vuong.contract.api import RIGHTS, Right
from vuong.i18n import DEFAULT, LANGUAGES

STATIC: Final = Path(__file__).parent / "static"
LANGUAGE_COOKIE: Final = "vuong_language"
# Before anybody signed in, a form token belongs to this cookie.
VISIT_COOKIE: Final = "vuong_visit"
# Languages name themselves.
LANGUAGE_NAMES: Final = {"vi": "Tiếng Việt", "en": "English", "km": "ខ្មែរ"}
_YEAR: Final = 365 * 86_400

_templates = Environment(
    loader=PackageLoader("cloud.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


@cache
def static_url(path: str) -> str:
    """Return the address of a static file; its content is in the address, so that browsers may keep it for ever."""
    return f"/static/{path}?v={hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]}"


_templates.globals["static"] = static_url


def language_of(request: Request, visitor: Principal | None = None, own: str | None = None) -> str:
    """Return the language to write in: asked for, chosen before, the person's own, Vietnamese."""
    choices = (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE), visitor.language if visitor else own)
    return next((choice for choice in choices if choice in LANGUAGES), DEFAULT)


def cookie_options(request: Request) -> dict[str, Any]:
    """Return how every cookie is set: not for scripts, not for other sites, and only encrypted where the page is."""
    return {"httponly": True, "samesite": "lax", "secure": request.url.scheme == "https", "path": "/"}


def keep_cookie(request: Request, response: Response, value: str, seconds: int, name: str = COOKIE) -> None:
    """Give the browser the cookie of a session, or of a step towards one."""
    response.set_cookie(cookie_name(request, name), value, max_age=seconds, **cookie_options(request))


def drop_cookie(request: Request, response: Response, name: str = COOKIE) -> None:
    """Take it away again."""
    response.delete_cookie(cookie_name(request, name), **cookie_options(request))


def own_path(target: str, default: str = "/ponds") -> str:
    """Return where a form leads to: a path of ours, never another site's address."""
    own = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if own else default


def browser_session(request: Request) -> str:
    """Return what a form token belongs to: the signed-in session, or this browser's visit; empty where there is neither."""
    return session_cookie(request) or request.cookies.get(VISIT_COOKIE) or ""


def page(
    request: Request,
    cloud: Context,
    template: str,
    visitor: Principal | None,
    *,
    status: int = 200,
    own_language: str | None = None,
    new_session: str | None = None,
    **values: object,
) -> HTMLResponse:
    """Return a page of `template` in the reader's language; its forms belong to the browser's session, or to one that begins with it."""
    language = language_of(request, visitor, own_language)
    session = new_session or browser_session(request)
    visit = None
    if not session:
        session = visit = secrets.token_urlsafe(16)
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    common = {
        "t": lambda key, **numbers: texts.ui(key, language, **numbers),
        "common": lambda key, **numbers: i18n.text(key, language, **numbers),
        "state_name": partial(texts.state_text, language=language),
        "quantity": partial(texts.quantity_text, language=language),
        "language": language,
        "languages": [(code, LANGUAGE_NAMES[code], "?" + urlencode([*query, ("lang", code)])) for code in LANGUAGES],
        "visitor": visitor,
        "path": request.url.path,
        "may_acknowledge": visitor is not None and Right.ACKNOWLEDGE in RIGHTS[visitor.role],
        "form_token": form_token(cloud.key, session),
        "now": cloud.clock.now(),
    }
    response = HTMLResponse(_templates.get_template(template).render(common | values), status_code=status)
    if visit:
        response.set_cookie(VISIT_COOKIE, visit, **cookie_options(request))
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR, **cookie_options(request))
    return response
