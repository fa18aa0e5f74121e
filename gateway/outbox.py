"""From the gateway's database to the cloud: compressed batches, any number of times, with one effect."""

from __future__ import annotations

import asyncio
import gzip
import logging
import random
from pathlib import Path
from typing import Final

import httpx
import orjson

from gateway.config import Cloud
from gateway.store.outbound import Outbound, Part
from vuong.clock import Clock
from vuong.contract import batch

_LOG = logging.getLogger(__name__)

ROWS: Final = 2000  # of samples in one batch; about 30 kB compressed
EVENTS: Final = 200  # of alarms or statuses
FIRST_WAIT: Final = 2.0
LONGEST_WAIT: Final = 300.0
IDLE: Final = 60.0
# What the cloud says of one batch, rather than of us or of itself.
_POISON: Final = (400, 413, 422)
# So many rows refused in a row, with none accepted between: it is not the rows.
_TOO_MANY_REFUSED: Final = 20


class CloudError(Exception):
    """The cloud did not take a batch, for a reason that is not the batch's; `wait` is how long it asks us to wait, in seconds."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class RefusedError(Exception):
    """The cloud refuses this very batch."""


class Outbox:
    """Sends what waits, one request at a time.

    Parameters
    ----------
    gateway : id of the gateway
    cloud : address, and file of the token
    outbound : what waits
    clock : waits between tries
    """

    def __init__(self, gateway: str, cloud: Cloud, outbound: Outbound, clock: Clock) -> None:
        self._gateway, self._cloud, self._outbound, self._clock = gateway, cloud, outbound, clock
        self._wake = asyncio.Event()
        self._refused = 0

    def wake(self) -> None:
        """Say that something new was committed."""
        self._wake.set()

    async def run(self) -> None:
        """Send for ever."""
        failures = 0
        async with httpx.AsyncClient(timeout=30) as client:
            while True:
                self._wake.clear()
                try:
                    await self.drain(client)
                except CloudError as error:
                    failures += 1
                    longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures, 16))
                    wait = max(error.wait, random.uniform(longest / 2, longest))  # noqa: S311 - jitter, so that gateways do not return as one
                    if failures in {1, 10, 100} or failures % 1000 == 0:
                        _LOG.warning("%s; %d samples wait; next try in %.0f s", error, self._outbound.samples.waiting(), wait)
                    await self._clock.sleep(wait)
                    continue
                if failures:
                    _LOG.info("the cloud has everything again")
                failures = 0
                await self._idle()

    async def _idle(self) -> None:
        """Wait for the next commit; statuses and alarms of the last moment are looked for after `IDLE` seconds anyway."""
        try:
            await asyncio.wait_for(self._wake.wait(), timeout=IDLE)
        except TimeoutError:
            return
        await self._clock.sleep(1.0)  # gather a little

    async def drain(self, client: httpx.AsyncClient, *, once: bool = False) -> None:
        """Send until nothing waits, or one part of what does.

        Raises
        ------
        CloudError
            when the cloud cannot take more now
        """
        while True:
            part = await asyncio.to_thread(self._next)
            if part is None:
                return
            await self._deliver(client, part)
            if once:
                return

    def _next(self) -> Part | None:
        outbound = self._outbound
        return outbound.alarms.next(EVENTS) or outbound.statuses.next(EVENTS) or outbound.samples.next(ROWS)

    async def _deliver(self, client: httpx.AsyncClient, part: Part) -> None:
        try:
            accepted = await self._post(client, part)
        except RefusedError as refusal:
            if len(part.items) > 1:
                for half in part.halves():
                    await self._deliver(client, half)
                return
            self._refused += 1
            if self._refused > _TOO_MANY_REFUSED:
                raise CloudError(
                    f"the cloud refuses every row ({refusal}); gateway and cloud may be of different versions"
                ) from None
            _LOG.error("the cloud refuses %s %d: %s; kept in quarantine", part.stream.name, part.items[0][0], refusal)
            await asyncio.to_thread(self._outbound.quarantine, part, str(refusal), int(self._clock.now()))
            return
        self._refused = 0
        if accepted < part.first:
            raise CloudError(f"the cloud took the batch and acknowledged nothing of it (position {accepted})")
        await asyncio.to_thread(part.stream.mark, part, accepted)

    def _body(self, part: Part) -> bytes:
        document = {
            "version": batch.VERSION,
            "gateway": self._gateway,
            "first": part.first,
            "last": part.last,
            **part.stream.document(part.items),
        }
        return gzip.compress(orjson.dumps(document), compresslevel=5, mtime=0)

    async def _post(self, client: httpx.AsyncClient, part: Part) -> int:
        headers = {
            "Authorization": f"Bearer {_token(self._cloud.token_file)}",
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "Idempotency-Key": f"{self._gateway}/{part.stream.name}/{part.first}-{part.last}",
        }
        body = await asyncio.to_thread(self._body, part)
        url = self._cloud.url + batch.PATH
        try:
            response = await client.post(url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise CloudError(f"the cloud at {self._cloud.url} cannot be reached ({type(error).__name__})") from error
        status = response.status_code
        if status in _POISON:
            raise RefusedError(f"{status} {response.text[:300]}")
        if status in {401, 403}:
            raise CloudError(
                f"the cloud at {self._cloud.url} refuses the token in {self._cloud.token_file} ({status}); put a valid token there",
                60.0,
            )
        if status != 200:
            raise CloudError(f"the cloud at {url} answered {status}", _retry_after(response))
        try:
            reply = response.json()
            accepted = int(reply["accepted"])
        except (ValueError, KeyError, TypeError):
            raise CloudError(f"{url} answered something that is no reply of the cloud; check cloud.url") from None
        for row in reply.get("quarantined") or ():
            _LOG.warning("the cloud took a row of %s into quarantine: %s", part.stream.name, str(row)[:300])
        return accepted


def _token(path: Path) -> str:
    """Read the token anew each time: a technician who replaces it need not restart the gateway."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CloudError(
            f"the token file {path} cannot be read ({type(error).__name__}); put the gateway's token there", 60.0
        ) from None


def _retry_after(response: httpx.Response) -> float:
    try:
        return min(float(response.headers.get("Retry-After", 0)), LONGEST_WAIT)
    except ValueError:
        return 0.0
