"""Tokens of apps and gateways over HTTP: issued, narrowed, rotated, revoked, over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select

from cloud.accounts import people, tokens
from cloud.accounts.roles import RIGHTS, Right, Role
from cloud.accounts.service import person_of_token, sender
from cloud.accounts.tables import UserToken
from cloud.context import Context
from tests.cloud.batches import NOW, PASSWORD, TOKENS, batch, sample
from tests.cloud.conftest import served
from vuong.clock import ManualClock
from vuong.contract import api as contract


def enter(client: httpx.Client, login: str = "sau", **more: object) -> httpx.Response:
    return client.post("/api/v1/devices", json={"login": login, "password": PASSWORD, "name": "phone"} | more)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_cloud_and_the_gateway_agree_on_what_roles_may() -> None:
    shared = {right.value for right in contract.Right}
    for role, rights in RIGHTS.items():
        if role is not Role.ADMINISTRATOR:
            assert {right.value for right in rights} & shared == {right.value for right in contract.RIGHTS[role]}
    assert RIGHTS[Role.ADMINISTRATOR] == set(Right)
    assert all(Right.READ in rights for rights in RIGHTS.values())
    assert RIGHTS[Role.OFFICIAL] == {Right.READ, Right.EXPORT}


def test_an_app_signs_in_and_sees_its_coop(client: httpx.Client, engine: Engine) -> None:
    reply = enter(client)
    assert reply.status_code == 201, reply.text
    issued = reply.json()
    assert issued["scopes"] == sorted(RIGHTS[Role.FARMER])
    headers = bearer(issued["token"])
    assert {pond["id"] for pond in client.get("/api/v1/ponds", headers=headers).json()} == {"ao-a1", "ao-a2"}
    me = client.get("/api/v1/me", headers=headers).json()
    assert (me["name"], me["cooperative"], me["rights"]) == ("Cô Sáu", "coop-a", sorted(RIGHTS[Role.FARMER]))
    with engine.connect() as connection:
        assert issued["token"] not in list(connection.scalars(select(UserToken.digest)))
    assert client.post("/api/v1/batches", json={}, headers=headers).status_code == 401  # people send no batches


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"password": "wrong"}, 401),
        ({"login": "nobody"}, 401),
        ({"scopes": ["people"]}, 422),
        ({"scopes": ["all"]}, 422),
        ({"password": 5}, 422),
    ],
)
def test_wrong_credentials_and_scopes_get_no_token(client: httpx.Client, change: dict[str, Any], status: int) -> None:
    assert enter(client, **change).status_code == status


def test_apps_are_locked_out_like_browsers(client: httpx.Client) -> None:
    codes = [enter(client, password="wrong").status_code for _ in range(9)]
    assert codes == [401] * 8 + [429]
    assert enter(client).status_code == 429


def test_a_token_does_no_more_than_its_scopes(client: httpx.Client) -> None:
    headers = bearer(enter(client, scopes=["record"]).json()["token"])
    assert client.get("/api/v1/ponds", headers=headers).status_code == 403
    readonly = bearer(enter(client, scopes=["read"]).json()["token"])
    assert client.get("/api/v1/ponds", headers=readonly).status_code == 200
    reading = {"quantity": "do", "value": 5.0}
    reply = client.post("/api/v1/ponds/ao-a1/hand-readings", json=reading, headers=readonly)
    assert reply.status_code == 403, reply.text


def test_tokens_are_listed_and_revoked_by_their_owner_only(client: httpx.Client) -> None:
    mine, theirs = bearer(enter(client).json()["token"]), bearer(enter(client, login="nam").json()["token"])
    [listed] = client.get("/api/v1/devices", headers=mine).json()
    assert listed["name"] == "phone"
    assert client.delete(f"/api/v1/devices/{listed['id']}", headers=theirs).status_code == 404
    assert client.delete("/api/v1/devices/99999999999999", headers=mine).status_code == 404
    assert client.delete(f"/api/v1/devices/{listed['id']}", headers=mine).status_code == 204
    assert client.get("/api/v1/me", headers=mine).status_code == 401
    assert client.get("/api/v1/me", headers=theirs).status_code == 200


def test_a_token_ends_by_itself(client: httpx.Client, engine: Engine) -> None:
    token = enter(client).json()
    assert token["expires"] == NOW + tokens.DAYS * 86_400
    assert person_of_token(engine, token["token"], token["expires"] - 1)
    assert person_of_token(engine, token["token"], token["expires"]) is None


def test_rotating_gives_a_new_token_and_ends_the_old_one_soon(client: httpx.Client, engine: Engine) -> None:
    old = enter(client, scopes=["read", "record"]).json()
    reply = client.post("/api/v1/devices/rotate", headers=bearer(old["token"]))
    assert (reply.status_code, reply.json()["scopes"]) == (201, ["read", "record"])
    new = reply.json()["token"]
    assert person_of_token(engine, old["token"], NOW + 299)
    assert person_of_token(engine, old["token"], NOW + 300) is None
    assert person_of_token(engine, new, NOW + 300)
    assert client.post("/api/v1/devices/rotate", headers=bearer(TOKENS["gw-a"])).status_code == 403


def test_who_is_shut_out_or_has_a_new_password_has_no_sessions_and_tokens(
    client: httpx.Client, engine: Engine, sign_in: Callable[[str], httpx.Client]
) -> None:
    for end in (
        lambda: people.disable(engine, "sau", now=NOW, actor="test"),
        lambda: people.set_password(engine, "sau", PASSWORD, now=NOW, actor="test"),
        lambda: people.set_role(engine, "sau", "technician", now=NOW, actor="test"),
    ):
        people.enable(engine, "sau", now=NOW, actor="test")
        headers = bearer(enter(client).json()["token"])
        sign_in("sau")
        assert client.get("/api/v1/me").status_code == 200
        end()
        assert client.get("/api/v1/me", headers=headers).status_code == 401
        assert client.get("/api/v1/me").status_code == 401
        client.cookies.clear()
    people.disable(engine, "sau", now=NOW, actor="test")
    assert enter(client).status_code == 401


def test_a_gateway_rotates_its_own_token_and_both_work_for_a_day(
    client: httpx.Client, engine: Engine, post: Callable[..., Any]
) -> None:
    reply = client.post("/api/v1/gateway/token", headers=bearer(TOKENS["gw-a"]))
    assert (reply.status_code, reply.json()["overlap"]) == (201, 86_400)
    new = reply.json()["token"]
    assert post(batch([sample(1, do=5.0)])).status_code == 200
    assert post(batch([sample(2, do=5.0)], first=2), **bearer(new)).status_code == 200
    later = Context(engine, b"k" * 32, clock=ManualClock(NOW), wall=ManualClock(NOW + 86_400))
    with served(later) as address, httpx.Client(base_url=address) as other:
        assert other.get("/api/v1/ponds", headers=bearer(TOKENS["gw-a"])).status_code == 401
        assert other.get("/api/v1/ponds", headers=bearer(new)).status_code == 200
    assert sender(engine, TOKENS["gw-b"], NOW + 10**6)


def test_managers_create_people_of_their_coop_only(client: httpx.Client) -> None:
    manager, farmer = bearer(enter(client, login="nam").json()["token"]), bearer(enter(client).json()["token"])
    new = {"login": "bay", "name": "Chú Bảy", "role": "farmer", "cooperative": "coop-b", "password": "một câu thật dài"}
    assert client.post("/api/v1/people", json=new, headers=farmer).status_code == 403
    assert client.get("/api/v1/people", headers=farmer).status_code == 403
    for wrong in ({"cooperative": "coop-a"}, {"cooperative": None, "role": "administrator"}):
        assert client.post("/api/v1/people", json=new | wrong, headers=manager).status_code == 403
    for wrong in ({"password": "12345678"}, {"password": "short"}, {"login": "nam"}, {"login": "Có dấu"}, {"role": "king"}):
        assert client.post("/api/v1/people", json=new | wrong, headers=manager).status_code == 422, wrong
    assert client.post("/api/v1/people", json=new, headers=manager).status_code == 201
    assert {row["login"] for row in client.get("/api/v1/people", headers=manager).json()} == {"nam", "bay"}
    refused = enter(client, login="bay", password=new["password"])
    assert (refused.status_code, "your own password" in refused.text) == (403, True), "the manager knows it"


def test_a_browser_writes_over_the_api_with_its_form_token_only(
    client: httpx.Client, sign_in: Callable[[str], httpx.Client]
) -> None:
    sign_in("nam")
    new = {"login": "bay", "name": "Chú Bảy", "role": "farmer", "cooperative": "coop-b", "password": "một câu thật dài"}
    assert client.post("/api/v1/people", json=new).status_code == 403
    token = client.get("/ponds").text.split('name="token" value="')[1].split('"')[0]
    assert client.post("/api/v1/people", json=new, headers={contract.FORM_HEADER: token}).status_code == 201
