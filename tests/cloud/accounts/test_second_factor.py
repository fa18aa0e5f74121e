"""The second factor: put on, asked for, refused when it was used, locked when it is guessed, lost, reset; its secret never told."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
from sqlalchemy import Engine, select

from cloud.accounts import audit, factors, people, personal
from cloud.accounts.policy import Policy
from cloud.accounts.roles import Role
from cloud.accounts.secrets import Seal
from cloud.accounts.service import LockedError
from cloud.accounts.tables import RecoveryCode, SecondFactor
from cloud.schema import metadata
from tests.cloud.accounts.phone import SEAL, Phone, enrol, form_token, send, shown_secret
from tests.cloud.batches import NOW, PASSWORD

At = Callable[..., httpx.Client]


def number(engine: Engine, login: str = "sau") -> int:
    return people.find(engine, login).id


def actions(engine: Engine, login: str = "sau") -> list[str]:
    subject = f"user:{number(engine, login)}"
    with engine.connect() as connection:
        rows = connection.execute(select(metadata.tables["audit"]).order_by(metadata.tables["audit"].c.id))
        return [row.action for row in rows if row.subject == subject]


def enter(browser: httpx.Client, login: str = "sau", **fields: str) -> httpx.Response:
    return send(browser, "/sign-in", **({"login": login, "password": PASSWORD, "next": "/alarms"} | fields))


@pytest.mark.parametrize(
    ("time", "code"),
    # RFC 6238, appendix B, SHA-1: the last six of its eight digits.
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_standard(engine: Engine, time: int, code: str) -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()
    with engine.begin() as connection:
        sealed = SEAL.close(secret, f"user:{number(engine)}")
        row = {"user_id": number(engine), "secret": sealed, "created": 0, "confirmed": 1, "step": 0}
        connection.execute(SecondFactor.__table__.insert().values(row))
    assert Phone(secret, []).code(time) == code
    assert factors.prove(engine, number(engine), code, SEAL, time)


def test_a_code_lives_a_minute_and_a_half_and_is_taken_once(engine: Engine, phone: Phone) -> None:
    user, code = number(engine), phone.code(NOW)
    for late in (-60, 60):
        assert not factors.prove(engine, user, phone.code(NOW + late), SEAL, NOW)
    assert factors.prove(engine, user, code, SEAL, NOW + 30), "a phone's clock may be half a minute off"
    assert not factors.prove(engine, user, code, SEAL, NOW + 31)
    assert not factors.prove(engine, user, phone.code(NOW - 30), SEAL, NOW), "one before it is over too"
    assert factors.prove(engine, user, phone.code(NOW + 30), SEAL, NOW + 31)
    assert actions(engine)[-4:] == ["factor.failed", "factor.failed", "factor.replayed", "factor.replayed"]


def test_of_many_who_send_one_code_at_once_one_comes_in(engine: Engine, phone: Phone) -> None:
    user, code = number(engine), phone.code(NOW)
    with ThreadPoolExecutor(4) as pool:
        came = list(pool.map(lambda _: factors.prove(engine, user, code, SEAL, NOW), range(4)))
    assert came.count(True) == 1


def test_the_code_is_asked_after_the_password_and_only_then_is_there_a_session(client: httpx.Client, phone: Phone) -> None:
    reply = enter(client)
    assert (reply.status_code, reply.headers["Location"]) == (303, "/sign-in/step")
    assert "vuong_session" not in client.cookies
    assert client.get("/ponds").status_code == 303
    assert client.get("/api/v1/me").status_code == 401
    step = client.cookies["vuong_step"]
    with httpx.Client(base_url=client.base_url, cookies={"vuong_session": step}) as thief:
        assert thief.get("/ponds").status_code == 303, "a step is no session"
    wrong = send(client, "/sign-in/step", code="000000")
    assert wrong.status_code == 401
    assert 'role="alert"' in wrong.text
    reply = send(client, "/sign-in/step", code=f"{phone.code(NOW)[:3]} {phone.code(NOW)[3:]}")
    assert (reply.status_code, reply.headers["Location"]) == (303, "/alarms")
    assert client.get("/api/v1/me").json()["name"] == "Cô Sáu"
    assert "vuong_step" not in client.cookies
    with httpx.Client(base_url=client.base_url, cookies={"vuong_step": step}) as thief:
        assert thief.get("/sign-in/step").headers["Location"] == "/sign-in", "the step is over"
        assert thief.post("/sign-in/step", data={"code": phone.code(NOW + 30)}).headers["Location"] == "/sign-in"


@pytest.mark.slow
def test_a_step_needs_its_own_form_and_ends_by_itself(client: httpx.Client, phone: Phone, at: At) -> None:
    enter(client)
    assert client.post("/sign-in/step", data={"code": phone.code(NOW), "token": "x"}).status_code == 403
    for seconds, status in ((599, 200), (600, 303)):
        later = at(seconds)
        later.cookies.update(client.cookies)
        assert later.get("/sign-in/step").status_code == status


def test_guessing_codes_locks_as_guessing_passwords_does(client: httpx.Client, engine: Engine, phone: Phone) -> None:
    enter(client)
    assert [factors.prove(engine, number(engine), f"00000{n}", SEAL, NOW) for n in range(7)] == [False] * 7
    codes = [send(client, "/sign-in/step", code="000008").status_code for _ in range(2)]
    assert codes == [401, 429]
    reply = send(client, "/sign-in/step", code=phone.code(NOW))
    assert (reply.status_code, reply.headers["Retry-After"]) == (429, "61")
    enter(client)
    assert send(client, "/sign-in/step", code=phone.code(NOW)).status_code == 429, "the right password opens no lock"
    assert actions(engine).count("factor.locked") == 1
    with pytest.raises(LockedError):
        factors.prove(engine, number(engine), phone.paper[0], SEAL, NOW)
    people.enable(engine, "sau", now=NOW, actor="test")
    assert send(client, "/sign-in/step", code=phone.code(NOW)).status_code == 303


@pytest.mark.slow
def test_a_recovery_code_stands_in_once(client: httpx.Client, engine: Engine, phone: Phone) -> None:
    assert len(set(phone.paper)) == factors.RECOVERY_CODES
    assert all(len(code.replace(" ", "")) * 5 >= 112 for code in phone.paper)
    enter(client)
    assert send(client, "/sign-in/step", code=phone.paper[3].lower().replace(" ", "-")).status_code == 303
    assert client.get("/ponds").status_code == 200
    client.cookies.clear()
    enter(client)
    assert send(client, "/sign-in/step", code=phone.paper[3]).status_code == 401
    assert factors.state(engine, number(engine))[1] == factors.RECOVERY_CODES - 1
    assert "factor.recovery_used" in actions(engine)


def test_an_app_is_asked_for_the_code_as_a_browser_is(client: httpx.Client, phone: Phone) -> None:
    def ask(**more: str) -> httpx.Response:
        return client.post("/api/v1/devices", json={"login": "sau", "password": PASSWORD} | more)

    assert (ask().status_code, "code is missing" in ask().text) == (401, True)
    assert ask(code="000000").status_code == 401
    assert ask(code=phone.code(NOW)).status_code == 201
    assert ask(code=phone.code(NOW)).status_code == 401, "it was used"
    assert ask(code=phone.paper[0]).status_code == 201


@pytest.mark.slow
def test_one_puts_it_on_and_everything_that_was_open_ends(
    sign_in: Callable[[str], httpx.Client], client: httpx.Client, engine: Engine
) -> None:
    app = client.post("/api/v1/devices", json={"login": "sau", "password": PASSWORD}).json()["token"]
    browser = sign_in("sau")
    before = browser.cookies["vuong_session"]
    assert send(browser, "/account/factor", do="begin", present="wrong").status_code == 422
    shown = send(browser, "/account/factor", do="begin", present=PASSWORD)
    phone = Phone(shown_secret(shown), [])
    assert 'src="data:image/svg+xml' in shown.text
    assert phone.secret not in browser.get("/account/factor").text, "not without the password"
    wrong = browser.post("/account/factor", data={"token": form_token(shown), "do": "confirm", "code": "000000"})
    assert (wrong.status_code, shown_secret(wrong)) == (422, phone.secret)
    done = browser.post("/account/factor", data={"token": form_token(shown), "do": "confirm", "code": phone.code(NOW)})
    assert done.status_code == 200
    assert done.text.count("<li><code>") == factors.RECOVERY_CODES
    assert browser.cookies["vuong_session"] != before
    with httpx.Client(base_url=client.base_url, cookies={"vuong_session": before}) as thief:
        assert thief.get("/ponds").status_code == 303
    assert httpx.get(f"{client.base_url}/api/v1/me", headers={"Authorization": f"Bearer {app}"}).status_code == 401
    assert browser.post("/sign-out", data={"token": form_token(done)}).headers["Location"] == "/sign-in"
    assert actions(engine)[-2:] == ["factor.enrolled", "sign_in"]


@pytest.mark.slow
def test_one_renews_the_codes_and_turns_it_off_with_password_and_code(client: httpx.Client, engine: Engine, phone: Phone) -> None:
    enter(client)
    send(client, "/sign-in/step", code=phone.code(NOW - 30))
    assert send(client, "/account/factor", do="codes", present=PASSWORD).status_code == 422
    assert send(client, "/account/factor", do="codes", present="wrong", code=phone.code(NOW)).status_code == 422
    page = send(client, "/account/factor", do="codes", present=PASSWORD, code=phone.code(NOW))
    assert page.text.count("<li><code>") == factors.RECOVERY_CODES
    assert phone.paper[0] not in page.text
    new = page.text.split("<li><code>")[1].split("<")[0]
    assert send(client, "/account/factor", do="off", present=PASSWORD, code=phone.paper[0]).status_code == 422
    assert send(client, "/account/factor", do="off", present=PASSWORD, code=new).headers["Location"] == "/account?done=factor"
    assert client.get("/account?done=factor").status_code == 200
    client.cookies.clear()
    assert enter(client).headers["Location"] == "/alarms"
    assert actions(engine)[-3:] == ["factor.removed", "sign_in", "sign_in"]
    assert factors.state(engine, number(engine)) == (None, 0)


def test_an_administrator_does_not_come_in_without_one(client: httpx.Client, engine: Engine, administrator: str) -> None:
    ask = {"login": administrator, "password": PASSWORD}
    assert "set up your second factor" in client.post("/api/v1/devices", json=ask).text
    assert enter(client, administrator).headers["Location"] == "/sign-in/step"
    page = client.get("/sign-in/step")
    phone = Phone(shown_secret(page), [])
    assert client.get("/ponds").status_code == 303
    assert shown_secret(client.get("/sign-in/step")) == phone.secret, "the picture stays the same for who looks twice"
    assert send(client, "/sign-in/step", code="000000").status_code == 422
    done = send(client, "/sign-in/step", code=phone.code(NOW))
    assert (done.status_code, done.text.count("<li><code>")) == (200, factors.RECOVERY_CODES)
    assert 'href="/alarms"' in done.text
    assert client.get("/ponds").status_code == 200
    off = send(client, "/account/factor", do="off", present=PASSWORD, code=phone.code(NOW + 30))
    assert off.status_code == 403
    assert factors.state(engine, number(engine, administrator))[0] == NOW


@pytest.mark.slow
@pytest.mark.parametrize("roles", [frozenset(), frozenset({Role.OFFICIAL, Role.ADMINISTRATOR})])
def test_who_needs_one_is_a_setting(at: At, administrator: str, roles: frozenset[Role]) -> None:
    for login, role in ((administrator, Role.ADMINISTRATOR), ("canbo", Role.OFFICIAL), ("sau", Role.FARMER)):
        reply = enter(at(policy=Policy(second_factor=roles)), login)
        assert reply.headers["Location"] == ("/sign-in/step" if role in roles else "/alarms")


def test_the_picture_holds_what_a_code_app_reads() -> None:
    told = urlsplit(factors.address("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "sáu"))
    assert (told.scheme, told.netloc, unquote(told.path)) == ("otpauth", "totp", "/Vuông:sáu")
    assert parse_qs(told.query) == {"secret": ["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"], "issuer": ["Vuông"]}
    assert factors.picture("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "sáu").startswith("data:image/svg+xml")


def test_what_is_proved_too_late_is_nothing(engine: Engine) -> None:
    secret = Phone(factors.begin(engine, number(engine), SEAL, NOW), [])
    late = NOW + factors.ENROL_SECONDS
    assert factors.confirm(engine, number(engine), secret.code(late), SEAL, late) is None
    assert factors.begin(engine, number(engine), SEAL, late) != secret.secret
    assert not factors.prove(engine, number(engine), secret.code(NOW), SEAL, NOW), "what is not confirmed opens nothing"
    enrol(engine, "nam", NOW)
    with pytest.raises(factors.FactorError):
        factors.begin(engine, number(engine, "nam"), SEAL, NOW)


def test_the_secret_is_nowhere_readable(engine: Engine, phone: Phone) -> None:
    with engine.connect() as connection:
        stored = " ".join(str(row) for table in metadata.sorted_tables for row in connection.execute(select(table)))
    exported = json.dumps(personal.export(engine, number(engine), now=NOW, actor="test"), ensure_ascii=False)
    for secret in (phone.secret, *(code.replace(" ", "") for code in phone.paper), *phone.paper):
        assert secret not in stored
        assert secret not in exported
    assert json.loads(exported)["second_factor"] == {"since": NOW - 3600, "recovery_codes": factors.RECOVERY_CODES}


def test_under_another_key_no_code_fits_but_a_recovery_code_and_a_new_key_takes_over(
    engine: Engine, phone: Phone, monkeypatch: pytest.MonkeyPatch, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    other = Seal(b"n" * 32)
    assert not factors.prove(engine, number(engine), phone.code(NOW), other, NOW)
    assert factors.prove(engine, number(engine), phone.paper[0], other, NOW)
    monkeypatch.setenv("VUONG_SECRET_KEY", "n" * 32)
    assert run("user", "reseal") == 2
    assert "VUONG_SECRET_KEYS_BEFORE" in capsys.readouterr().err
    monkeypatch.setenv("VUONG_SECRET_KEYS_BEFORE", "k" * 32)
    assert run("user", "reseal") == 0
    assert capsys.readouterr().out.startswith("1 secrets")
    assert factors.prove(engine, number(engine), phone.code(NOW), other, NOW)
    monkeypatch.setenv("VUONG_SECRET_KEY", "short")
    assert run("user", "reseal") == 2


@pytest.mark.slow
def test_a_lost_phone_is_reset_by_command(
    client: httpx.Client, engine: Engine, phone: Phone, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    def listed() -> dict[str, Any]:
        capsys.readouterr()
        assert run("user", "list", "--json") == 0
        return {row["login"]: row["second_factor"] for row in json.loads(capsys.readouterr().out.splitlines()[-1])}

    enter(client)
    send(client, "/sign-in/step", code=phone.code(NOW))
    assert listed()["sau"] is True
    assert run("user", "reset-factor", "sau") == 0
    assert client.get("/ponds").status_code == 303, "whoever has the phone is out"
    assert listed()["sau"] is False
    assert enter(client).headers["Location"] == "/alarms"
    assert run("user", "reset-factor", "nobody") == 2
    assert "factor.reset" in actions(engine)
    assert "Người quản trị đặt lại" in client.get("/account").text, "its owner is told"
    assert audit.verify(engine).sound


def test_who_leaves_takes_it_along(engine: Engine, phone: Phone) -> None:
    personal.delete(engine, number(engine), now=NOW, actor="test")
    with engine.connect() as connection:
        assert connection.execute(select(SecondFactor.user_id)).all() == []
        assert connection.execute(select(RecoveryCode.user_id)).all() == []
