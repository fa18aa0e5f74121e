"""What the LAN's handlers share: records, entries, access, who asks; all database work on one thread, one thing after the other."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, ParamSpec, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from gateway.config import Config
from gateway.lan.access import Access, Device, form_token_fits
from gateway.lan.entries import Entries
from gateway.lan.records import Records
from vuong.clock import Clock, SystemClock
from vuong.contract.api import FORM_HEADER, RIGHTS, Entry, EntryKind, Right, entry_fault

COOKIE: Final = "vuong_lan"
LARGEST_BODY: Final = 64 * 1024
_LATEST_SECOND: Final = 2**40

P = ParamSpec("P")
T = TypeVar("T")


class Desk:
    """Opens the gateway's database for the LAN.

    Parameters
    ----------
    config : the gateway's configuration
    clock : time of readings and entries
    wall : the machine's time, by which tokens and lock-outs end

    Raises
    ------
    gateway.store.schema.StoreError
        if the database cannot be used
    """

    def __init__(self, config: Config, clock: Clock, wall: Clock | None = None) -> None:
        self.config, self.clock, self.wall = config, clock, wall or SystemClock()
        self.entries = Entries(config.database)
        self.access = Access(self.entries.connection)
        self.records = Records(config, self.entries, clock)
        self._thread = ThreadPoolExecutor(1, "database")

    def close(self) -> None:
        """Close the database."""
        self._thread.shutdown()
        self.records.close()
        self.entries.close()

    async def ask(self, question: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Run something that uses the database on its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: question(*arguments, **named))

    async def device(self, request: Request) -> tuple[Device | None, bool]:
        """Return who asks, and whether a browser's cookie says so."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return await self.ask(self.access.device, token.strip(), self.wall.now()), False
        cookie = request.cookies.get(COOKIE, "")
        return (await self.ask(self.access.device, cookie, self.wall.now()) if cookie else None), True

    async def require(self, request: Request, right: Right = Right.READ) -> Device:
        """Return the device that asks through the API.

        Raises
        ------
        HTTPException
            401 for nobody, 403 for one that may not, or for a browser whose page's token is missing
        """
        device, by_cookie = await self.device(request)
        if device is None:
            raise HTTPException(
                401, "pair this device or sign in, then send: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"}
            )
        if not device.may(right):
            raise HTTPException(403, f"role {device.role} may not {right}; ask the co-op's technician")
        if (
            by_cookie
            and request.method != "GET"
            and not form_token_fits(request.cookies[COOKIE], request.headers.get(FORM_HEADER, ""))
        ):
            raise HTTPException(403, f"send the page's form token in {FORM_HEADER}")
        return device

    def entry(self, kind: EntryKind, pond: str, by: str, where: str, content: dict[str, Any], posted: dict[str, Any]) -> Entry:
        """Return a new entry; it is not stored yet.

        Raises
        ------
        HTTPException
            422 naming what is wrong with it
        """
        now = self.clock.now()
        entry: Entry = {
            "id": posted.get("id", str(uuid.uuid4())),
            "kind": str(kind),
            "pond": pond,
            "at": posted.get("time", int(now)),
            "by": by,
            "where": where,
            "content": content,
        }
        fault = entry_fault(entry, now)
        if fault is not None:
            raise HTTPException(422, fault)
        return entry

    def store(self, entry: Entry) -> Entry:
        """Store an entry; return the one that is kept under this id.

        Raises
        ------
        HTTPException
            409 if the id is already that of another kind of entry
        """
        self.entries.add([entry])
        kept = self.entries.get(entry["id"])
        if kept is None or kept["kind"] != entry["kind"]:
            raise HTTPException(409, f"id {entry['id']!r} is already that of another entry; send a new one")
        return kept


async def body_of(request: Request) -> bytes:
    """Return the body; 413 where it is larger than any of ours."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise HTTPException(413, f"the body has more than {LARGEST_BODY} bytes")
        parts.append(part)
    return b"".join(parts)


def integer(request: Request, name: str, default: int, low: int = 0, high: int = _LATEST_SECOND) -> int:
    """Return a number of the query; 422 where it is none within bounds."""
    given = request.query_params.get(name)
    if given is None:
        return default
    try:
        value = int(given)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise HTTPException(422, f"{name} is {given!r:.60}; send an integer from {low} to {high}")
    return value


def rights_of(role: str) -> list[str]:
    """Return a role's rights, sorted."""
    return sorted(RIGHTS[role])
