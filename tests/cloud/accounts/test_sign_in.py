"""Signing in and out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, select, update

from cloud.accounts import attempts, secrets
from cloud.accounts.policy import SESSION_SECONDS, Policy
from cloud.accounts.service import person
from cloud.accounts.tables import Attempt, GatewayToken, SignIn, User
from cloud.context import Context
from tests.cloud.batches import NOW, PASSWORD, TOKENS
from tests.cloud.conftest import open_session, served
from vuong.clock import ManualClock


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


def test_too_many_wrong_passwords_lock_the_login_and_a_restart_forgets_nothing(client: httpx.Client, engine: Engine) -> None:
    codes = [form(client, password="wrong").status_code for _ in range(9)]
    assert codes == [401] * 8 + [429]
    reply = form(client)
    assert (reply.status_code, reply.headers["Retry-After"]) == (429, "61")
    with served(Context(engine, b"k" * 32, wall=ManualClock(NOW + 59))) as address, httpx.Client(base_url=address) as other:
        assert form(other).status_code == 429
        assert form(other, login="nam").status_code == 303
    with served(Context(engine, b"k" * 32, wall=ManualClock(NOW + 61))) as address, httpx.Client(base_url=address) as later:
        assert form(later).status_code == 303


def test_every_further_failure_doubles_the_lock_and_the_right_password_ends_it(engine: Engine) -> None:
    now, waits = float(NOW), []
    for _ in range(16):
        attempts.failed(engine, "key", now)
        waits.append(attempts.locked_for(engine, "key", now))
        now += waits[-1]
    assert waits == [0] * 7 + [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert attempts.locked_for(engine, "other", now) == 0
    attempts.clear(engine, "key")
    assert attempts.locked_for(engine, "key", now) == 0


def test_failures_are_forgotten_after_their_window(engine: Engine) -> None:
    for _ in range(7):
        attempts.failed(engine, "key", NOW)
    assert not attempts.failed(engine, "key", NOW + attempts.WINDOW)
    attempts.forget_old(engine, NOW + 200_000)
    with engine.connect() as connection:
        assert list(connection.scalars(select(Attempt.key))) == []


def test_one_address_asks_so_often_only(engine: Engine) -> None:
    allowed = [attempts.spend(engine, "address", NOW + n, limit=3, seconds=60) for n in range(5)]
    assert allowed == [True, True, True, False, False]
    assert attempts.spend(engine, "address", NOW + 60, limit=3, seconds=60)


def test_many_workers_lose_no_failure_from_the_first_one_on(engine: Engine) -> None:
    with ThreadPoolExecutor(7) as pool:
        for key in ("one", "two", "three", "four"):
            list(pool.map(lambda _, key=key: attempts.failed(engine, key, NOW), range(7)))
            assert attempts.locked_for(engine, key, NOW) == 0
            attempts.failed(engine, key, NOW)
            assert attempts.locked_for(engine, key, NOW) == 60


def test_an_older_hash_is_made_anew_when_its_owner_signs_in(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_HASHER", PasswordHasher())  # as in production, where no test makes hashing cheap
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with engine.begin() as connection:
        connection.execute(update(User).where(User.login == "sau").values(password=weak))
    assert open_session(engine, "sau", PASSWORD, NOW)
    with engine.connect() as connection:
        hashed = connection.scalar(select(User.password).where(User.login == "sau")) or ""
    assert "m=65536,t=3" in hashed
    assert open_session(engine, "sau", PASSWORD, NOW)


def test_a_session_ends_by_itself(engine: Engine) -> None:
    cookie = open_session(engine, "sau", PASSWORD, NOW)
    assert cookie
    assert person(engine, cookie, NOW + SESSION_SECONDS - 1, Policy())
    assert person(engine, cookie, NOW + SESSION_SECONDS, Policy()) is None


def test_language_is_the_persons_own_until_they_choose(sign_in: Callable[[str], httpx.Client]) -> None:
    client = sign_in("canbo")
    assert '<html lang="en">' in client.get("/ponds").text
    assert '<html lang="vi">' in client.get("/ponds?lang=vi").text
    assert '<html lang="vi">' in client.get("/alarms").text


def test_the_key_is_kept_beside_the_database_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VUONG_SECRET_KEY", raising=False)
    [key] = secrets.secret_keys(tmp_path / "cloud.db")
    assert secrets.secret_keys(tmp_path / "cloud.db") == (key,)
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ValueError, match="VUONG_SECRET_KEY is not set"):
        secrets.secret_keys(None)
    monkeypatch.setenv("VUONG_SECRET_KEY", "short")
    with pytest.raises(ValueError, match="too short"):
        secrets.secret_keys(None)


def test_a_key_before_the_one_in_force_still_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VUONG_SECRET_KEY", raising=False)
    [old] = secrets.secret_keys(tmp_path / "cloud.db")
    sealed = secrets.Seal(old).close("JBSWY3DPEHPK3PXP", "user:1")
    assert "JBSWY3DP" not in sealed
    (tmp_path / "secret.key").write_text("n" * 64 + "\n" + old.decode())
    keys = secrets.secret_keys(tmp_path / "cloud.db")
    assert keys == (b"n" * 64, old)
    assert secrets.Seal(*keys).open(sealed, "user:1") == "JBSWY3DPEHPK3PXP"
    anew = secrets.Seal(*keys).renew(sealed)
    assert secrets.Seal(keys[0]).open(anew, "user:1") == "JBSWY3DPEHPK3PXP"
    monkeypatch.setenv("VUONG_SECRET_KEY", "n" * 64)
    monkeypatch.setenv("VUONG_SECRET_KEYS_BEFORE", f"{'m' * 64} {old.decode()}")
    assert secrets.secret_keys(None) == (b"n" * 64, b"m" * 64, old)
    for key, owner in ((keys[0], "user:1"), (old, "user:2")):
        with pytest.raises(secrets.SealError):
            secrets.Seal(key).open(sealed, owner)
    with pytest.raises(secrets.SealError):
        secrets.Seal(old).open(sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:], "user:1")
    with pytest.raises(secrets.SealError, match="VUONG_SECRET_KEYS_BEFORE"):
        secrets.Seal(b"n" * 64).renew(sealed)
