"""``/api/v1``: hours and days, exports, corrections."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy import select
from starlette.types import Receive, Scope, Send

from cloud.accounts.access import ApiWriter, Work
from cloud.accounts.roles import Right
from cloud.context import Cloud, Records
from cloud.farms.service import pond as find_pond
from cloud.farms.tables import Node, Pond
from cloud.telemetry.corrections import Correction, CorrectionError, correct
from cloud.telemetry.export import FORMATS, pieces
from cloud.telemetry.rolled import rolled
from cloud.telemetry.tables import Revision
from cloud.tenancy import ScopedSession
from vuong.flags import Flag
from vuong.quantities import QUANTITIES

router = APIRouter(tags=["telemetry"])
_LATEST_SECOND: Final = 2**33
_MONTH: Final = 30 * 86_400
Second = Annotated[int, Query(ge=0, le=_LATEST_SECOND, description="UTC seconds")]


class Rolled(BaseModel):
    """A pond's hours or days of one quantity; `mean`, `low` and `high` are of readings that did not fail."""

    pond: str
    quantity: str
    unit: str
    step: str
    start: list[int]
    count: list[int]
    mean: list[float | None]
    low: list[float | None]
    high: list[float | None]
    failed: list[int]


class CorrectionRequest(BaseModel):
    """What shall happen to one quantity from `start` (inclusive) to `end` (exclusive): ``value * scale + offset``, or `value`, or only `flag`."""

    quantity: str = Field(max_length=60)
    start: int = Field(ge=0, le=_LATEST_SECOND)
    end: int = Field(ge=0, le=_LATEST_SECOND)
    reason: str = Field(min_length=1, max_length=1000)
    flag: Literal[1, 2, 3, 4, 9] | None = None
    scale: float = Field(1.0, gt=-1e6, lt=1e6)
    offset: float = Field(0.0, gt=-1e6, lt=1e6)
    value: float | None = Field(None, gt=-1e6, lt=1e6)


class Corrected(BaseModel):
    """How many readings were changed."""

    changed: int


class RevisionDetail(BaseModel):
    """A reading that was changed: what it was and became, by whom, when and why."""

    node: str
    time: int
    quantity: str
    old_value: float | None
    old_flag: int | None
    new_value: float | None
    new_flag: int | None
    author: str
    changed: int
    reason: str


# Each holds a connection to the database for as long as its reader takes: a few at once leave the rest to everybody else.
_EXPORTS: Final = threading.BoundedSemaphore(4)


class _Export(StreamingResponse):
    """A stream that gives its turn back however it ends, also where the reader goes away."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            _EXPORTS.release()


def _pond(records: ScopedSession, pond: str) -> Pond:
    found = find_pond(records, pond) if "\0" not in pond else None
    if found is None:
        raise HTTPException(404, f"pond {pond!r:.60} is not known")
    return found


def _range(start: int | None, end: int | None, now: float, span: int) -> tuple[int, int]:
    until = int(now) + 1 if end is None else end
    since = max(0, until - span) if start is None else start
    if since >= until:
        raise HTTPException(422, f"start {since} is not before end {until}")
    return since, until


@router.get("/api/v1/ponds/{pond}/rollups")
def get_rollups(
    pond: str,
    records: Records,
    cloud: Cloud,
    quantity: Annotated[str, Query(description="one of " + ", ".join(QUANTITIES))] = "do",
    step: Annotated[Literal["hour", "day"], Query(description="a day is by Vietnam's clock")] = "hour",
    start: Second | None = None,
    end: Second | None = None,
) -> Rolled:
    """Return a pond's hours or days with their extremes; right at every moment, whatever came late or was corrected."""
    found = _pond(records, pond)
    if quantity not in QUANTITIES:
        raise HTTPException(422, f"quantity {quantity!r:.60} is not known; known are {', '.join(QUANTITIES)}")
    since, until = _range(start, end, cloud.clock.now(), _MONTH)
    if until - since > 400 * 86_400 and step == "hour":
        raise HTTPException(422, "more than 400 days of hours; ask for days, or for a shorter range")
    stretches = rolled(records, found, quantity, since, until, step)
    columns = list(zip(*stretches, strict=True)) or [()] * 6
    names = ("start", "count", "mean", "low", "high", "failed")
    return Rolled(
        pond=pond,
        quantity=quantity,
        unit=QUANTITIES[quantity].unit,
        step=step,
        **{name: list(column) for name, column in zip(names, columns, strict=True)},
    )


@router.get("/api/v1/ponds/{pond}/export", response_class=StreamingResponse)
def get_export(
    pond: str,
    records: Records,
    cloud: Cloud,
    format: Annotated[Literal["csv", "parquet", "xlsx"], Query()] = "csv",  # noqa: A002
    start: Second | None = None,
    end: Second | None = None,
) -> StreamingResponse:
    """Return a pond's samples of any range as a file, streamed."""
    found = _pond(records, pond)
    since, until = _range(start, end, cloud.clock.now(), _MONTH)
    if not _EXPORTS.acquire(blocking=False):
        raise HTTPException(503, "others export at the moment; ask again in a minute", {"Retry-After": "60"})
    kind, write = FORMATS[format]
    days = [f"{datetime.fromtimestamp(time, UTC):%Y%m%d}" for time in (since, until - 1)]
    name = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in pond)
    headers = {"Content-Disposition": f'attachment; filename="{name}-{days[0]}-{days[1]}.{format}"'}
    return _Export(write(pieces(records, found, since, until)), media_type=kind, headers=headers)


@router.post("/api/v1/ponds/{pond}/corrections")
def post_correction(pond: str, wanted: CorrectionRequest, work: Annotated[Work, Depends(ApiWriter(Right.CORRECT))]) -> Corrected:
    """Change readings of a pond; what they were is kept with the asker's number, the time and the reason."""
    found, cloud, author = _pond(work.session, pond), work.cloud, work.principal.actor
    flag = None if wanted.flag is None else Flag(wanted.flag)
    correction = Correction(**(wanted.model_dump() | {"pond": found.id, "flag": flag}))
    work.session.rollback()  # the correction takes the store's lock itself
    try:
        changed = correct(cloud.engine, correction, author=author, now=cloud.clock.now(), mirror=cloud.mirrored)
    except CorrectionError as error:
        raise HTTPException(422, str(error)) from None
    if changed:
        work.done("readings.corrected", f"pond:{found.id}", found.cooperative_id, quantity=wanted.quantity, changed=changed)
    return Corrected(changed=changed)


@router.get("/api/v1/ponds/{pond}/revisions")
def get_revisions(
    pond: str, records: Records, cloud: Cloud, start: Second | None = None, end: Second | None = None
) -> list[RevisionDetail]:
    """Return which readings of a range were changed, the newest change first, at most 1000."""
    found = _pond(records, pond)
    since, until = _range(start, end, cloud.clock.now(), _MONTH)
    columns = Revision.__table__.c
    names = [name for name in RevisionDetail.model_fields if name != "node"]
    statement = (
        select(Node.eui, *(columns[name] for name in names))
        .select_from(Revision)
        .join(Node, Node.id == columns.node_id)
        .where(Node.pond_id == found.id, columns.time >= since, columns.time < until)
        .order_by(columns.id.desc())
        .limit(1000)
    )
    return [RevisionDetail(node=row[0], **dict(zip(names, row[1:], strict=True))) for row in records.execute(statement)]
