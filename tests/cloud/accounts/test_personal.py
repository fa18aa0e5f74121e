"""What is held about somebody: handed out in full, deleted for good; and the commands that do it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, select

from cloud.accounts import audit, people
from cloud.accounts.tables import User, UserToken
from cloud.schema import metadata
from tests.cloud.batches import NOW, PASSWORD, alarm, batch, sample
from tests.cloud.conftest import open_session


def test_a_person_gets_what_is_held_about_them(client: httpx.Client, engine: Engine) -> None:
    people.link(engine, "sau", "https://id.example", "co-sau", now=NOW, actor="test")
    token = client.post("/api/v1/devices", json={"login": "sau", "password": PASSWORD, "name": "phone"}).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    client.post("/api/v1/ponds/ao-a1/hand-readings", json={"quantity": "do", "value": 5.5}, headers=headers)
    fed = {"kind": "feed", "content": {"mass": 5.0, "product": "x"}}
    assert client.post("/api/v1/ponds/ao-a1/diary", json=fed, headers=headers).status_code == 201
    held = client.get("/api/v1/me/data", headers=headers).json()
    assert held["person"]["name"] == "Cô Sáu"
    assert held["tokens"][0]["name"] == "phone"
    assert held["identities"] == [{"issuer": "https://id.example", "subject": "co-sau"}]
    assert [entry["action"] for entry in held["audit"]] == ["user.linked", "token.issued", "diary.feed"]
    assert [entry["content"]["mass"] for entry in held["diary"]] == [5.0]
    assert [entry["kind"] for entry in held["entries"]] == ["hand_reading"]
    assert token not in json.dumps(held)
    assert "argon2" not in json.dumps(held)


def test_a_person_is_forgotten_and_the_record_stays_whole(
    client: httpx.Client, engine: Engine, post: Callable[..., httpx.Response]
) -> None:
    assert open_session(engine, "sau", PASSWORD, NOW)
    people.set_role(engine, "sau", "manager", now=NOW, actor="test")
    token = client.post("/api/v1/devices", json={"login": "sau", "password": PASSWORD}).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    aside = {"value": 3.2, "limit": 4.0, "shelved_by": "Cô Sáu", "shelved_until": NOW + 60}
    post(batch([sample(1, do=5.0)], alarms=[alarm(state="shelved", numbers=aside), alarm("a2")]))
    client.post("/api/v1/ponds/ao-a1/hand-readings", json={"quantity": "do", "value": 5.5}, headers=headers)
    assert client.post("/api/v1/alarms/a2/acknowledgement", json={}, headers=headers).status_code == 200
    wrong = {"quantity": "do", "start": NOW - 7200, "end": NOW, "offset": -0.5, "reason": "hand meter"}
    assert client.post("/api/v1/ponds/ao-a1/corrections", json=wrong, headers=headers).json() == {"changed": 1}
    assert client.put("/api/v1/nodes/00000000000000a9", json={"pond": "ao-a1"}, headers=headers).status_code == 201
    assert client.delete("/api/v1/nodes/00000000000000a9?reason=x", headers=headers).status_code == 200
    assert client.get("/api/v1/me/data", headers=headers).json()["alarms_put_aside"] == [{"alarm": "a1", "until": NOW + 60}]
    assert client.post("/api/v1/me/delete", json={"password": "wrong"}, headers=headers).status_code == 403
    reply = client.post("/api/v1/me/delete", json={"password": PASSWORD}, headers=headers)
    said = "hand readings, calibrations, what was said of alarms"
    assert set(reply.json()["kept"]) == {"audit log", "pond diary", said, "readings"}
    assert client.get("/api/v1/me", headers=headers).status_code == 401
    assert client.post("/api/v1/devices", json={"login": "sau", "password": PASSWORD}).status_code == 401
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            if table.name == "ponds":
                continue  # a pond may be named after anybody
            for row in connection.execute(select(table)):
                told = " ".join(str(value) for value in row)
                assert "Cô Sáu" not in told, table.name
                assert "'sau'" not in told, table.name
                assert "sau" not in list(row), table.name
    assert audit.verify(engine).sound
    gateway = client.post(
        "/api/v1/me/delete", json={"password": "x"}, headers={"Authorization": "Bearer token-of-gateway-a-0123456789"}
    )
    assert gateway.status_code == 403


def test_people_by_command(run: Callable[..., int], engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    new = ("user", "add", "bay", "--name", "Chú Bảy", "--role", "technician", "--cooperative", "coop-a")
    assert run(*new, stdin="short\n") == 2
    assert "short" not in capsys.readouterr().err
    assert run(*new, stdin="một câu thật dài\n") == 0
    assert open_session(engine, "bay", "một câu thật dài", NOW)
    assert run("user", "list", "--json") == 0
    listed = {row["login"]: row for row in json.loads(capsys.readouterr().out)}
    assert (listed["bay"]["role"], listed["canbo"]["cooperative"]) == ("technician", None)
    assert run("user", "role", "bay", "official") == 2
    assert run("user", "role", "bay", "manager") == 0
    assert run("user", "password", "bay", stdin="một câu khác hẳn\n") == 0
    assert run("user", "disable", "bay") == 0
    assert open_session(engine, "bay", "một câu khác hẳn", NOW) is None
    assert run("user", "enable", "bay") == 0
    assert open_session(engine, "bay", "một câu khác hẳn", NOW)
    assert run("user", "export", "bay") == 0
    assert json.loads(capsys.readouterr().out)["person"]["login"] == "bay"
    assert run("user", "delete", "bay", stdin="no\n") == 2
    assert run("user", "delete", "bay", stdin="bay\n") == 0
    assert "kept: audit log" in capsys.readouterr().out
    assert run("user", "export", "bay") == 2
    assert "which nobody has" in capsys.readouterr().err
    assert run("audit", "verify") == 0
    capsys.readouterr()
    assert run("audit", "list", "--limit", "2", "--json") == 0
    assert [entry["action"] for entry in json.loads(capsys.readouterr().out)] == ["user.exported", "user.deleted"]
    assert run("audit", "list", "--limit", "0") == 2


def test_tokens_by_command(run: Callable[..., int], engine: Engine, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "token"
    assert run("token", "issue", "sau", "--name", "phone", "--scope", "read", "--out", str(file)) == 0
    assert capsys.readouterr().out == ""
    assert file.stat().st_mode & 0o777 == 0o600
    assert run("token", "list", "sau", "--json") == 0
    [listed] = json.loads(capsys.readouterr().out)
    assert run("token", "issue", "sau", "--name", "x", "--scope", "people") == 2
    assert run("token", "issue", "sau", "--name", "x", "--days", "0") == 2
    assert run("token", "revoke", "nam", str(listed["id"])) == 2
    assert run("token", "revoke", "sau", str(listed["id"])) == 0
    with engine.connect() as connection:
        assert list(connection.scalars(select(UserToken.id))) == []
        assert connection.scalar(select(User.disabled).where(User.login == "sau")) is None
    assert run("token", "gateway", "gw-a", "--now") == 0
    assert capsys.readouterr().out.startswith("vg_")
    assert run("token", "gateway", "gw-x") == 2
