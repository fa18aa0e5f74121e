"""What the operator sets: when a quiet session ends, who needs a second factor; and passwords that somebody else chose."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import Engine, text

from cloud.accounts import attempts, factors, people
from cloud.accounts.policy import SESSION_SECONDS, Policy
from cloud.accounts.roles import Role
from cloud.accounts.secrets import digest
from cloud.accounts.service import authenticate, person, sessions
from cloud.context import REFRESH_HEADER
from cloud.database import migrate
from tests.cloud.accounts.phone import enrol, send
from tests.cloud.batches import NOW, PASSWORD
from tests.cloud.conftest import open_session
from vuong.clock import ManualClock

SignIn = Callable[[str], httpx.Client]
OWN = "câu của riêng tôi đây"


def test_a_quiet_session_of_who_sees_all_ends_after_half_an_hour(sign_in: SignIn, wall: ManualClock) -> None:
    browser = sign_in("canbo")
    wall.set(wall.now() + 1799)
    assert browser.get("/account").status_code == 200
    wall.set(wall.now() + 1799)
    assert browser.get("/account").status_code == 200
    wall.set(wall.now() + 1800)
    assert browser.get("/account").headers["Location"] == "/sign-in?next=/account"
    assert browser.get("/api/v1/me").status_code == 401


def test_what_a_page_asks_by_itself_keeps_nobody_signed_in(sign_in: SignIn, wall: ManualClock) -> None:
    browser = sign_in("canbo")
    for _ in range(2):
        wall.set(wall.now() + 899)
        assert browser.get("/api/v1/live").status_code == 200
        assert browser.get("/ponds", headers={REFRESH_HEADER: "1"}).status_code == 200
    wall.set(NOW + 1800)
    assert browser.get("/api/v1/live").status_code == 401


def test_a_coops_screen_stays_on_as_long_as_a_session_lasts(sign_in: SignIn, wall: ManualClock) -> None:
    browser = sign_in("sau")
    wall.set(wall.now() + SESSION_SECONDS - 1)
    assert browser.get("/api/v1/live").status_code == 200
    wall.set(wall.now() + 1)
    assert browser.get("/api/v1/live").status_code == 401


def test_used_or_not_a_session_ends_after_twelve_hours(engine: Engine) -> None:
    cookie = open_session(engine, "canbo", PASSWORD, NOW) or ""
    for second in range(1200, SESSION_SECONDS, 1200):
        assert person(engine, cookie, NOW + second, Policy()), second
    assert person(engine, cookie, NOW + SESSION_SECONDS, Policy()) is None


def test_a_quiet_session_is_not_listed_as_open(sign_in: SignIn, engine: Engine, wall: ManualClock) -> None:
    open_session(engine, "canbo", PASSWORD, NOW)
    sign_in("canbo")
    assert len(sessions(engine, people.find(engine, "canbo").id, NOW + 1799, Policy())) == 2
    assert sessions(engine, people.find(engine, "canbo").id, NOW + 1800, Policy()) == []


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VUONG_SECOND_FACTOR", "VUONG_IDLE_MINUTES"):
        monkeypatch.delenv(name, raising=False)
    assert Policy.from_environment() == Policy()
    assert Policy().second_factor == {Role.ADMINISTRATOR}
    assert (Policy().idle[Role.OFFICIAL], Policy().idle[Role.FARMER]) == (1800, SESSION_SECONDS)
    monkeypatch.setenv("VUONG_SECOND_FACTOR", "administrator, official")
    monkeypatch.setenv("VUONG_IDLE_MINUTES", "official=15, manager=60")
    found = Policy.from_environment()
    assert found.second_factor == {Role.ADMINISTRATOR, Role.OFFICIAL}
    assert (found.idle[Role.OFFICIAL], found.idle[Role.MANAGER], found.idle[Role.ADMINISTRATOR]) == (900, 3600, 1800)
    monkeypatch.setenv("VUONG_SECOND_FACTOR", "none")
    assert Policy.from_environment().second_factor == frozenset()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VUONG_SECOND_FACTOR", "king"),
        ("VUONG_IDLE_MINUTES", "king=5"),
        ("VUONG_IDLE_MINUTES", "official"),
        ("VUONG_IDLE_MINUTES", "official=0"),
        ("VUONG_IDLE_MINUTES", "official=721"),
        ("VUONG_IDLE_MINUTES", "official=²"),
    ],
)
def test_a_setting_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"{name} (names|has) .*give"):
        Policy.from_environment()


def add(engine: Engine, login: str = "bay", role: str = "farmer", cooperative: str | None = "coop-a") -> None:
    who = {"login": login, "name": "Chú Bảy", "role": role, "cooperative": cooperative, "password": PASSWORD}
    people.add(engine, **who, now=NOW, actor="test", initial=True)  # type: ignore[arg-type]


def enter(browser: httpx.Client, login: str = "bay", password: str = PASSWORD) -> httpx.Response:
    return send(browser, "/sign-in", login=login, password=password, next="/alarms")


def test_a_password_that_somebody_else_chose_is_changed_at_the_first_sign_in(client: httpx.Client, engine: Engine) -> None:
    add(engine)
    app = {"login": "bay", "password": PASSWORD}
    assert client.post("/api/v1/devices", json=app).status_code == 403
    assert enter(client).headers["Location"] == "/sign-in/step"
    assert client.get("/ponds").status_code == 303
    for wrong in (
        {"password": OWN, "again": "x"},
        {"password": PASSWORD, "again": PASSWORD},
        {"password": "ngắn", "again": "ngắn"},
    ):
        assert send(client, "/sign-in/step", **wrong).status_code == 422
        assert client.get("/ponds").status_code == 303
    reply = send(client, "/sign-in/step", password=OWN, again=OWN)
    assert (reply.status_code, reply.headers["Location"]) == (303, "/alarms")
    assert client.get("/ponds").status_code == 200
    client.cookies.clear()
    assert enter(client).status_code == 401
    assert enter(client, password=OWN).headers["Location"] == "/alarms"
    assert client.post("/api/v1/devices", json=app | {"password": OWN}).status_code == 201


@pytest.mark.slow
def test_a_password_that_nobody_used_is_over_after_a_week(client: httpx.Client, engine: Engine, wall: ManualClock) -> None:
    add(engine)
    week = people.INITIAL_DAYS * 86_400
    assert authenticate(engine, "bay", PASSWORD, "", NOW + week - 1)
    assert authenticate(engine, "bay", PASSWORD, "", NOW + week) is None
    wall.set(wall.now() + week)
    assert enter(client).status_code == 401
    people.set_password(engine, "bay", "mật khẩu thứ hai", now=wall.now(), actor="test", initial=True)
    assert enter(client, password="mật khẩu thứ hai").headers["Location"] == "/sign-in/step"


@pytest.mark.slow
def test_code_password_and_enrolment_follow_one_another(client: httpx.Client, engine: Engine) -> None:
    add(engine, "quantri", "administrator", None)
    phone = enrol(engine, "quantri", NOW - 3600)
    enter(client, "quantri")
    assert send(client, "/sign-in/step", password=OWN, again=OWN).status_code == 401, "the code comes first"
    assert send(client, "/sign-in/step", code=phone.code(NOW)).headers["Location"] == "/sign-in/step"
    assert client.get("/ponds").status_code == 303
    assert send(client, "/sign-in/step", password=OWN, again=OWN).headers["Location"] == "/alarms"
    assert client.get("/ponds").status_code == 200


@pytest.mark.parametrize("role", ["official", "administrator"])
def test_who_sees_all_has_twelve_characters(engine: Engine, role: str) -> None:
    with pytest.raises(people.PersonError, match="12 to 128"):
        people.check_password("cá lóc kho", "x", role)
    people.check_password("cá lóc kho", "x", "farmer")
    people.check_password("cá lóc kho tộ", "x", role)
    people.check_password("tôm " * 32, "x", role)
    with pytest.raises(people.PersonError):
        people.check_password("tôm " * 32 + "x", "x", role)
    with pytest.raises(people.PersonError):
        people.set_password(engine, "canbo", "cá lóc kho", now=NOW, actor="test")


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # zxcvbn does not depend on it
def test_how_strong_a_password_is_is_told_to_who_chooses_one(sign_in: SignIn, client: httpx.Client, engine: Engine) -> None:
    assert client.post("/sign-in/strength", data={"password": OWN}).status_code == 401
    browser = sign_in("sau")
    token = browser.get("/account").text.split('data-token="')[1].split('"')[0]
    told = {}
    for password in ("sau2026!", "matkhau", "concaloc", OWN, "x" * 128):
        reply = browser.post("/sign-in/strength", data={"password": password, "token": token})
        told[password] = reply.json()["score"]
        assert password not in reply.text
    assert told["sau2026!"] == told["matkhau"] == 0
    assert told["concaloc"] < told[OWN] == 4
    assert browser.post("/sign-in/strength", data={"password": OWN, "token": "x"}).status_code == 401
    while attempts.spend(engine, f"strength:{people.find(engine, 'sau').id}", NOW, limit=120, seconds=60):
        pass
    assert browser.post("/sign-in/strength", data={"password": OWN, "token": token}).status_code == 429


def test_who_is_signed_in_stays_so_when_the_cloud_moves_to_second_factors_and_back(empty_engine: Engine) -> None:
    migrate(empty_engine)
    migrate(empty_engine, "0011")
    user = {"id": 1, "login": "sau", "name": "Cô Sáu", "role": "official", "password": "x", "language": "vi"}
    with empty_engine.begin() as connection:
        connection.execute(text(f"INSERT INTO users ({', '.join(user)}) VALUES (:{', :'.join(user)})"), user)
        row = {"digest": digest("cookie"), "expires": NOW + SESSION_SECONDS}
        connection.execute(text("INSERT INTO sign_ins (digest, user_id, expires) VALUES (:digest, 1, :expires)"), row)
    migrate(empty_engine)
    assert person(empty_engine, "cookie", NOW + 1799, Policy())
    assert factors.state(empty_engine, 1) == (None, 0)
    migrate(empty_engine, "0011")
    migrate(empty_engine)
    assert person(empty_engine, "cookie", NOW + 1799, Policy())
    assert people.find(empty_engine, "sau").initial_until is None
