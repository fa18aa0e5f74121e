"""The farmer's page, for who has no app: alarms with what to do, values, a button to acknowledge, a form for hand readings. Works without scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.lan import texts
from gateway.lan.access import Device
from gateway.lan.alarm_pages import shown_alarms
from gateway.lan.answering import take_acknowledgement
from gateway.lan.api import desk_of
from gateway.lan.desk import Desk
from gateway.lan.page import language_of, page, visitor, written
from vuong import i18n
from vuong.alarms import State
from vuong.contract.api import HAND_QUANTITIES, AlarmDetail, EntryKind, LastValue, Right
from vuong.flags import Flag
from vuong.limits import Band
from vuong.quantities import QUANTITIES

# What a farmer looks at first, in this order.
SHOWN: Final = ("do", "ph", "salinity", "temperature")
_HAND_FIRST: Final = ("do", "ph", "salinity", "temperature", "alkalinity", "tan", "nitrite", "h2s")
_SILENT: Final = 3600
_ASIDE: Final = (State.SHELVED, State.SUPPRESSED)
_DONE: Final = ("acknowledged", "entered", "shelved", "unshelved", "reset")


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


def _shown(name: str, row: LastValue | None, band: Band | None, newest: int, now: float, language: str) -> Shown:
    failed = row is not None and row["flag"] == Flag.FAIL
    return Shown(
        quantity=name,
        name=texts.quantity_text(name, language),
        unit="" if name == "ph" else QUANTITIES[name].unit,
        text=None if row is None else texts.value_text(row["value"], name, language),
        age="" if row is None else i18n.age(now - row["time"], language),
        level="ok" if row is None or failed or band is None else band.level(row["value"]),
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
        age = None if newest is None else i18n.age(now - newest, language)
        found.append(ShownPond(pond.id, pond.name, state, word, age, values))
    return found


def _home(desk: Desk, language: str) -> dict[str, object]:
    now = desk.clock.now()
    alarms = desk.records.alarms(language, cleared=True)
    opened, past = [a for a in alarms if a["cleared"] is None], [a for a in alarms if a["cleared"] is not None]
    opened.sort(key=lambda a: a["state"] in _ASIDE)  # what is put aside comes behind what calls
    said = [
        (desk.config.ponds[pond].name, entry)
        for pond in desk.config.ponds
        for entry in desk.entries.of_pond(pond, EntryKind.HAND_READING, 0, 2**40, 3)
    ]
    said.sort(key=lambda pair: -pair[1]["at"])
    return {
        **shown_alarms(desk, now, language),
        "opened": opened,
        "past": past[:10],
        "ponds": _ponds(desk, opened, now, language),
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


async def home(request: Request) -> Response:
    """Show everything of this gateway on one page."""
    return await _show_home(request, await visitor(request))


async def _show_home(
    request: Request, device: Device | None, *, status: int = 200, fault: str | None = None, typed: dict[str, str] | None = None
) -> Response:
    if device is None:
        return RedirectResponse("/sign-in", 303)
    desk = desk_of(request)
    shown = await desk.ask(_home, desk, language_of(request))
    done = request.query_params.get("done")
    return page(
        request,
        "home.html",
        status=status,
        device=device,
        fault=fault,
        typed=typed or {},
        done=done if done in _DONE else None,
        may_enter=device.may(Right.ENTER),
        **shown,
    )


async def acknowledge(request: Request) -> Response:
    """Acknowledge an alarm."""
    device, fields, fits = await written(request, Right.ACKNOWLEDGE)
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
    device, fields, fits = await written(request, Right.ENTER)
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


def routes() -> list[Route]:
    """Return the pages."""
    return [
        Route("/", home),
        Route("/acknowledge", acknowledge, methods=["POST"]),
        Route("/hand-readings", enter, methods=["POST"]),
    ]
