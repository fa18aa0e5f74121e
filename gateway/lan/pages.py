"""The farmer's page, for who has no app: alarms with what to do, values, a button to acknowledge, a form for hand readings. Works without scripts."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.lan import texts
from gateway.lan.access import BROWSER_SECONDS, DEVICE_SECONDS, Device, LockedError, form_token, form_token_fits
from gateway.lan.api import desk_of, take_acknowledgement
from gateway.lan.desk import COOKIE, Desk, body_of
from vuong import i18n
from vuong.contract.api import HAND_QUANTITIES, AlarmDetail, EntryKind, LastValue, Right
from vuong.flags import Flag
from vuong.i18n import DEFAULT, LANGUAGES
from vuong.limits import Band
from vuong.quantities import QUANTITIES

STATIC: Final = Path(__file__).parent / "static"
# What a farmer looks at first, in this order.
SHOWN: Final = ("do", "ph", "salinity", "temperature")
_HAND_FIRST: Final = ("do", "ph", "salinity", "temperature", "alkalinity", "tan", "nitrite", "h2s")
_SILENT: Final = 3600
_LANGUAGE_COOKIE: Final = "vuong_language"
# Before anybody signed in, a form token belongs to this cookie.
_VISIT_COOKIE: Final = "vuong_visit"
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


@dataclass(frozen=True, slots=True)
class Shown:
    """One value of a pond; `level` is ``ok``, ``warning`` or ``critical`` by the pond's limits."""

    quantity: str
    name: str
    unit: str
    text: str | None
    age: str
    level: str
    doubted: bool
    lags: bool
    old: bool


@dataclass(frozen=True, slots=True)
class ShownPond:
    """A pond with its state in one word: its most urgent alarm's priority, ``silent``, ``empty`` or ``ok``."""

    id: str
    name: str
    state: str
    word: str
    age: str | None
    values: list[Shown]


def _language(request: Request) -> str:
    choices = (request.query_params.get("lang"), request.cookies.get(_LANGUAGE_COOKIE))
    return next((choice for choice in choices if choice in LANGUAGES), DEFAULT)


def _cookie(request: Request) -> dict[str, Any]:
    return {"httponly": True, "samesite": "strict", "secure": request.url.scheme == "https", "path": "/"}


def _page(request: Request, template: str, *, status: int = 200, device: Device | None = None, **values: object) -> HTMLResponse:
    language, desk = _language(request), desk_of(request)
    session = request.cookies.get(COOKIE) if device else request.cookies.get(_VISIT_COOKIE)
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
        "form_token": form_token(session),
    }
    response = HTMLResponse(_templates.get_template(template).render(common | values), status_code=status)
    if visit:
        response.set_cookie(_VISIT_COOKIE, visit, **_cookie(request))
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(_LANGUAGE_COOKIE, language, max_age=DEVICE_SECONDS, **_cookie(request))
    return response


def _level(value: float, band: Band | None) -> str:
    if band is None:
        return "ok"
    for name, low, high in (
        ("critical", band.low_critical, band.high_critical),
        ("warning", band.low_warning, band.high_warning),
    ):
        if (low is not None and value < low) or (high is not None and value > high):
            return name
    return "ok"


def _shown(name: str, row: LastValue | None, band: Band | None, newest: int, now: float, language: str) -> Shown:
    failed = row is not None and row["flag"] == Flag.FAIL
    return Shown(
        quantity=name,
        name=texts.quantity_text(name, language),
        unit="" if name == "ph" else QUANTITIES[name].unit,
        text=None if row is None else texts.value_text(row["value"], name, language),
        age="" if row is None else texts.age_text(now - row["time"], language),
        level="ok" if row is None or failed else _level(row["value"], band),
        doubted=row is not None and row["flag"] in {Flag.SUSPECT, Flag.FAIL},
        # A pond that is silent says so once; a value that lags behind the others says it of itself.
        lags=row is not None and newest - row["time"] > _SILENT,
        old=row is not None and now - row["time"] > _SILENT,
    )


def _ponds(desk: Desk, alarms: list[AlarmDetail], now: float, language: str) -> list[ShownPond]:
    urgent: dict[str, str] = {}
    for alarm in alarms:  # the most urgent comes first
        urgent.setdefault(alarm["pond"], alarm["priority"])
    found = []
    for pond in desk.config.ponds.values():
        latest = {row["quantity"]: row for row in desk.records.latest(pond.id)}
        newest = max((row["time"] for row in latest.values()), default=None)
        state = urgent.get(pond.id) or ("empty" if newest is None else "silent" if now - newest > _SILENT else "ok")
        word = i18n.text(f"priority.{state}", language) if pond.id in urgent else texts.ui(f"state.{state}", language)
        values = [_shown(name, latest.get(name), pond.limits.band(name), newest or 0, now, language) for name in SHOWN]
        age = None if newest is None else texts.age_text(now - newest, language)
        found.append(ShownPond(pond.id, pond.name, state, word, age, values))
    return found


def _home(desk: Desk, language: str) -> dict[str, object]:
    now = desk.clock.now()
    alarms = desk.records.alarms(language, cleared=True)
    opened, past = [a for a in alarms if a["cleared"] is None], [a for a in alarms if a["cleared"] is not None]
    said = [
        (desk.config.ponds[pond].name, entry)
        for pond in desk.config.ponds
        for entry in desk.entries.of_pond(pond, EntryKind.HAND_READING, 0, 2**40, 3)
    ]
    said.sort(key=lambda pair: -pair[1]["at"])
    return {
        "opened": opened,
        "past": past[:10],
        "ponds": _ponds(desk, opened, now, language),
        "pond_names": {pond.id: pond.name for pond in desk.config.ponds.values()},
        "moment": lambda time: texts.moment_text(time, now),
        "age": lambda time: texts.age_text(now - time, language),
        "hand_quantities": [(name, texts.quantity_text(name, language), HAND_QUANTITIES[name]["unit"]) for name in _HAND_FIRST],
        "said": [
            (
                name,
                texts.quantity_text(entry["content"]["quantity"], language),
                i18n.number(entry["content"]["value"], 2, language),
                HAND_QUANTITIES[entry["content"]["quantity"]]["unit"],
                texts.moment_text(entry["at"], now),
                entry["by"],
            )
            for name, entry in said[:5]
        ],
    }


async def _visitor(request: Request) -> Device | None:
    desk, cookie = desk_of(request), request.cookies.get(COOKIE, "")
    return await desk.ask(desk.access.device, cookie, desk.wall.now()) if cookie else None


async def home(request: Request) -> Response:
    """Show everything of this gateway on one page."""
    return await _show_home(request, await _visitor(request))


async def _show_home(
    request: Request, device: Device | None, *, status: int = 200, fault: str | None = None, typed: dict[str, str] | None = None
) -> Response:
    if device is None:
        return RedirectResponse("/sign-in", 303)
    desk = desk_of(request)
    shown = await desk.ask(_home, desk, _language(request))
    done = request.query_params.get("done")
    return _page(
        request,
        "home.html",
        status=status,
        device=device,
        fault=fault,
        typed=typed or {},
        done=done if done in {"acknowledged", "entered"} else None,
        may_acknowledge=device.may(Right.ACKNOWLEDGE),
        may_enter=device.may(Right.ENTER),
        **shown,
    )


async def _form(request: Request) -> dict[str, str]:
    try:
        fields = parse_qsl((await body_of(request)).decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise HTTPException(422, "the form cannot be read; send it again") from None
    return {name: value[:_LONGEST_FIELD] for name, value in fields}


async def _written(request: Request, right: Right) -> tuple[Device | None, dict[str, str], bool]:
    """Return who sends a form, its fields, and whether it may be carried out."""
    device, fields = await _visitor(request), await _form(request)
    fits = device is not None and form_token_fits(request.cookies[COOKIE], fields.get("token", "")) and device.may(right)
    return device, fields, fits


async def acknowledge(request: Request) -> Response:
    """Acknowledge an alarm."""
    device, fields, fits = await _written(request, Right.ACKNOWLEDGE)
    if device is None or not fits:
        return await _show_home(request, device, status=403, fault="fault.expired")
    desk = desk_of(request)
    revision = fields.get("revision", "")
    posted: dict[str, Any] = {"revision": int(revision)} if revision.isascii() and revision.isdigit() else {}
    try:
        await desk.ask(take_acknowledgement, desk, fields.get("alarm", ""), device, "gateway", posted)
    except HTTPException as error:
        return await _show_home(request, device, status=error.status_code, fault="fault.alarm_gone")
    return RedirectResponse("/?done=acknowledged#alarms", 303)


async def enter(request: Request) -> Response:
    """Take a hand reading."""
    device, fields, fits = await _written(request, Right.ENTER)
    if device is None or not fits:
        return await _show_home(request, device, status=403, fault="fault.expired")
    desk = desk_of(request)
    # People here write 3,5; a phone's keyboard offers either.
    typed = fields.get("value", "").strip().replace(",", ".")
    try:
        value = float(typed)
    except ValueError:
        return await _show_home(request, device, status=422, fault="fault.number", typed=fields)
    if fields.get("pond") not in desk.config.ponds:
        return await _show_home(request, device, status=422, fault="fault.expired", typed=fields)
    content = {"quantity": fields.get("quantity", ""), "value": value, "note": " ".join(fields.get("note", "").split())}
    posted = {"id": fields["id"]} if fields.get("id") else {}
    try:
        entry = desk.entry(EntryKind.HAND_READING, fields["pond"], device.name, "gateway", content, posted)
        await desk.ask(desk.store, entry)
    except HTTPException:
        return await _show_home(request, device, status=422, fault="fault.range", typed=fields)
    return RedirectResponse("/?done=entered#hand", 303)


async def sign_in_page(request: Request) -> Response:
    """Show the form for the PIN."""
    desk = desk_of(request)
    ready = await desk.ask(desk.access.has_pin)
    return _page(request, "sign_in.html", fault=None if ready else "fault.no_pin", wait=0, pairing=None)


async def sign_in(request: Request) -> Response:
    """Sign in by PIN, or say why not."""
    fields, desk = await _form(request), desk_of(request)
    return await _enter_house(
        request, fields, None, lambda source, now: desk.access.sign_in(fields.get("pin", ""), fields.get("name", ""), source, now)
    )


async def pair_page(request: Request) -> Response:
    """Show the form that a scanned code leads to; the code is spent when the form is sent, not by looking at it."""
    return _page(request, "sign_in.html", fault=None, wait=0, pairing=request.query_params.get("code", "")[:100])


async def pair(request: Request) -> Response:
    """Pair this browser by a code."""
    fields, desk = await _form(request), desk_of(request)
    code = fields.get("code", "")
    return await _enter_house(
        request, fields, code, lambda source, now: desk.access.pair(code, fields.get("name", ""), source, now)
    )


async def _enter_house(request: Request, fields: dict[str, str], code: str | None, enter: Any) -> Response:  # noqa: ANN401
    desk = desk_of(request)

    def again(fault: str, status: int, wait: float = 0) -> Response:
        return _page(request, "sign_in.html", status=status, fault=fault, wait=int(wait // 60) + 1, pairing=code)

    if not form_token_fits(request.cookies.get(_VISIT_COOKIE, ""), fields.get("token", "")):
        return again("fault.expired", 403)
    try:
        token = await desk.ask(enter, request.client.host if request.client else "", desk.wall.now())
    except LockedError as error:
        return again("fault.locked", 429, error.wait)
    if token is None:
        return again("fault.pin" if code is None else "fault.code", 401)
    response = RedirectResponse("/", 303)
    response.set_cookie(COOKIE, token, max_age=BROWSER_SECONDS if code is None else DEVICE_SECONDS, **_cookie(request))
    return response


async def sign_out(request: Request) -> Response:
    """Take this browser's token away."""
    device, _, fits = await _written(request, Right.READ)
    desk = desk_of(request)
    if device is not None and fits:
        await desk.ask(desk.access.revoke, device.id)
    response = RedirectResponse("/sign-in", 303)
    if fits:
        response.delete_cookie(COOKIE, **_cookie(request))
    return response


def routes() -> list[Route]:
    """Return the pages."""
    return [
        Route("/", home),
        Route("/sign-in", sign_in_page),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/pair", pair_page),
        Route("/pair", pair, methods=["POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
        Route("/acknowledge", acknowledge, methods=["POST"]),
        Route("/hand-readings", enter, methods=["POST"]),
    ]
