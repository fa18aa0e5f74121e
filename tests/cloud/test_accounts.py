"""Signing in and out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, select

from cloud.accounts import secrets
from cloud.accounts.service import SESSION_SECONDS, AttemptLimit, person
from cloud.accounts.service import sign_in as open_session
from cloud.accounts.tables import GatewayToken, SignIn, User
from tests.cloud.batches import NOW, PASSWORD, TOKENS


def form(client: httpx.Client, **changes: str) -> httpx.Response:
    token = client.get("/sign-in").text.split('name="token" value="')[1].split('"')[0]
    return client.post("/sign-in", data={"login": "sau", "password": PASSWORD, "token": token} | changes)


def test_signing_in_opens_a_session_and_signing_out_ends_it(client: httpx.Client, engine: Engine) -> None:
    reply = form(client, next="/alarms")
    assert (reply.status_code, reply.headers["Location"]) == (303, "/alarms")
    cookie = reply.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    page = client.get("/ponds")
    assert page.status_code == 200
    assert "Cô Sáu" in page.text
    held = dict(client.cookies)
    assert client.post("/sign-out", data={"token": "wrong"}).headers["Location"] == "/ponds"
    token = page.text.split('name="token" value="')[1].split('"')[0]
    assert client.post("/sign-out", data={"token": token}).headers["Location"] == "/sign-in"
    with httpx.Client(base_url=client.base_url, cookies=held) as thief:
        assert thief.get("/ponds").status_code == 303


def test_nothing_secret_is_stored_readably(client: httpx.Client, engine: Engine) -> None:
    form(client)
    cookie = client.cookies["vuong_session"]
    with engine.connect() as connection:
        passwords = list(connection.scalars(select(User.password)))
        digests = [*connection.scalars(select(SignIn.digest)), *connection.scalars(select(GatewayToken.digest))]
    assert all(password.startswith("$argon2id$") for password in passwords)
    assert cookie not in digests
    assert not set(TOKENS.values()) & set(digests)


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"login": "nobody"}, {"login": "", "password": ""}])
def test_wrong_login_and_wrong_password_are_answered_alike(client: httpx.Client, change: dict[str, str]) -> None:
    reply = form(client, **change)
    assert reply.status_code == 401
    assert 'role="alert"' in reply.text
    assert "vuong_session" not in client.cookies


def test_a_form_from_elsewhere_is_refused(client: httpx.Client) -> None:
    assert form(client, token="0" * 64).status_code == 403
    assert form(client, token="é").status_code == 403
    assert "vuong_session" not in client.cookies


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "/a\nb"])
def test_signing_in_never_leads_to_another_site(client: httpx.Client, target: str) -> None:
    assert form(client, next=target).headers["Location"] == "/ponds"


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # the limit is kept in the process
def test_too_many_attempts_have_to_wait(client: httpx.Client) -> None:
    codes = [form(client, password="wrong").status_code for _ in range(9)]
    assert codes == [401] * 8 + [429]
    assert form(client).status_code == 429


def test_the_limit_forgets_after_its_window() -> None:
    limit = AttemptLimit(attempts=2, seconds=10)
    for now in (0.0, 4.0):
        limit.failed("key", now)
    assert limit.wait("key", 5) == pytest.approx(5)
    assert limit.wait("other", 5) == 0
    assert limit.wait("key", 10.5) == 0
    assert limit.wait("key", 60) == 0


def test_a_session_ends_by_itself(engine: Engine) -> None:
    cookie = open_session(engine, "sau", PASSWORD, NOW)
    assert cookie
    assert person(engine, cookie, NOW + SESSION_SECONDS - 1)
    assert person(engine, cookie, NOW + SESSION_SECONDS) is None


def test_language_is_the_persons_own_until_they_choose(sign_in: Callable[[str], httpx.Client]) -> None:
    client = sign_in("canbo")
    assert '<html lang="en">' in client.get("/ponds").text
    assert '<html lang="vi">' in client.get("/ponds?lang=vi").text
    assert '<html lang="vi">' in client.get("/alarms").text


def test_the_key_is_kept_beside_the_database_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VUONG_SECRET_KEY", raising=False)
    key = secrets.secret_key(tmp_path / "cloud.db")
    assert secrets.secret_key(tmp_path / "cloud.db") == key
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ValueError, match="VUONG_SECRET_KEY is not set"):
        secrets.secret_key(None)
    monkeypatch.setenv("VUONG_SECRET_KEY", "short")
    with pytest.raises(ValueError, match="too short"):
        secrets.secret_key(None)
