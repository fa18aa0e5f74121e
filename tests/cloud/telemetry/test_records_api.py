"""Hours, days, exports and corrections over HTTP; zstd beside gzip."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pandas as pd
import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet

from cloud.accounts.secrets import form_token
from cloud.telemetry.ingest import UNPACKED_LIMIT, BatchError, unpack
from tests.cloud.batches import NOW, PASSWORD, TOKENS, batch, sample
from vuong.contract.api import FORM_HEADER

A = {"Authorization": f"Bearer {TOKENS['gw-a']}"}
EXPORT = "/api/v1/ponds/ao-a1/export"


@pytest.fixture
def stored(post: Callable[..., Any]) -> list[dict[str, Any]]:
    """Store some samples; return them."""
    rows = [sample(n, do=5.0 + n / 10, ph=8.0) if n % 3 else sample(n, salinity=15.5) for n in range(1, 50)]
    rows[6]["flags"]["do"] = 4
    assert post(batch(rows)).json()["quarantined"] == []
    return rows


def test_zstd_is_taken_like_gzip(client: httpx.Client) -> None:
    body = zstandard.compress(orjson.dumps(batch([sample(1, do=5.0)])))
    reply = client.post("/api/v1/batches", content=body, headers=A | {"Content-Encoding": "zstd"})
    assert (reply.status_code, reply.json()) == (200, {"accepted": 1, "quarantined": []})


_WHOLE = zstandard.compress(orjson.dumps(batch([sample(1, do=5.0)])))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"plain", 400),
        (_WHOLE[:-3], 400),
        (b"", 400),
        (zstandard.compress(b" " * (UNPACKED_LIMIT + 1)), 413),
        (zstandard.compress(b"{"), 400),
    ],
    ids=["no zstd", "half", "nothing", "a bomb", "no JSON"],
)
def test_a_zstd_body_that_cannot_be_read_is_refused(body: bytes, status: int) -> None:
    with pytest.raises(BatchError) as caught:
        unpack(body, "zstd")
    assert caught.value.status == status


@pytest.mark.usefixtures("stored")
def test_hours_and_days_show_the_extremes(client: httpx.Client) -> None:
    hours = client.get(
        "/api/v1/ponds/ao-a1/rollups", params={"quantity": "do", "start": NOW - 7200, "end": NOW}, headers=A
    ).json()
    assert sum(hours["count"]) == 32
    assert sum(hours["failed"]) == 1
    assert (min(hours["low"]), max(hours["high"])) == (5.1, 9.9)
    days = client.get("/api/v1/ponds/ao-a1/rollups", params={"step": "day", "start": NOW - 7200, "end": NOW}, headers=A).json()
    assert sum(days["count"]) == 32
    for query, status in (
        ({"quantity": "gold"}, 422),
        ({"step": "week"}, 422),
        ({"start": 9, "end": 4}, 422),
        ({"start": 0}, 422),
    ):
        assert client.get("/api/v1/ponds/ao-a1/rollups", params=query, headers=A).status_code == status


def test_csv_parquet_and_excel_hold_what_was_stored(client: httpx.Client, stored: list[dict[str, Any]]) -> None:
    query: dict[str, Any] = {"start": NOW - 7200, "end": NOW}
    reply = client.get(EXPORT, params=query | {"format": "csv"}, headers=A)
    assert reply.headers["Content-Disposition"].endswith('.csv"')
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert len(rows) == len(stored)
    assert rows[0]["time"] == "2026-11-20T17:41:00Z"
    for row, sent in zip(rows, stored, strict=True):
        for name in ("do", "ph", "salinity"):
            assert (float(row[name]) if row[name] else None) == sent["values"].get(name)
    assert rows[6]["do_flag"] == "4"

    table = parquet.read_table(pa.BufferReader(client.get(EXPORT, params=query | {"format": "parquet"}, headers=A).content))
    assert table.column("do").to_pylist() == [row["values"].get("do") for row in stored]
    assert [moment.timestamp() for moment in table.column("time").to_pylist()] == [row["time"] for row in stored]
    assert table.schema.field("do").metadata == {b"unit": b"mg/L"}

    book = client.get(EXPORT, params=query | {"format": "xlsx"}, headers=A).content
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert archive.testzip is not None
    assert sheet.count("<row ") == len(stored) + 1


@pytest.mark.parametrize("kind", ["csv", "parquet", "xlsx"])
def test_nothing_in_the_range_is_a_file_with_its_heads(client: httpx.Client, kind: str) -> None:
    reply = client.get(EXPORT, params={"format": kind, "start": 5, "end": 9}, headers=A)
    assert reply.status_code == 200
    if kind == "csv":
        assert pd.read_csv(io.BytesIO(reply.content)).columns[0] == "node"
    if kind == "parquet":
        assert parquet.read_table(pa.BufferReader(reply.content)).num_rows == 0


@pytest.mark.usefixtures("stored")
def test_only_those_who_may_correct_do_and_what_was_is_told(client: httpx.Client, sign_in: Callable[[str], httpx.Client]) -> None:
    wanted = {"quantity": "do", "start": NOW - 7200, "end": NOW, "offset": -0.5, "reason": "probe 0.5 too high against Winkler"}
    path = "/api/v1/ponds/{}/corrections"
    assert client.post(path.format("ao-a1"), json=wanted).status_code == 401
    assert client.post(path.format("ao-a1"), json=wanted, headers=A).status_code == 403
    credentials = {"login": "nam", "password": PASSWORD, "name": "TV", "scopes": ["read"]}
    token = client.post("/api/v1/devices", json=credentials).json()["token"]
    only_read = {"Authorization": f"Bearer {token}"}
    assert client.post(path.format("ao-b1"), json=wanted, headers=only_read).status_code == 403
    sign_in("nam")  # manager of the other co-op
    assert client.post(path.format("ao-b1"), json=wanted).status_code == 403, "no form token"
    own = {FORM_HEADER: form_token(b"k" * 32, client.cookies["vuong_session"])}
    assert client.post(path.format("ao-a1"), json=wanted, headers=own).status_code == 404
    assert client.post(path.format("ao-b1"), json=wanted, headers=own).json() == {"changed": 0}
    assert client.post(path.format("ao-b1"), json=wanted | {"offset": 0}, headers=own).status_code == 422


def test_a_manager_corrects_and_the_revision_is_read_back(
    post: Callable[..., Any], client: httpx.Client, sign_in: Callable[[str], httpx.Client]
) -> None:
    post(batch([sample(n, node="00000000000000b1", do=6.0) for n in range(1, 4)], gateway="gw-b"))
    sign_in("nam")
    wanted = {"quantity": "do", "start": NOW - 7200, "end": NOW, "value": 5.5, "flag": 3, "reason": "hand meter"}
    own = {FORM_HEADER: form_token(b"k" * 32, client.cookies["vuong_session"])}
    assert client.post("/api/v1/ponds/ao-b1/corrections", json=wanted, headers=own).json() == {"changed": 3}
    revisions = client.get("/api/v1/ponds/ao-b1/revisions").json()
    assert len(revisions) == 3
    me = client.get("/api/v1/me/data").json()["person"]
    told = {
        name: revisions[0][name] for name in ("old_value", "new_value", "old_flag", "new_flag", "author", "reason", "changed")
    }
    assert told == {
        "old_value": 6.0,
        "new_value": 5.5,
        "old_flag": 1,
        "new_flag": 3,
        "author": f"user:{me['id']}",
        "reason": "hand meter",
        "changed": NOW,
    }
    assert {row["value"] for row in client.get("/api/v1/latest").json()} == {5.5}


@pytest.mark.usefixtures("stored")
def test_last_values_come_as_columns_for_a_map(client: httpx.Client) -> None:
    path = "/api/v1/latest/columns"
    found = client.get(path, params={"quantity": ["do", "salinity"]}, headers=A).json()
    assert (found["pond"], found["do"], found["salinity"]) == (["ao-a1"], [9.9], [15.5])
    assert found["do_time"] == [NOW - 3600 + 49 * 60]
    assert len(client.get(path, headers=A).json()) == 22
    assert client.get(path, params={"quantity": "gold"}, headers=A).status_code == 422
    nobodys = client.get(path, headers={"Authorization": f"Bearer {TOKENS['gw-b']}"}).json()
    assert nobodys["pond"] == []
