"""``/api/v1``: batches in; last values, series, hours and days, live marks out. Exports and corrections are in `records_api`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import chain
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from cloud.alerts.service import alarm_revision
from cloud.context import Asker, Cloud, Records, require_principal, require_sender
from cloud.farms.service import pond as find_pond
from cloud.telemetry import service
from cloud.telemetry.ingest import COMPRESSED_LIMIT, BatchError, Sender, take
from cloud.tenancy import ScopedSession
from cloud.web.texts import reason_text
from vuong.contract.api import EVENTS, LastValue
from vuong.contract.batch import PATH
from vuong.i18n import DEFAULT
from vuong.quantities import QUANTITIES

router = APIRouter(tags=["telemetry"])
SILENCE: Final = 30
_DAY = 86_400
_LATEST_SECOND = 2**40
_JSON: Final = msgspec.json.Encoder().encode
# Real seconds between looks of an event stream, and between signs of life.
_LOOK, _BEAT = 2.0, 15.0


class Accepted(BaseModel):
    """The reply to a batch: the last position that is stored, and what was put aside with its reason."""

    accepted: int
    quarantined: list[dict[str, Any]]


class Readings(BaseModel):
    """A pond's series of one quantity, thinned with its extremes kept; `reasons` by position in the lists."""

    pond: str
    quantity: str
    unit: str
    start: int
    end: int
    total: int
    time: list[int]
    value: list[float]
    flag: list[int]
    reasons: dict[int, str]


class Live(BaseModel):
    """Whether there is something new: `mark` changes with every new reading and every change of an alarm."""

    now: int
    mark: str
    alarms: int


async def _body(request: Request) -> bytes:
    declared = request.headers.get("Content-Length", "0")
    parts, size = [], 0
    if not declared.isdigit() or int(declared) > COMPRESSED_LIMIT:
        raise HTTPException(413, f"the body has more than {COMPRESSED_LIMIT} bytes; send smaller batches")
    stream = aiter(request.stream())
    while True:
        try:
            # A slow line may take its time; one that says nothing at all is let go.
            part = await asyncio.wait_for(anext(stream), SILENCE)
        except StopAsyncIteration:
            break
        except ClientDisconnect:
            raise HTTPException(400, "the connection ended before the body did; send it again") from None
        except TimeoutError:
            raise HTTPException(408, f"nothing came for {SILENCE} s; send it again") from None
        size += len(part)
        if size > COMPRESSED_LIMIT:
            raise HTTPException(413, f"the body has more than {COMPRESSED_LIMIT} bytes; send smaller batches")
        parts.append(part)
    return b"".join(parts)


@router.post(PATH)
async def post_batch(request: Request, cloud: Cloud, sender: Annotated[Sender, Depends(require_sender)]) -> Accepted:
    """Take a gateway's batch: gzip or zstd JSON of columns; any number of times, in any order, with one effect."""
    body = await _body(request)
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    key = request.headers.get("Idempotency-Key")
    try:
        reply = await run_in_threadpool(
            take, cloud.engine, body, encoding, sender=sender, idempotency_key=key, now=cloud.clock.now(), mirror=cloud.mirrored
        )
    except BatchError as error:
        raise HTTPException(error.status, str(error)) from None
    return Accepted.model_construct(**reply)


@router.get("/api/v1/latest", response_model=list[LastValue])
def get_latest(records: Records) -> Response:
    """Return the last value of every quantity of every pond."""
    parts = (_JSON(some)[1:-1] for some in service.last_values(records))
    return Response(b"[%s]" % b",".join(part for part in parts if part), media_type="application/json")


@router.get("/api/v1/latest/columns", response_model=dict[str, list[Any]])
def get_latest_columns(
    records: Records,
    quantity: Annotated[list[str], Query(max_length=len(QUANTITIES), description="which; all")] = list(QUANTITIES),  # noqa: B006
) -> Response:
    """Return the last values as columns, a row a node: ten thousand ponds for a map in one small answer."""
    unknown = [name for name in quantity if name not in QUANTITIES]
    if unknown:
        raise HTTPException(422, f"quantity {unknown[0]!r:.60} is not known; known are {', '.join(QUANTITIES)}")
    return Response(service.latest_columns(records, dict.fromkeys(quantity)), media_type="application/json")


@router.get("/api/v1/ponds/{pond}/readings")
def get_readings(
    pond: str,
    records: Records,
    cloud: Cloud,
    asker: Asker,
    quantity: Annotated[str, Query(description="one of " + ", ".join(QUANTITIES))] = "do",
    start: Annotated[int | None, Query(ge=0, le=_LATEST_SECOND, description="UTC seconds; a day before the end")] = None,
    end: Annotated[int | None, Query(ge=0, le=_LATEST_SECOND, description="UTC seconds, exclusive; now")] = None,
    points: Annotated[int, Query(ge=8, le=20_000)] = 1000,
    language: Annotated[str | None, Query(description="of the reasons; the asker's own")] = None,
) -> Readings:
    """Return a pond's series of one quantity; extremes and flagged readings survive the thinning."""
    found = find_pond(records, pond)
    if found is None:
        raise HTTPException(404, f"pond {pond!r:.60} is not known")
    if quantity not in QUANTITIES:
        raise HTTPException(422, f"quantity {quantity!r:.60} is not known; known are {', '.join(QUANTITIES)}")
    until = int(cloud.clock.now()) + 1 if end is None else end
    since = until - _DAY if start is None else start
    if since >= until:
        raise HTTPException(422, f"start {since} is not before end {until}")
    series = service.series(records, found, quantity, since, until, points)
    tongue = language or asker.language or DEFAULT
    return Readings(
        pond=pond,
        quantity=quantity,
        unit=QUANTITIES[quantity].unit,
        start=since,
        end=until,
        total=series.total,
        time=[point.time for point in series.points],
        value=[point.value for point in series.points],
        flag=[int(point.flag) for point in series.points],
        reasons={
            position: reason_text(series.reasons[point.time], quantity, point.flag, tongue)
            for position, point in enumerate(series.points)
            if point.time in series.reasons
        },
    )


@router.get("/api/v1/live")
def get_live(records: Records, cloud: Cloud) -> Live:
    """Return a mark that changes when a page has something new to show: light enough to be asked every few seconds."""
    opened, changes = alarm_revision(records)
    return Live(now=int(cloud.clock.now()), mark=f"{service.mark(records)}-{changes}", alarms=opened)


@router.get(EVENTS)
async def get_events(request: Request, cloud: Cloud, asker: Asker) -> StreamingResponse:
    """Stream server-sent events: ``live`` (as `get_live`) and ``readings`` (the last values that are new)."""

    def look(mark: str | None) -> tuple[Live, list[service.Last] | None]:
        """Return what is live, and the last values where they may be others than at `mark`."""
        require_principal(request, cloud)  # one that has signed out meanwhile gets no more
        with ScopedSession(cloud.engine, asker.scope) as session:
            live = get_live(session, cloud)
            return live, None if live.mark == mark else list(chain.from_iterable(service.last_values(session)))

    async def stream() -> AsyncIterator[str]:
        mark: str | None = None
        known, quiet = dict[tuple[str, str], service.Last](), 0.0
        while True:
            try:
                live, values = await run_in_threadpool(look, mark)
            except HTTPException:
                return
            if values is not None:
                held = {(value.pond, value.quantity): value for value in values}
                new = [value for key, value in held.items() if known.get(key) != value]
                if new and mark is not None:
                    yield f"event: readings\ndata: {_JSON(new).decode()}\n\n"
                yield f"event: live\ndata: {live.model_dump_json()}\n\n"
                mark, known, quiet = live.mark, held, 0.0
            else:
                quiet += _LOOK
            if quiet >= _BEAT:
                yield ": still here\n\n"
                quiet = 0.0
            await asyncio.sleep(_LOOK)

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
