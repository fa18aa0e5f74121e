"""Asking as somebody with an app."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import Engine

from cloud.accounts import people
from tests.cloud.batches import NOW, PASSWORD


@pytest.fixture
def ask(client: httpx.Client) -> Callable[..., httpx.Response]:
    """Give a function that asks as somebody with an app."""
    held: dict[str, str] = {}

    def send(who: str, method: str, path: str, **more: object) -> httpx.Response:
        if who not in held:
            reply = client.post("/api/v1/devices", json={"login": who, "password": PASSWORD})
            held[who] = reply.json()["token"]
        return client.request(method, f"/api/v1{path}", headers={"Authorization": f"Bearer {held[who]}"}, **more)  # type: ignore[arg-type]

    return send


@pytest.fixture
def technician(engine: Engine) -> str:
    """Give the login of a technician of co-op A."""
    who = {"login": "kythuat", "name": "Kỹ thuật", "role": "technician", "cooperative": "coop-a"}
    people.add(engine, **who, password=PASSWORD, now=NOW, actor="test")
    return who["login"]
