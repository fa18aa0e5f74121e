"""The audit log: what is in it, that it only grows, and that a change is found."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from cloud.accounts import audit, people, tokens
from cloud.accounts.tables import AuditEntry
from cloud.chain import START, first_break, link
from cloud.tenancy import Scope
from tests.cloud.batches import NOW, PASSWORD
from tests.cloud.conftest import open_session as sign_in
from vuong.command import main

JSON = st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=5), max_size=4)


def fill(engine: Engine, entries: int = 5) -> None:
    for number in range(entries):
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            audit.append(connection, now=NOW + number, actor="user:1", action="test", subject=f"pond:{number}", value=number)


@given(st.lists(JSON, min_size=1, max_size=8), st.data())
def test_a_chain_tells_every_change(documents: list[dict[str, object]], data: st.DataObject) -> None:
    chain, previous = [], START
    for document in documents:
        own = link(previous, document)
        chain.append((document, previous, own))
        previous = own
    assert first_break(chain) is None
    place = data.draw(st.integers(0, len(chain) - 1))
    document, before, own = chain[place]
    changed = [*chain[:place], (document | {"changed": 1}, before, own), *chain[place + 1 :]]
    assert first_break(changed) == place
    assert place == len(chain) - 1 or first_break(chain[:place] + chain[place + 1 :]) == place
    relinked = [*chain[:place], (document | {"changed": 1}, before, link(before, document | {"changed": 1})), *chain[place + 1 :]]
    assert first_break(relinked) == (place + 1 if place + 1 < len(chain) else None)


def test_what_people_do_is_noted_by_number(engine: Engine) -> None:
    assert sign_in(engine, "sau", "wrong", NOW) is None
    assert sign_in(engine, "sau", PASSWORD, NOW)
    user = people.find(engine, "sau").id
    issued = tokens.issue(engine, user, name="phone", scopes=None, now=NOW, actor=f"user:{user}")
    tokens.revoke(engine, user, issued.id, now=NOW, actor=f"user:{user}")
    tokens.rotate_gateway(engine, "gw-a", now=NOW, actor="gateway:gw-a", scope=Scope.of("coop-a"))
    with pytest.raises(tokens.TokenError):
        tokens.rotate_gateway(engine, "gw-b", now=NOW, actor="gateway:gw-a", scope=Scope.of("coop-a"))
    with engine.connect() as connection:
        rows = connection.execute(select(AuditEntry.__table__).order_by(AuditEntry.id)).all()
    assert [row.action for row in rows] == [
        "sign_in.failed",
        "sign_in",
        "token.issued",
        "token.revoked",
        "gateway_token.rotated",
    ]
    assert {row.cooperative_id for row in rows} == {"coop-a"}
    told = json.dumps([dict(row._mapping) for row in rows], ensure_ascii=False)
    assert issued.token not in told
    assert "Sáu" not in told
    assert "sau" not in told
    verdict = audit.verify(engine)
    assert verdict.sound
    assert (verdict.entries, verdict.head) == (5, rows[-1].hash)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody' WHERE id = 2",
        "UPDATE audit SET detail = '{}'",
        "DELETE FROM audit WHERE id = 5",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE id = 2",
        "INSERT INTO audit SELECT id - 100, time, actor, action, subject, cooperative_id, detail, previous, hash FROM audit",
    ],
)
def test_the_database_itself_refuses_changes(engine: Engine, statement: str) -> None:
    if ("TRUNCATE" in statement) == (engine.dialect.name == "sqlite") and "REPLACE" not in statement and "-" not in statement:
        statement = "DELETE FROM audit"
    if engine.dialect.name != "sqlite" and ("REPLACE" in statement or "- 100" in statement):
        statement = "TRUNCATE audit CASCADE"
    fill(engine)
    with pytest.raises(DBAPIError, match="only added to"), engine.begin() as connection:
        connection.execute(text(statement))
    assert audit.verify(engine).entries == 5


@pytest.mark.parametrize(
    ("tampering", "broken_at"),
    [
        ("UPDATE audit SET subject = 'pond:9' WHERE id = 3", 3),
        ("UPDATE audit SET time = time + 1 WHERE id = 1", 1),
        ("DELETE FROM audit WHERE id = 2", 3),
        ("UPDATE audit SET hash = previous WHERE id = 4", 4),
    ],
)
def test_who_takes_the_triggers_away_is_still_found(engine: Engine, tampering: str, broken_at: int) -> None:
    fill(engine)
    head = audit.verify(engine).head
    with engine.begin() as connection:
        lift(engine, connection)
        connection.execute(text(tampering))
    verdict = audit.verify(engine, head)
    assert (verdict.sound, verdict.broken_at) == (False, broken_at)


def lift(engine: Engine, connection: object) -> None:
    """Take the protection away as an intruder with the database's password would."""
    names = (
        [f"DROP TRIGGER audit_{name}" for name in ("update", "delete", "insert")]
        if engine.dialect.name == "sqlite"
        else ["DROP TRIGGER audit_rows ON audit", "DROP TRIGGER audit_all ON audit"]
    )
    for name in names:
        connection.execute(text(name))  # type: ignore[attr-defined]


def test_a_head_kept_elsewhere_tells_that_the_newest_are_missing(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    fill(engine)
    head = audit.verify(engine).head
    url = engine.url.render_as_string(hide_password=False)
    assert main(["cloud", "audit", "verify", "--database", url, "--head", head]) == 0
    assert f"sound: 5 entries, head {head}" in capsys.readouterr().out
    with engine.begin() as connection:
        lift(engine, connection)
        connection.execute(text("DELETE FROM audit WHERE id > 3"))
    assert main(["cloud", "audit", "verify", "--database", url]) == 0  # the chain alone cannot tell
    capsys.readouterr()
    assert main(["cloud", "audit", "verify", "--database", url, "--head", head, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["sound"] is False


def test_many_writers_make_one_chain(engine: Engine) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: fill(engine, 5), range(6)))
    verdict = audit.verify(engine)
    assert (verdict.entries, verdict.sound) == (30, True)


def test_managers_read_what_concerns_their_coop(client: httpx.Client, engine: Engine) -> None:
    for login in ("sau", "nam"):
        assert sign_in(engine, login, PASSWORD, NOW)
    reply = client.post("/api/v1/devices", json={"login": "nam", "password": PASSWORD})
    rows = client.get("/api/v1/audit", headers={"Authorization": f"Bearer {reply.json()['token']}"}).json()
    assert {row["cooperative"] for row in rows} == {"coop-b"}
    assert [row["action"] for row in rows] == ["sign_in", "token.issued"]
    farmer = client.post("/api/v1/devices", json={"login": "sau", "password": PASSWORD}).json()["token"]
    assert client.get("/api/v1/audit", headers={"Authorization": f"Bearer {farmer}"}).status_code == 403
