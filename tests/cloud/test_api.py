"""The JSON API over HTTP, on both stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from cloud.telemetry.ingest import COMPRESSED_LIMIT
from tests.cloud.batches import NOW, TOKENS, alarm, batch, packed, sample
from vuong.clock import ManualClock

A = {"Authorization": f"Bearer {TOKENS['gw-a']}"}


def test_a_batch_is_answered_with_its_last_position(post: Callable[..., Any]) -> None:
    document = batch([sample(n, do=5.0) for n in range(1, 4)], first=11)
    for _ in range(2):
        reply = post(document, **{"Idempotency-Key": "gw-a/samples/11-13"})
        assert (reply.status_code, reply.json()) == (200, {"accepted": 13, "quarantined": []})


def test_a_batch_without_a_good_token_is_refused(client: httpx.Client) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKENS['gw-a']}"}):
        reply = client.post("/api/v1/batches", content=packed(batch()), headers={"Content-Encoding": "gzip"} | headers)
        assert reply.status_code == 401
        assert reply.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"x", {"Content-Encoding": "gzip"}, 400),
        (b"{}", {"Content-Encoding": "br"}, 415),
        (packed(batch()), {"Content-Encoding": "gzip", "Idempotency-Key": "gw-a/samples/5-9"}, 400),
        (b"[]", {}, 422),
        (b"x" * (COMPRESSED_LIMIT + 1), {}, 413),
    ],
    ids=["gzip", "encoding", "key", "structure", "size"],
)
def test_what_cannot_be_read_is_told_apart(client: httpx.Client, body: bytes, headers: dict[str, str], status: int) -> None:
    reply = client.post("/api/v1/batches", content=body, headers=A | headers)
    assert reply.status_code == status
    assert reply.json()["detail"]


def test_a_body_of_unknown_length_is_limited_too(client: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(COMPRESSED_LIMIT // 65_536 + 2):
            yield b"x" * 65_536

    assert client.post("/api/v1/batches", content=endless(), headers=A).status_code == 413


def test_what_was_posted_is_read_back(post: Callable[..., Any], client: httpx.Client) -> None:
    rows = [sample(n, do=5.0 + n / 10, ph=8.0) for n in range(1, 50)]
    rows[9]["flags"]["do"] = 4
    rows[9]["reasons"] = {"do": {"key": "physical_range", "value": 31.5, "low": 0, "high": 30}}
    post(batch(rows, alarms=[alarm(), alarm("old", cleared=NOW - 10)]))

    latest = {row["quantity"]: row for row in client.get("/api/v1/latest", headers=A).json()}
    assert latest["do"] == {"pond": "ao-a1", "quantity": "do", "unit": "mg/L", "time": rows[-1]["time"], "value": 9.9, "flag": 1}

    query = {"quantity": "do", "start": NOW - 7200, "end": NOW, "language": "vi"}
    series = client.get("/api/v1/ponds/ao-a1/readings", params=query, headers=A).json()
    assert series["time"] == [row["time"] for row in rows]
    assert series["value"] == [row["values"]["do"] for row in rows]
    assert series["flag"][9] == 4
    assert series["reasons"] == {"9": "31,50 mg/L nằm ngoài khoảng đo được trong nước (0 đến 30 mg/L)"}
    thin = client.get("/api/v1/ponds/ao-a1/readings", params=query | {"points": 8}, headers=A).json()
    assert len(thin["time"]) <= 8
    assert thin["total"] == 49

    [opened] = client.get("/api/v1/alarms?language=vi", headers=A).json()
    assert (opened["id"], opened["priority"], opened["category"]) == ("a1", "warning", "water")
    assert "3,3" in opened["title"] + opened["cause"] + opened["advice"]
    assert {row["id"] for row in client.get("/api/v1/alarms?open=false", headers=A).json()} == {"a1", "old"}

    pond = client.get("/api/v1/ponds/ao-a2", headers=A).json()
    assert pond["limits"]["do"]["low_warning"] == 4.5
    assert pond["nodes"] == ["00000000000000a2"]
    assert client.get("/api/v1/me", headers=A).json()["cooperative"] == "coop-a"


def test_the_live_mark_moves_with_every_change(post: Callable[..., Any], client: httpx.Client, clock: ManualClock) -> None:
    marks = [client.get("/api/v1/live", headers=A).json()["mark"]]
    for document in (batch([sample(1, do=5.0)]), batch(alarms=[alarm()]), batch(alarms=[alarm(revision=2, cleared=NOW)])):
        post(document)
        marks.append(client.get("/api/v1/live", headers=A).json()["mark"])
    assert len(set(marks)) == 4
    clock.set(NOW + 50)
    assert client.get("/api/v1/live", headers=A).json() == {"now": NOW + 50, "mark": marks[-1], "alarms": 0}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"quantity": "gold"}, 422),
        ({"start": 9, "end": 5}, 422),
        ({"points": 1}, 422),
        ({"start": 2**70}, 422),
        ({"start": "x"}, 422),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(client: httpx.Client, query: dict[str, Any], status: int) -> None:
    reply = client.get("/api/v1/ponds/ao-a1/readings", params=query, headers=A)
    assert (reply.status_code, bool(reply.json()["detail"])) == (status, True)


def test_the_api_describes_itself(client: httpx.Client) -> None:
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert {"/api/v1/batches", "/api/v1/ponds", "/api/v1/latest", "/api/v1/alarms", "/api/v1/live", "/api/v1/me"} <= set(paths)
    assert not any(path.startswith("/sign") for path in paths)


def test_health_and_headers(client: httpx.Client) -> None:
    reply = client.get("/healthz")
    assert reply.json() == {"status": "ok"}
    assert "script-src 'self'" in reply.headers["Content-Security-Policy"]
    assert "unsafe" not in reply.headers["Content-Security-Policy"]
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["X-Frame-Options"] == "DENY"
    assert reply.headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in reply.headers["Permissions-Policy"]
