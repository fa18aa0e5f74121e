"""What every page of the LAN shares: templates, the reader's language, form tokens, who looks and who writes."""

from __future__ import annotations

import hashlib
import secrets
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from gateway.lan import texts
from gateway.lan.access import DEVICE_SECONDS, Device, form_token, form_token_fits
from gateway.lan.api import desk_of
from gateway.lan.desk import COOKIE, body_of
from vuong import i18n
from vuong.contract.api import Right
from vuong.i18n import DEFAULT, LANGUAGES

STATIC: Final = Path(__file__).parent / "static"
_LANGUAGE_COOKIE: Final = "vuong_language"
# Before anybody signed in, a form token belongs to this cookie.
VISIT_COOKIE: Final = "vuong_visit"
_LANGUAGE_NAMES: Final = {"vi": "Tiếng Việt", "en": "English", "km": "ខ្មែរ"}
_LONGEST_FIELD: Final = 500

_templates = Environment(
    loader=PackageLoader("gateway.lan"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


@cache
def static_url(path: str) -> str:
    """Return the address of a static file; its content is in the address, so that browsers may keep it for ever."""
    return f"/static/{path}?v={hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]}"


_templates.globals["static"] = static_url


def language_of(request: Request) -> str:
    """Return the reader's language."""
    choices = (request.query_params.get("lang"), request.cookies.get(_LANGUAGE_COOKIE))
    return next((choice for choice in choices if choice in LANGUAGES), DEFAULT)


def cookie_options(request: Request) -> dict[str, Any]:
    """Return what every cookie of ours is set with."""
    return {"httponly": True, "samesite": "strict", "secure": request.url.scheme == "https", "path": "/"}


def page(request: Request, template: str, *, status: int = 200, device: Device | None = None, **values: object) -> HTMLResponse:
    """Return a page; the template gets `values` and what all pages share."""
    language, desk = language_of(request), desk_of(request)
    session = request.cookies.get(COOKIE) if device else request.cookies.get(VISIT_COOKIE)
    visit = None
    if not session:
        session = visit = secrets.token_urlsafe(16)
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    common = {
        "t": lambda key, **numbers: texts.ui(key, language, **numbers),
        "common": lambda key, **numbers: i18n.text(key, language, **numbers),
        "language": language,
        "languages": [(code, _LANGUAGE_NAMES[code], "?" + urlencode([*query, ("lang", code)])) for code in LANGUAGES],
        "gateway": desk.config.name,
        "device": device,
        "may_acknowledge": device is not None and device.may(Right.ACKNOWLEDGE),
        "is_technician": device is not None and device.may(Right.CALIBRATE),
        "form_token": form_token(session),
    }
    response = HTMLResponse(_templates.get_template(template).render(common | values), status_code=status)
    if visit:
        response.set_cookie(VISIT_COOKIE, visit, **cookie_options(request))
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(_LANGUAGE_COOKIE, language, max_age=DEVICE_SECONDS, **cookie_options(request))
    return response


async def visitor(request: Request) -> Device | None:
    """Return which signed-in browser asks."""
    desk, cookie = desk_of(request), request.cookies.get(COOKIE, "")
    return await desk.ask(desk.access.device, cookie, desk.wall.now()) if cookie else None


async def form(request: Request) -> dict[str, str]:
    """Return the fields of a form."""
    try:
        fields = parse_qsl((await body_of(request)).decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise HTTPException(422, "the form cannot be read; send it again") from None
    return {name: value[:_LONGEST_FIELD] for name, value in fields}


async def written(request: Request, right: Right) -> tuple[Device | None, dict[str, str], bool]:
    """Return who sends a form, its fields, and whether it may be carried out."""
    device, fields = await visitor(request), await form(request)
    fits = device is not None and form_token_fits(request.cookies[COOKIE], fields.get("token", "")) and device.may(right)
    return device, fields, fits
