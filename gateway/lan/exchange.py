"""In the gateway process: what people said goes to the alarms and to the cloud, and what they said in the cloud comes here.

Both sides hold sets of entries that only grow, so any exchange, however often and in whatever order, ends in the same set; which acknowledgement
counts is then the same everywhere (`vuong.acknowledgement`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sqlite3
from collections.abc import Callable
from typing import Any, Final

import httpx
import orjson

from gateway.config import Cloud, Config
from gateway.ingest import Ingest
from gateway.lan.entries import Entries
from vuong.acknowledgement import Acknowledgement
from vuong.contract.api import ENTRIES, MOST_ENTRIES, Entry, EntryKind, entry_fault

_LOG = logging.getLogger(__name__)

# Real seconds, as networks count them, whatever a demo's clock does.
LOOK: Final = 0.5
POLL: Final = 10.0
FIRST_WAIT: Final = 2.0
LONGEST_WAIT: Final = 300.0
_AFTER, _TAG = "after", "etag"


class ExchangeError(Exception):
    """The cloud did not answer as it should; tried again later."""


class Exchange:
    """Applies and exchanges entries until cancelled.

    Parameters
    ----------
    config : the gateway's configuration
    ingest : takes what people said, and has what nodes told of
    committed : called when something was written, to wake the outbox

    Raises
    ------
    gateway.store.schema.StoreError
        if the file of entries cannot be used
    """

    def __init__(self, config: Config, ingest: Ingest, committed: Callable[[], None]) -> None:
        self._config, self._ingest, self._committed = config, ingest, committed
        self._entries = Entries(config.database)
        # From the beginning at every start: a repeat changes nothing, and a salvaged database gets back what it lost.
        self._applied, self._loads = 0, ingest.loads
        self._new, self._woken = asyncio.Event(), asyncio.Event()

    def close(self) -> None:
        """Close the file."""
        self._entries.close()

    async def run(self) -> None:
        """Apply what is new, and exchange with the cloud where there is one."""
        work = [self._apply_for_ever()]
        if self._config.cloud:
            work.append(self._exchange_for_ever(self._config.cloud))
        await asyncio.gather(*work)

    def wake(self) -> None:
        """Look now, if a node has told of something."""
        if self._ingest.said:
            self._woken.set()

    async def _apply_for_ever(self) -> None:
        while True:
            await self.apply()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), LOOK)
            self._woken.clear()

    async def apply(self) -> int:
        """Hand the entries that came since the last call to the alarms and stages; return how many."""
        self._keep()
        if (
            self._loads != self._ingest.loads
        ):  # alarms and stages stand where the database stands: what it had not got is said again
            self._loads, self._applied = self._ingest.loads, 0
        count = 0
        while found := self._came():
            for position, entry in found:
                await self._hand_over(entry)
                self._applied = position
                count += 1
            await self._ingest.commit_aside()
            self._committed()
            self._new.set()
        return count

    def _keep(self) -> None:
        """Store what nodes told of; where that fails it stays with the ingest, and the next call tries again."""
        told = self._ingest.said
        if not told:
            return
        entries = list(told)
        try:
            self._entries.add(entries)
        except sqlite3.DatabaseError as error:  # `_came` sees to a damaged file
            _LOG.warning("what nodes told of calibrations cannot be stored now: %s", error)
            return
        del told[: len(entries)]

    def _came(self) -> list[tuple[int, Entry]]:
        """Return what came since the last call; a fault of the file of entries is no reason to touch the gateway's database."""
        try:
            return self._entries.after(self._applied)
        except sqlite3.OperationalError as error:  # a full disk, a locked file
            _LOG.warning("what people said cannot be read now: %s", error)
        except sqlite3.DatabaseError as error:
            _LOG.error("the file of what people said is damaged (%s); it is opened anew", error)
            self._entries.close()
            self._entries = Entries(self._config.database)
            self._applied = 0
        return []

    async def _hand_over(self, entry: Entry) -> None:
        content = entry["content"]
        if entry["kind"] == EntryKind.ACKNOWLEDGEMENT:
            said = Acknowledgement(entry["at"], entry["where"], entry["by"], content["revision"])
            await self._ingest.acknowledge(content["alarm"], said)
        elif entry["kind"] in {EntryKind.SHELVING, EntryKind.UNSHELVING, EntryKind.RESET}:
            self._ingest.carry_out(entry)
        else:
            self._ingest.note(entry)

    async def _exchange_for_ever(self, cloud: Cloud) -> None:
        failures = 0
        async with httpx.AsyncClient(timeout=30) as client:
            while True:
                self._new.clear()
                try:
                    await self.exchange(client, cloud)
                except (ExchangeError, sqlite3.Error) as error:
                    failures += 1
                    longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures, 16))
                    if failures in {1, 10, 100} or failures % 1000 == 0:
                        _LOG.warning("entries are not exchanged: %s", error)
                    await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - jitter, so that gateways do not return as one
                    continue
                if failures:
                    _LOG.info("entries are exchanged with the cloud again")
                failures = 0
                try:
                    await asyncio.wait_for(self._new.wait(), POLL * random.uniform(0.8, 1.2))  # noqa: S311
                except TimeoutError:
                    continue

    async def exchange(self, client: httpx.AsyncClient, cloud: Cloud) -> None:
        """Send what the cloud has not got, and fetch what is new there.

        Raises
        ------
        ExchangeError
            if the cloud cannot be reached or does not answer as it should
        """
        try:
            headers = {"Authorization": f"Bearer {cloud.token_file.read_text(encoding='ascii').strip()}"}
        except (OSError, UnicodeDecodeError) as error:
            raise ExchangeError(f"the token file {cloud.token_file} cannot be read ({type(error).__name__})") from None
        try:
            await self._send(client, cloud.url + ENTRIES, headers)
            await self._fetch(client, cloud.url + ENTRIES, headers)
        except httpx.HTTPError as error:
            raise ExchangeError(f"the cloud at {cloud.url} cannot be reached ({type(error).__name__})") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ExchangeError(f"{cloud.url} answered something that is no reply of the cloud ({error!r:.200})") from None

    async def _send(self, client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> None:
        while entries := self._entries.unsent(MOST_ENTRIES):
            body = orjson.dumps({"entries": entries})
            reply = _checked(await client.post(url, content=body, headers={**headers, "Content-Type": "application/json"}), 200)
            accepted, refused = set(reply["accepted"]), reply["refused"]
            for name, reason in refused.items():
                _LOG.error("the cloud will not take entry %.64s: %.300s", name, reason)
            done = [entry["id"] for entry in entries if entry["id"] in accepted or entry["id"] in refused]
            if not done:
                raise ExchangeError(f"{url} took the entries and acknowledged none of them")
            self._entries.mark_sent(done)

    async def _fetch(self, client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> None:
        while True:
            after, tag = self._entries.note(_AFTER) or "0", self._entries.note(_TAG)
            condition = {"If-None-Match": tag} if tag else {}
            response = await client.get(url, params={"after": after, "limit": MOST_ENTRIES}, headers={**headers, **condition})
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return
            page = _checked(response, 200)
            last, rows = int(page["last"]), page["entries"]
            self._entries.add((row for row in rows if _sound(row)), sent=True)
            # After the entries: a kill between the two fetches them once more.
            self._entries.set_note(_AFTER, str(last))
            if last == int(after) or not rows:
                self._entries.set_note(_TAG, response.headers.get("ETag", ""))
                return
            self._entries.set_note(_TAG, "")


def _sound(row: Any) -> bool:  # noqa: ANN401 - whatever came in
    fault = entry_fault(row, float("inf"))  # the cloud looked at its time; ours may be wrong
    if fault is not None:
        _LOG.error("an entry of the cloud cannot be used and is passed by: %s", fault)
    return fault is None


def _checked(response: httpx.Response, status: int) -> dict[str, Any]:
    if response.status_code != status:
        raise ExchangeError(f"the cloud at {response.url.copy_with(query=None)} answered {response.status_code}")
    document = response.json()
    if not isinstance(document, dict):
        raise TypeError("not an object")
    return document
