"""Hours and days against a plain reckoning from everything that was sent, whatever the order, whenever the job ran."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, select

from cloud.farms.tables import Pond
from cloud.telemetry.corrections import Correction, correct
from cloud.telemetry.ingest import Sender, take
from cloud.telemetry.partitions import existing, month_after, month_of, partitioned
from cloud.telemetry.retention import let_go, raw_from
from cloud.telemetry.rolled import Stretch, rolled
from cloud.telemetry.rollups import DAY, HOUR, day_of, hour_of, roll_up, stale_before
from cloud.telemetry.service import series
from cloud.telemetry.tables import Daily, Hourly, Latest, Received, Retained, Revision, Sample, StaleHour
from cloud.tenancy import Scope, ScopedSession
from tests.cloud.batches import NOW, batch, packed, sample

A = Sender("gw-a", "coop-a")
TABLES = (Sample, Latest, Received, StaleHour, Hourly, Daily, Revision, Retained)


def send(engine: Engine, rows: list[dict[str, Any]]) -> None:
    reply = take(engine, packed(batch(rows)), "gzip", sender=A, idempotency_key=None, now=NOW)
    assert reply["quarantined"] == []


def clear(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in TABLES:
            connection.execute(delete(table.__table__))


def read(engine: Engine, step: str, start: int, end: int, quantity: str = "do") -> list[Stretch]:
    with ScopedSession(engine, Scope.of("coop-a")) as session:
        pond = session.get_one(Pond, "ao-a1")
        return rolled(session, pond, quantity, start, end, step)


def reckoned(rows: list[dict[str, Any]], step: str) -> list[Stretch]:
    """Return what hours or days must be, from the rows themselves."""
    found: dict[int, list[tuple[float, int]]] = {}
    for row in rows:
        if "do" in row["values"]:
            start = hour_of(row["time"]) if step == "hour" else day_of(row["time"])
            found.setdefault(start, []).append((row["values"]["do"], row["flags"]["do"]))
    result = []
    for start in sorted(found):
        good = [value for value, flag in found[start] if flag != 4]
        failed = len(found[start]) - len(good)
        mean = pytest.approx(sum(good) / len(good)) if good else None
        result.append(Stretch(start, len(good), mean, min(good, default=None), max(good, default=None), failed))  # type: ignore[arg-type]
    return result


_SPAN = 3 * DAY
_ROWS = st.lists(
    st.tuples(st.integers(1, 200), st.integers(0, _SPAN), st.floats(0, 20, width=32), st.sampled_from([1, 1, 3, 4])),
    min_size=1,
    max_size=25,
    unique_by=lambda row: row[0],
)


def made(row: tuple[int, int, float, int]) -> dict[str, Any]:
    seq, age, value, flag = row
    return sample(seq, time=NOW - age, do=value) | {"flags": {"do": flag}}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_ROWS, data=st.data())
def test_they_are_right_whatever_comes_late_and_whenever_the_job_runs(
    engine: Engine, rows: list[tuple[int, int, float, int]], data: st.DataObject
) -> None:
    clear(engine)
    samples = [made(row) for row in rows]
    for row in data.draw(st.permutations(samples)):
        send(engine, [row])
        if data.draw(st.booleans()):
            roll_up(engine, NOW - data.draw(st.integers(0, _SPAN)))
    for step in ("hour", "day"):
        assert read(engine, step, NOW - 5 * DAY, NOW + DAY) == reckoned(samples, step)
    roll_up(engine, NOW + DAY, chunk=3)
    with engine.connect() as connection:
        assert stale_before(connection, NOW + DAY) == 0
    for step in ("hour", "day"):
        assert read(engine, step, NOW - 5 * DAY, NOW + DAY) == reckoned(samples, step)


def test_an_hour_is_rolled_up_only_when_it_is_asked_for(engine: Engine) -> None:
    send(engine, [sample(1, time=NOW - 2 * HOUR, do=5.0), sample(2, time=NOW, do=6.0)])
    assert roll_up(engine, NOW - HOUR) == 1
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Hourly.__table__)) == 1
    assert [stretch.mean for stretch in read(engine, "hour", NOW - DAY, NOW + 1)] == [5.0, 6.0]


def test_a_correction_changes_readings_hours_days_latest_and_keeps_what_was(engine: Engine) -> None:
    rows = [sample(n + 1, time=NOW - n * 600, do=5.0 + n, ph=8.0) for n in range(8)]
    send(engine, rows)
    roll_up(engine, NOW + DAY)
    wrong = Correction("ao-a1", "do", NOW - 1800, NOW + 1, reason=" probe read high after cleaning ", offset=-1.0)
    assert correct(engine, wrong, author="Chú Ba", now=NOW + 5) == 4
    for row in rows[:4]:
        row["values"]["do"] -= 1.0
    for step in ("hour", "day"):
        assert read(engine, step, NOW - DAY, NOW + DAY) == reckoned(rows, step)
    with engine.connect() as connection:
        [kept] = connection.execute(select(Revision.__table__).where(Revision.__table__.c.time == NOW)).mappings()
        assert connection.scalar(select(Latest.__table__.c["do"])) == 4.0
    assert (kept["old_value"], kept["new_value"], kept["author"], kept["changed"]) == (5.0, 4.0, "Chú Ba", NOW + 5)
    assert kept["reason"] == "probe read high after cleaning"
    send(engine, [sample(1, time=NOW - 600, do=99.0)])  # what was received stays received
    assert read(engine, "hour", NOW - DAY, NOW + DAY) == reckoned(rows, "hour")


def test_flagging_twice_is_flagging_once(engine: Engine) -> None:
    send(engine, [sample(n, do=5.0) for n in range(1, 4)])
    bad = Correction("ao-a1", "do", NOW - 3600, NOW, reason="probe out of the water", flag=4)  # type: ignore[arg-type]
    assert correct(engine, bad, author="x", now=NOW) == 3
    assert correct(engine, bad, author="x", now=NOW) == 0
    assert [(stretch.n, stretch.failed) for stretch in read(engine, "hour", NOW - DAY, NOW)] == [(0, 3)]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"quantity": "gold"}, "gold"),
        ({"start": NOW, "end": NOW}, "not before end"),
        ({"reason": "  "}, "reason is empty"),
        ({"offset": 0.0}, "nothing would change"),
        ({"offset": 1.0, "value": 3.0}, "either"),
        ({"offset": 80.0}, "outside 0–30"),
    ],
)
def test_a_correction_that_cannot_be_right_is_refused_whole(engine: Engine, changes: dict[str, Any], told: str) -> None:
    send(engine, [sample(1, do=5.0)])
    fields: dict[str, Any] = {"pond": "ao-a1", "quantity": "do", "start": NOW - DAY, "end": NOW, "reason": "why", "offset": 1.0}
    with pytest.raises(ValueError, match=told):
        correct(engine, Correction(**fields | changes), author="x", now=NOW)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Revision.__table__)) == 0


def test_old_months_go_their_hours_and_days_stay_and_stay_right(engine: Engine) -> None:
    edge = month_of(NOW - 40 * DAY)
    old = [sample(n, time=edge - n * 1800, do=float(n % 17)) for n in range(1, 120)]
    new = [sample(n, boot=8, time=edge + n * 1800, do=float(n % 13)) for n in range(1, 120)]
    send(engine, old + new)
    assert let_go(engine, NOW, 40) == edge
    with engine.connect() as connection:
        assert connection.scalar(select(func.min(Sample.__table__.c.time))) == edge + 1800
        assert raw_from(connection) == edge
        if partitioned(connection):
            assert all(name >= f"samples_2026_{9:02d}" for name in existing(connection))
    for step in ("hour", "day"):
        assert read(engine, step, edge - 90 * DAY, NOW) == reckoned(old + new, step)
    late = [
        sample(n, boot=9, time=edge - 90_000 - n * 1800, do=19.0, salinity=12.0) | {"flags": {"do": n % 2 * 3 + 1}}
        for n in range(1, 9)
    ]
    for _ in range(2):
        send(engine, late + old)
    for step in ("hour", "day"):
        assert read(engine, step, edge - 90 * DAY, NOW) == reckoned(old + new + late, step)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Sample.__table__)) == len(new)
    with pytest.raises(ValueError, match="no longer kept"):
        correct(engine, Correction("ao-a1", "do", edge - 5, NOW, reason="x", offset=1), author="x", now=NOW)
    assert let_go(engine, NOW, 40) == edge
    with pytest.raises(ValueError, match="at least 32"):
        let_go(engine, NOW, 5)


def test_a_series_that_begins_before_retention_shows_the_hours_extremes(engine: Engine) -> None:
    edge = month_of(NOW - 40 * DAY)
    send(engine, [sample(n, time=edge - n * 600, do=float(n)) for n in range(1, 19)] + [sample(99, time=edge + 60, do=3.5)])
    let_go(engine, NOW, 40)
    with ScopedSession(engine, Scope.of("coop-a")) as session:
        found = series(session, session.get_one(Pond, "ao-a1"), "do", edge - DAY, NOW, 100)
    assert {point.value for point in found.points} == {1.0, 6.0, 7.0, 12.0, 13.0, 18.0, 3.5}


def test_a_month_is_a_partition_on_postgresql(engine: Engine) -> None:
    months = [month_of(NOW - age * DAY) for age in (0, 40, 75)]
    send(engine, [sample(n, time=month, do=5.0) for n, month in enumerate(months, 1)] + [sample(9, time=946_684_800, do=5.0)])
    with engine.connect() as connection:
        if not partitioned(connection):
            assert connection.dialect.name == "sqlite"
            return
        assert existing(connection) == ["samples_old", "samples_2026_09", "samples_2026_10", "samples_2026_11"]
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN SELECT * FROM samples WHERE time >= {months[0]}").scalars())
    assert "samples_2026_11" in plan
    assert "samples_2026_10" not in plan
    assert month_after(month_of(NOW)) - month_of(NOW) == 30 * DAY
