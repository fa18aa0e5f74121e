"""``/api/v1`` on the LAN: the schema of `vuong.contract.api`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.lan.access import DEVICE_SECONDS, LockedError
from gateway.lan.desk import Desk, body_of, integer, rights_of
from vuong.contract import api
from vuong.contract.api import Entry, EntryKind, Right
from vuong.i18n import DEFAULT, LANGUAGES
from vuong.quantities import QUANTITIES

_DAY: Final = 86_400
Answer = Callable[[Request, Desk], Awaitable[Response]]


class JSON(Response):
    """An answer in JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - whatever is JSON
        """Return the bytes."""
        return orjson.dumps(content)


def desk_of(request: Request) -> Desk:
    """Return what the application works with."""
    desk: Desk = request.app.state.desk
    return desk


def language_of(request: Request) -> str:
    """Return the language of the texts that somebody asks for."""
    given = request.query_params.get("language")
    return given if given in LANGUAGES else DEFAULT


async def document_of(request: Request) -> dict[str, Any]:
    """Return the object that was sent; 422 where it is none."""
    try:
        document = orjson.loads(await body_of(request) or b"{}")
    except orjson.JSONDecodeError:
        raise HTTPException(422, "the body is not JSON; send an object") from None
    if not isinstance(document, dict):
        raise HTTPException(422, f"the body is {type(document).__name__}; send an object")
    return document


def known(document: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return these fields of a document; 422 where it has others."""
    unknown = sorted(set(document) - {*names, "id", "time"})
    if unknown:
        raise HTTPException(422, f"{unknown[0]!r:.60} is not known; known are {', '.join((*names, 'id', 'time'))}")
    return {name: document[name] for name in names if name in document}


def where(request: Request) -> str:
    """Return ``app`` for who comes with a token of their own, ``gateway`` for the gateway's own page."""
    return "app" if "Authorization" in request.headers else "gateway"


async def me(request: Request) -> Response:
    """Return who asks."""
    device = await desk_of(request).require(request)
    found: api.Me = {
        "name": device.name,
        "role": device.role,
        "cooperative": None,
        "language": None,
        "rights": rights_of(device.role),
    }
    return JSON(found)


async def devices(request: Request) -> Response:
    """Sign a device in by a pairing code or the PIN: POST ``{"code" | "pin", "name"}``, get ``{"token", "role", "expires"}``."""
    desk, document = desk_of(request), await document_of(request)
    name, now = document.get("name", "app"), desk.wall.now()
    code, pin = document.get("code"), document.get("pin")
    source = request.client.host if request.client else ""
    if not isinstance(name, str) or not 0 < len(name.strip()) <= 60:
        raise HTTPException(422, "name is not usable; send what the device is called, up to 60 letters")
    try:
        if isinstance(code, str):
            token = await desk.ask(desk.access.pair, code, name, source, now)
        elif isinstance(pin, str):
            token = await desk.ask(desk.access.sign_in, pin, name, source, now, seconds=DEVICE_SECONDS)
        else:
            raise HTTPException(422, "send a pairing code as code, or the PIN as pin")
    except LockedError as error:
        raise HTTPException(429, "too many failures; wait and try again", {"Retry-After": str(int(error.wait) + 1)}) from None
    if token is None:
        raise HTTPException(
            401, "the code is wrong, used or over; ask for a new one" if isinstance(code, str) else "the PIN is wrong"
        )
    device = await desk.ask(desk.access.device, token, now)
    assert device is not None  # noqa: S101 - made just now
    return JSON({"token": token, "role": device.role, "expires": device.expires}, 201)


async def sign_out(request: Request) -> Response:
    """Take the asking device's own token away."""
    desk = desk_of(request)
    device = await desk.require(request)
    await desk.ask(desk.access.revoke, device.id)
    return Response(status_code=204)


async def ponds(request: Request) -> Response:
    """Return the ponds."""
    desk = desk_of(request)
    await desk.require(request)
    return JSON(desk.records.ponds())


async def pond(request: Request) -> Response:
    """Return one pond."""
    desk = desk_of(request)
    await desk.require(request)
    return JSON(_pond(request, desk))


def _pond(request: Request, desk: Desk) -> api.PondDetail:
    name = request.path_params["pond"]
    found = desk.records.pond(name)
    if found is None:
        raise HTTPException(404, f"pond {name!r:.60} is not known")
    return found


async def latest(request: Request) -> Response:
    """Return the last value of every quantity of every pond."""
    desk = desk_of(request)
    await desk.require(request)
    return JSON(await desk.ask(desk.records.latest))


async def readings(request: Request) -> Response:
    """Return a pond's series of one quantity; extremes and flagged readings survive the thinning."""
    desk = desk_of(request)
    await desk.require(request)
    name = _pond(request, desk)["id"]
    quantity = request.query_params.get("quantity", "do")
    if quantity not in QUANTITIES:
        raise HTTPException(422, f"quantity {quantity!r:.60} is not known; known are {', '.join(QUANTITIES)}")
    end = integer(request, "end", int(desk.clock.now()) + 1)
    start = integer(request, "start", max(0, end - _DAY))
    if start >= end:
        raise HTTPException(422, f"start {start} is not before end {end}")
    points = integer(request, "points", 1000, 8, 20_000)
    return JSON(await desk.ask(desk.records.series, name, quantity, start, end, points, language_of(request)))


async def alarms(request: Request) -> Response:
    """Return alarms, the open ones by urgency, then (with ``open=false``) those cleared last."""
    desk = desk_of(request)
    await desk.require(request)
    cleared = request.query_params.get("open", "true").lower() in {"false", "0"}
    narrow = request.query_params.get("pond")
    return JSON(await desk.ask(desk.records.alarms, language_of(request), pond=narrow, cleared=cleared))


async def _listed(request: Request, kind: EntryKind) -> list[Entry]:
    desk = desk_of(request)
    await desk.require(request)
    name = _pond(request, desk)["id"]
    start, end = integer(request, "start", 0), integer(request, "end", 2**40)
    return await desk.ask(desk.entries.of_pond, name, kind, start, end)


async def hand_readings(request: Request) -> Response:
    """Return a pond's hand readings, the newest first."""
    return JSON([api.hand_reading(entry) for entry in await _listed(request, EntryKind.HAND_READING)])


async def post_hand_reading(request: Request) -> Response:
    """Take a value that somebody measured by hand: ``{"quantity", "value", "note"?, "time"?, "id"?}``."""
    desk = desk_of(request)
    device = await desk.require(request, Right.ENTER)
    name, posted = _pond(request, desk)["id"], await document_of(request)
    content = known(posted, "quantity", "value", "note")
    entry = desk.entry(EntryKind.HAND_READING, name, device.name, where(request), content, posted)
    return JSON(api.hand_reading(await desk.ask(desk.store, entry)), 201)


async def calibrations(request: Request) -> Response:
    """Return a pond's calibrations, the newest first."""
    return JSON([api.calibration(entry) for entry in await _listed(request, EntryKind.CALIBRATION)])


async def post_calibration(request: Request) -> Response:
    """Take the record of a calibration: ``{"node", "quantity", "points": [[reference, measured], …], "note"?, "time"?, "id"?}``."""
    desk = desk_of(request)
    device = await desk.require(request, Right.CALIBRATE)
    found, posted = _pond(request, desk), await document_of(request)
    content = known(posted, "node", "quantity", "points", "note")
    if content.get("node") not in found["nodes"]:
        raise HTTPException(
            422, f"node is {content.get('node')!r:.60}; nodes of this pond are {', '.join(found['nodes']) or 'none'}"
        )
    entry = desk.entry(EntryKind.CALIBRATION, found["id"], device.name, where(request), content, posted)
    return JSON(api.calibration(await desk.ask(desk.store, entry)), 201)


async def live(request: Request) -> Response:
    """Return a mark that changes when there is something new."""
    desk = desk_of(request)
    await desk.require(request)
    return JSON(await desk.ask(live_mark, desk))


def live_mark(desk: Desk) -> api.Live:
    """Return whether there is something new."""
    return {"now": int(desk.clock.now()), "mark": desk.records.mark(), "alarms": desk.records.open_count()}


def routes() -> list[Route]:
    """Return the paths of the contract."""
    one = api.PONDS + "/{pond}"
    return [
        Route(api.ME, me),
        Route(api.DEVICES, devices, methods=["POST"]),
        Route(api.DEVICES + "/me", sign_out, methods=["DELETE"]),
        Route(api.PONDS, ponds),
        Route(one, pond),
        Route(one + "/readings", readings),
        Route(one + "/hand-readings", hand_readings),
        Route(one + "/hand-readings", post_hand_reading, methods=["POST"]),
        Route(one + "/calibrations", calibrations),
        Route(one + "/calibrations", post_calibration, methods=["POST"]),
        Route(api.LATEST, latest),
        Route(api.ALARMS, alarms),
        Route(api.LIVE, live),
    ]
