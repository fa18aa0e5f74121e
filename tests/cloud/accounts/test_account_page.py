"""One's own account in the browser: password, sessions, apps, data."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import Engine

from cloud.accounts import audit, people
from tests.cloud.batches import NOW, PASSWORD
from tests.cloud.conftest import open_session

SignIn = Callable[[str], httpx.Client]
NEW = "một câu mới thật dài "  # its last space counts


def form_token(browser: httpx.Client) -> str:
    return browser.get("/account").text.split('name="token" value="')[1].split('"')[0]


def change(browser: httpx.Client, **fields: str) -> httpx.Response:
    """Send the password form."""
    form = {"token": form_token(browser), "present": PASSWORD, "password": NEW, "again": NEW}
    return browser.post("/account/password", data=form | fields)


def test_a_changed_password_ends_everything_else_and_goes_on_here(sign_in: SignIn, engine: Engine, client: httpx.Client) -> None:
    other = open_session(engine, "sau", PASSWORD, NOW)
    app = client.post("/api/v1/devices", json={"login": "sau", "password": PASSWORD}).json()["token"]
    browser = sign_in("sau")
    before = browser.cookies["vuong_session"]
    reply = change(browser)
    assert (reply.status_code, reply.headers["Location"]) == (303, "/account?done=password")
    assert browser.cookies["vuong_session"] != before, "the session is a new one"
    assert "Đã đổi mật khẩu" in browser.get("/account?done=password").text
    for cookie in (other, before):
        with httpx.Client(base_url=client.base_url, cookies={"vuong_session": cookie or ""}) as thief:
            assert thief.get("/ponds").status_code == 303
    assert httpx.get(f"{client.base_url}/api/v1/me", headers={"Authorization": f"Bearer {app}"}).status_code == 401
    assert open_session(engine, "sau", PASSWORD, NOW) is None
    assert open_session(engine, "sau", NEW, NOW)
    assert audit.verify(engine).sound


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"present": "wrong"}, "hiện tại không đúng"),
        ({"again": "một câu khác hẳn"}, "không giống nhau"),
        ({"password": "ngắn", "again": "ngắn"}, "quá dễ đoán"),
        ({"password": "iloveyou1", "again": "iloveyou1"}, "quá dễ đoán"),
    ],
)
def test_a_password_that_cannot_be_is_refused(sign_in: SignIn, engine: Engine, fields: dict[str, str], told: str) -> None:
    browser = sign_in("sau")
    reply = change(browser, **fields)
    assert reply.status_code == 422
    assert told in reply.text
    assert PASSWORD not in reply.text
    assert browser.get("/account").status_code == 200
    assert open_session(engine, "sau", PASSWORD, NOW)


def test_guessing_the_present_password_locks_as_signing_in_does(sign_in: SignIn) -> None:
    browser = sign_in("sau")
    statuses = [change(browser, present=f"wrong {n}").status_code for n in range(10)]
    assert statuses[0] == 422
    assert statuses[-1] == 429


def test_a_form_of_another_page_does_nothing(sign_in: SignIn) -> None:
    browser = sign_in("sau")
    for path in ("password", "sessions/end", "tokens/1/end", "data", "delete"):
        assert browser.post(f"/account/{path}", data={"token": "x", "present": PASSWORD}).status_code == 403, path


def test_sessions_and_apps_are_listed_and_ended(sign_in: SignIn, engine: Engine, client: httpx.Client) -> None:
    other = open_session(engine, "sau", PASSWORD, NOW)
    app = client.post("/api/v1/devices", json={"login": "sau", "password": PASSWORD, "name": "Điện thoại"}).json()["token"]
    browser = sign_in("sau")
    page = browser.get("/account").text
    assert page.count("Thiết bị này") == 1
    assert page.count("từ ") >= 3
    assert "Điện thoại" in page
    assert browser.post("/account/sessions/end", data={"token": form_token(browser)}).status_code == 303
    with httpx.Client(base_url=client.base_url, cookies={"vuong_session": other or ""}) as thief:
        assert thief.get("/ponds").status_code == 303
    assert browser.get("/ponds").status_code == 200
    number = page.split("/account/tokens/")[1].split("/")[0]
    assert browser.post(f"/account/tokens/{number}/end", data={"token": form_token(browser)}).status_code == 303
    assert httpx.get(f"{client.base_url}/api/v1/me", headers={"Authorization": f"Bearer {app}"}).status_code == 401
    assert browser.post("/account/tokens/99999999999/end", data={"token": form_token(browser)}).status_code == 303


def test_one_takes_ones_data_and_leaves(sign_in: SignIn, engine: Engine) -> None:
    browser = sign_in("sau")
    held = browser.post("/account/data", data={"token": form_token(browser)})
    assert held.headers["Content-Disposition"] == 'attachment; filename="vuong.json"'
    assert held.json()["person"]["login"] == "sau"
    assert browser.post("/account/delete", data={"token": form_token(browser), "present": "wrong"}).status_code == 422
    assert people.find(engine, "sau").disabled is None
    assert browser.post("/account/delete", data={"token": form_token(browser), "present": PASSWORD}).status_code == 303
    assert browser.get("/ponds").status_code == 303
    with pytest.raises(people.PersonError):
        people.find(engine, "sau")


@pytest.mark.parametrize("password", ["password1", "Matkhau123", "12345678", "sau2026!", "SAUSAU12", "x" * 129, "1234567"])
def test_what_is_tried_first_is_no_password(password: str) -> None:
    with pytest.raises(people.PersonError) as refused:
        people.check_password(password, "sau" if "sau" in password.lower() else "somebody")
    assert password not in str(refused.value)


def test_thirty_thousand_breached_passwords_are_known() -> None:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    breached = [password for password in FREQUENCY_LISTS["passwords"] if len(password) >= people.SHORTEST]
    assert len(breached) > 10_000
    for password in breached[::500]:
        with pytest.raises(people.PersonError):
            people.check_password(password.upper(), "somebody")
    people.check_password("cá lóc kho tộ với cơm trắng", "somebody")
