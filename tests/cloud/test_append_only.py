"""What was written down stays: the pond diary and what people say are only added to, by triggers of both stores."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from cloud.accounts import people, personal
from cloud.database import migrate
from cloud.entries import service as entries
from cloud.farms.tables import DiaryEntry
from cloud.tenancy import Scope, ScopedSession
from tests.cloud.batches import NOW
from vuong.contract import api


@pytest.fixture
def written(engine: Engine) -> None:
    """Have an entry in a pond's diary and a calibration."""
    content = {"node": "00000000000000a1", "quantity": "ph", "points": [[7.0, 6.9]], "note": ""}
    said: api.Entry = {
        "id": "calibration-1",
        "kind": "calibration",
        "pond": "ao-a1",
        "at": NOW,
        "by": "Cô Sáu",
        "where": "cloud",
        "content": content,
    }
    entries.add(engine, [said], {"ao-a1": "coop-a"})
    with ScopedSession(engine, Scope.of("coop-a")) as session:
        row = DiaryEntry(pond_id="ao-a1", cooperative_id="coop-a", kind="feed", time=NOW, content={"mass": 5.0}, entered=NOW)
        row.client_id = "client-0001"
        session.add(row)
        session.commit()


def told(engine: Engine) -> list[tuple[object, ...]]:
    """Return everything that stands in both tables."""
    with engine.connect() as connection:
        rows = [connection.execute(text(f"SELECT * FROM {table}")).all() for table in ("diary", "entries")]
    return [tuple(row) for table in rows for row in table]


CHANGES = (
    "UPDATE diary SET content = '{}'",
    "UPDATE diary SET author = NULL, time = 5",
    "UPDATE entries SET at = 5",
    "UPDATE entries SET content = '{}'",
    "UPDATE entries SET person = 'Somebody'",
    "UPDATE entries SET person = '–', at = 5",
    "UPDATE entries SET alarm = 'x'",
    "DELETE FROM diary",
    "DELETE FROM entries",
)
SQLITE = (
    "INSERT OR REPLACE INTO diary SELECT id, pond_id, kind, 5, content, author, entered, replaces, client_id, cooperative_id FROM diary",
    "REPLACE INTO entries SELECT position, id, kind, pond_id, 5, person, place, content, alarm, cooperative_id FROM entries",
    "REPLACE INTO entries SELECT 99, id, kind, pond_id, 5, person, place, content, alarm, cooperative_id FROM entries",
)
POSTGRESQL = ("TRUNCATE diary CASCADE", "TRUNCATE entries", "DROP FUNCTION refuse_change()")


@pytest.mark.usefixtures("written")
def test_no_statement_changes_what_was_written(engine: Engine) -> None:
    before = told(engine)
    assert len(before) == 2
    for statement in CHANGES + (SQLITE if engine.dialect.name == "sqlite" else POSTGRESQL):
        with pytest.raises(DBAPIError, match=r"only added to|depend on it"), engine.begin() as connection:
            connection.execute(text(statement))
        assert told(engine) == before, statement


@pytest.mark.usefixtures("written")
def test_a_name_is_taken_out_when_its_person_is_deleted(engine: Engine) -> None:
    before = [row for row in told(engine) if "Cô Sáu" in row]
    assert len(before) == 1
    personal.delete(engine, people.find(engine, "sau").id, now=NOW, actor="test")
    (after,) = [row for row in told(engine) if "calibration-1" in row]
    assert after == tuple("–" if value == "Cô Sáu" else value for value in before[0])


@pytest.mark.usefixtures("written")
def test_going_back_and_forward_keeps_what_was_written(engine: Engine) -> None:
    before = told(engine)
    migrate(engine, "0007")
    migrate(engine)
    assert told(engine) == before
    with pytest.raises(DBAPIError), engine.begin() as connection:
        connection.execute(text("DELETE FROM diary"))
