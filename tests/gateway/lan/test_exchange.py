"""What people say reaches the alarms; strange answers are told and tried again. The whole way is in tests/e2e/test_acknowledge.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from gateway.config import Cloud, Config
from gateway.ingest import Ingest
from gateway.lan.entries import beside
from gateway.lan.exchange import Exchange, ExchangeError
from gateway.store.store import Changes, Store
from tests.gateway.lan.conftest import ALARM, NOW, alarm, config
from vuong.clock import ManualClock
from vuong.contract.api import Entry


def said(number: int, at: int, revision: int = 1) -> Entry:
    content = {"alarm": ALARM, "revision": revision}
    return {
        "id": f"entry-{number:04d}",
        "kind": "acknowledgement",
        "pond": "p1",
        "at": at,
        "by": "Tư",
        "where": "app",
        "content": content,
    }


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    (tmp_path / "token").write_text("t" * 30, encoding="ascii")
    return Cloud("http://cloud.test", tmp_path / "token")


@pytest.fixture
def made(tmp_path: Path, cloud: Cloud) -> Config:
    return replace(config(tmp_path), cloud=cloud)


@pytest.fixture
def store(made: Config) -> Iterator[Store]:
    store = Store(made.database)
    store.commit(Changes(alarms=[alarm()]))
    yield store
    store.close()


@pytest.fixture
def exchange(made: Config, store: Store) -> Iterator[Exchange]:
    exchange = Exchange(made, Ingest(made, store, ManualClock(NOW)), lambda: None)
    yield exchange
    exchange.close()


async def test_acknowledgements_reach_the_alarm_and_the_earliest_wins(exchange: Exchange, store: Store) -> None:
    exchange._entries.add([said(1, NOW - 30)])
    assert await exchange.apply() == 1
    first = store.alarm(ALARM)
    assert first is not None
    assert (first["state"], first["acknowledged"]) == ("acknowledged", NOW - 30)
    exchange._entries.add([said(2, NOW - 90), said(3, NOW - 10)])
    assert await exchange.apply() == 2
    second = store.alarm(ALARM)
    assert second is not None
    assert second["acknowledged"] == NOW - 90
    assert second["revision"] > first["revision"], "the cloud gets it with the next revision"


async def test_a_restart_applies_all_again_with_no_effect(exchange: Exchange, made: Config, store: Store) -> None:
    exchange._entries.add([said(1, NOW - 30)])
    await exchange.apply()
    before = store.alarm(ALARM)
    again = Exchange(made, Ingest(made, store, ManualClock(NOW)), lambda: None)
    assert await again.apply() == 1
    assert store.alarm(ALARM) == before
    again.close()


async def test_entries_of_alarms_that_are_not_here_stop_nothing(exchange: Exchange, store: Store) -> None:
    stranger = said(1, NOW - 50)
    stranger["content"] = {"alarm": "not-here", "revision": 1}
    exchange._entries.add([stranger, said(2, NOW - 20)])
    assert await exchange.apply() == 2
    found = store.alarm(ALARM)
    assert found is not None
    assert found["acknowledged"] == NOW - 20


async def test_a_file_of_entries_that_is_damaged_meanwhile_is_put_aside(
    exchange: Exchange, made: Config, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    exchange._entries.add([said(n, NOW - 100 + n) for n in range(1, 60)])
    exchange._entries.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = beside(made.database)
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * 40_000)
    exchange._entries.connection.execute("PRAGMA shrink_memory")
    assert await exchange.apply() == 0
    assert "damaged" in caplog.text
    exchange._entries.add([said(1, NOW - 30)])
    assert await exchange.apply() == 1
    found = store.alarm(ALARM)
    assert found is not None
    assert found["acknowledged"] == NOW - 30


class Answers:
    """The cloud's side of the wire, answering what the test wants; what it was asked is kept."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers, self.asked = list(answers), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answers.pop(0)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self))


def page(entries: list[Any], last: int, tag: str = '"9"') -> httpx.Response:
    return httpx.Response(200, json={"entries": entries, "last": last}, headers={"ETag": tag})


async def test_what_was_fetched_is_not_asked_for_again(exchange: Exchange, cloud: Cloud) -> None:
    answers = Answers(page([said(1, NOW - 5)], 7), page([], 7), httpx.Response(304), httpx.Response(304))
    async with answers.client() as client:
        for _ in range(3):
            await exchange.exchange(client, cloud)
    assert [request.url.params["after"] for request in answers.asked] == ["0", "7", "7", "7"]
    assert [request.headers.get("If-None-Match") for request in answers.asked] == [None, None, '"9"', '"9"']
    assert exchange._entries.unsent(9) == [], "what came from the cloud does not go back"


async def test_what_the_cloud_refuses_is_told_and_passed_by(
    exchange: Exchange, cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    exchange._entries.add([said(1, NOW), said(2, NOW)])
    reply = httpx.Response(200, json={"accepted": ["entry-0001"], "refused": {"entry-0002": "pond is unknown"}})
    answers = Answers(reply, page([], 0))
    async with answers.client() as client:
        await exchange.exchange(client, cloud)
    assert [entry["id"] for entry in orjson.loads(answers.asked[0].content)["entries"]] == ["entry-0001", "entry-0002"]
    assert exchange._entries.unsent(9) == []
    assert "pond is unknown" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        lambda: httpx.Response(500),
        lambda: httpx.Response(200, text="<html>a hotel's sign-in page</html>"),
        lambda: httpx.Response(200, json=[]),
        lambda: httpx.Response(200, json={"entries": "x", "last": "y"}),
        lambda: httpx.Response(401),
    ],
)
async def test_a_strange_answer_is_an_error_and_nothing_is_lost(
    exchange: Exchange, cloud: Cloud, answer: Callable[[], httpx.Response]
) -> None:
    exchange._entries.add([said(1, NOW)])
    async with Answers(answer()).client() as client:
        with pytest.raises(ExchangeError):
            await exchange.exchange(client, cloud)
    assert len(exchange._entries.unsent(9)) == 1
    assert exchange._entries.note("after") is None


async def test_one_bad_entry_of_the_cloud_never_stops_the_rest(exchange: Exchange, cloud: Cloud) -> None:
    answers = Answers(page([{"id": "x"}, 7, said(5, NOW)], 3), page([], 3))
    async with answers.client() as client:
        await exchange.exchange(client, cloud)
    assert [entry["id"] for _, entry in exchange._entries.after(0)] == ["entry-0005"]


async def test_a_token_file_that_is_not_there_is_named(exchange: Exchange, cloud: Cloud) -> None:
    cloud.token_file.unlink()
    async with Answers().client() as client:
        with pytest.raises(ExchangeError, match="token"):
            await exchange.exchange(client, cloud)
