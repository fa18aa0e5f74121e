"""Health, metrics, logs, jobs, the doctor, capabilities served apart; back-ups tested by destroying and restoring."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select, text

from cloud.app import create_app
from cloud.context import Context
from cloud.database import connect, conninfo, migrate, sqlite_path
from cloud.farms.shapes import extension, shaped
from cloud.operations import jobs, work
from cloud.operations.backup import BackupError, back_up, counts, restore
from cloud.operations.doctor import examine
from cloud.operations.logs import configure
from cloud.operations.tables import JobRun
from cloud.operations.work import JOBS, Work, perform
from cloud.telemetry.ingest import Sender, take
from cloud.telemetry.mirror import MirrorError
from cloud.telemetry.tables import Hourly
from tests.cloud.batches import NOW, TOKENS, alarm, batch, packed, sample
from tests.cloud.conftest import add_postgis
from vuong.clock import ManualClock
from vuong.command import main

A = Sender("gw-a", "coop-a")


def fill(engine: Engine) -> None:
    rows = [sample(n, do=5.0 + n / 10, ph=8.0) for n in range(1, 50)] + [sample(70, node="ff")]
    take(engine, packed(batch(rows, alarms=[alarm()])), "gzip", sender=A, idempotency_key=None, now=NOW)


def test_ready_only_while_database_and_tables_are(client: httpx.Client, engine: Engine) -> None:
    assert client.get("/readyz").json() == {"status": "ok"}
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    reply = client.get("/readyz")
    assert reply.status_code == 503
    assert "vuong cloud migrate" in reply.json()["status"]
    assert client.get("/healthz").status_code == 200


def test_metrics_count_requests_by_route_and_tell_what_waits(
    post: Callable[..., Any], client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(batch([sample(1, do=5.0), sample(2, node="ff")]))
    client.get("/api/v1/ponds/no-such-pond", headers={"Authorization": f"Bearer {TOKENS['gw-a']}"})
    found = client.get("/metrics").text
    assert 'vuong_requests_total{method="POST",route="/api/v1/batches",status="200"} 1.0' in found
    assert 'route="/api/v1/ponds/{pond}",status="404"' in found
    assert "no-such-pond" not in found
    for line in ("vuong_store_up 1.0", "vuong_stale_hours 1.0", "vuong_quarantined_records 1.0", "vuong_mirror_parcels 0.0"):
        assert line in found
    monkeypatch.setenv("VUONG_METRICS_TOKEN", "a-token-for-prometheus")
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer a-token-for-prometheus"}).status_code == 200


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Give the stream of structured logs; put logging back afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure(stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # logs do not depend on it
def test_every_line_of_a_request_has_its_id_and_no_query(log: io.StringIO, client: httpx.Client) -> None:
    reply = client.get("/sign-in?next=/secret-place", headers={"X-Request-ID": "from-the-proxy.1"})
    assert reply.headers["X-Request-ID"] == "from-the-proxy.1"
    own = client.get("/sign-in", headers={"X-Request-ID": "bad id\t{}"}).headers["X-Request-ID"]
    assert len(own) == 32
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert [line["request_id"] for line in requests] == ["from-the-proxy.1", own]
    assert requests[0]["path"] == "/sign-in"
    assert "secret-place" not in log.getvalue()


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # routes do not depend on it
def test_capabilities_are_served_apart(engine: Engine) -> None:
    def paths(*only: str) -> set[str]:
        return set(create_app(Context(engine, b"k" * 32), only or None).openapi()["paths"])

    apart = paths("telemetry", "alerts")
    assert {"/api/v1/batches", "/api/v1/alarms"} <= apart
    assert "/api/v1/ponds" not in apart
    assert "/api/v1/ponds" in paths("farms")
    assert paths("telemetry") | paths("farms") < paths()


def test_a_capability_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cloud", "serve", "--only", "telemetry,gold", "--database", f"sqlite:///{tmp_path}/x.db"]) == 2
    assert "gold" in capsys.readouterr().err


def test_jobs_do_their_work_and_their_outcome_is_kept(engine: Engine) -> None:
    fill(engine)
    own = Work(engine, ManualClock(NOW + 7200))
    for job in JOBS.values():
        assert perform(job, own), job.name
    with engine.connect() as connection:
        assert {row.name for row in connection.execute(select(JobRun.__table__))} == set(JOBS)
        assert len(connection.execute(select(Hourly.__table__)).all()) >= 1


def test_a_job_that_fails_is_told_and_tried_again(engine: Engine) -> None:
    class Down:
        def write(self, lines: str) -> None:
            raise MirrorError("the mirror does not answer")

    take(engine, packed(batch([sample(1, do=5.0)])), "gzip", sender=A, idempotency_key=None, now=NOW, mirror=True)
    assert not perform(JOBS["mirror"], Work(engine, ManualClock(NOW), sink=Down()))
    told = {finding.check: finding for finding in examine(engine, NOW)}
    assert told["job mirror"].level == "fault"
    assert "does not answer" in told["job mirror"].told


def test_jobs_and_backups_go_to_all_hosts_of_the_url_and_show_no_password() -> None:
    engine = connect("postgresql://vuong:s%40cret@/farm?host=a,b&port=1,2&target_session_attrs=read-write&sslmode=verify-full")
    told = dict(part.split("=", 1) for part in conninfo(engine).split())
    wanted = {"dbname": "farm", "user": "vuong", "host": "a,b", "port": "1,2", "target_session_attrs": "read-write"}
    assert told == wanted | {"sslmode": "verify-full", "password": "s@cret"}
    assert "cret" not in conninfo(engine, password=False)


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def turns(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(JobRun.finished).where(JobRun.name == "roll_up")) or 0)


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_the_embedded_plan_survives_a_restart_and_a_missed_turn_runs_at_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(work.JOBS, "roll_up", work.Job("roll_up", 1, JOBS["roll_up"].run))
    fill(engine)
    own = Work(engine, ManualClock(NOW + 7200))
    with jobs.embedded(own) as scheduler:
        planned = scheduler.get_job("retention").next_run_time
        wait_for(lambda: turns(engine))
    before = turns(engine)
    time.sleep(1.5)
    with jobs.embedded(own) as scheduler:
        assert scheduler.get_job("retention").next_run_time == planned
        wait_for(lambda: turns(engine) > before)


@pytest.mark.slow
@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_the_queue_on_postgresql_works_and_takes_up_the_job_of_a_dead_worker(engine: Engine) -> None:
    fill(engine)
    own = Work(engine, ManualClock(NOW + 7200))
    jobs.prepare(engine)
    jobs.prepare(engine)

    async def one_turn() -> None:
        app = jobs.queue(own)
        async with app.open_async():
            await app.tasks["roll_up"].defer_async(timestamp=1)
            # A worker took it and was killed: it is under way, and nobody's.
            with engine.begin() as connection:
                connection.execute(text("SET LOCAL search_path TO jobs"))
                connection.execute(text("UPDATE jobs.procrastinate_jobs SET status = 'doing', worker_id = NULL"))
        stop = asyncio.Event()
        worker = asyncio.create_task(jobs.work_off(own, stop=stop))
        for _ in range(400):
            await asyncio.sleep(0.05)
            if turns(engine) or worker.done():
                break
        stop.set()
        await worker

    asyncio.run(one_turn())
    assert turns(engine)


def test_everything_destroyed_comes_back_from_the_backup(
    engine: Engine, store: Callable[[str], AbstractContextManager[str]], tmp_path: Path
) -> None:
    fill(engine)
    perform(JOBS["roll_up"], Work(engine, ManualClock(NOW + 7200)))
    file = tmp_path / "vuong.backup"
    manifest = back_up(engine, file, NOW)
    assert file.stat().st_mode & 0o077 == 0
    with engine.connect() as connection:
        held = {
            table: connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2")).all()
            for table in ("samples", "hourly", "users")
        }
        assert manifest["rows"] == counts(connection)
    path = sqlite_path(engine)
    engine.dispose()
    if path is not None:
        for leftover in path.parent.iterdir():
            leftover.unlink()
    with store("empty") as url:
        other = connect(url)
        assert restore(other, file)["rows"]["samples"] == 49
        with other.connect() as connection:
            for table, rows in held.items():
                assert connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2")).all() == rows
        migrate(other)
        fill(other)  # what was received stays received
        with other.connect() as connection:
            assert counts(connection)["samples"] == 49
        with pytest.raises(BackupError, match="already"):
            restore(other, file)
        other.dispose()


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_who_is_no_administrator_restores_where_postgis_was_made_for_them(engine: Engine, tmp_path: Path) -> None:
    with engine.connect() as connection:
        if extension(connection, "postgis") is None:
            pytest.skip("LEFT OUT: PostGIS is not installed here (Debian: postgresql-15-postgis-3)")
    file, role, base = tmp_path / "vuong.backup", f"plain_{engine.url.database}", f"restored_{engine.url.database}"
    back_up(engine, file, NOW)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as administrator:
        administrator.exec_driver_sql(f"CREATE ROLE {role} LOGIN")
        administrator.exec_driver_sql(f"CREATE DATABASE {base} OWNER {role} TEMPLATE template0")
    other = connect(engine.url.set(database=base, username=role).render_as_string(hide_password=False))
    try:
        with pytest.raises(BackupError, match="first: CREATE EXTENSION postgis"):
            restore(other, file)
        add_postgis(engine.url.set(database=base).render_as_string(hide_password=False))
        assert restore(other, file)["rows"]["ponds"] == 3
        with other.connect() as connection:
            assert shaped(connection)
    finally:
        other.dispose()
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as administrator:
            administrator.exec_driver_sql(f"DROP DATABASE {base} WITH (FORCE)")
            administrator.exec_driver_sql(f"DROP ROLE {role}")


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_damaged_backup_is_not_trusted(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "vuong.backup"
    back_up(engine, file, NOW)
    content = bytearray(file.read_bytes())
    empty = connect(f"sqlite:///{tmp_path}/new.db")
    for damaged in (content[: len(content) // 2], content[:30_000] + b"\xff" * 100 + content[30_100:], b"nothing"):
        file.write_bytes(damaged)
        with pytest.raises(BackupError, match=r"whole back-up|damaged"):
            restore(empty, file)
    assert not (tmp_path / "new.db").exists() or not (tmp_path / "new.db").stat().st_size


def test_the_doctor_names_fault_and_remedy(engine: Engine) -> None:
    fill(engine)
    told = {finding.check: finding for finding in examine(engine, NOW)}
    assert told["tables"].level == "ok"
    assert told["quarantine"].level == "warning"
    assert "'ff'" in told["quarantine"].told
    assert told["job roll_up"].told == "never ran"
    if engine.dialect.name == "postgresql":
        assert "in this database" in told["timescaledb"].told
        assert told["postgis"].level == told["citus"].level == "ok"
        assert (told["integrity"].level, told["integrity"].told) == ("fault", "fsync is off")  # as this test's server runs
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    [tables] = [finding for finding in examine(engine, NOW) if finding.check == "tables"]
    assert (tables.level, tables.remedy) == ("fault", "run: vuong cloud migrate")


def test_the_doctor_on_no_database_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cloud", "doctor", "--json", "--database", f"postgresql://nobody@/x?host={tmp_path}"]) == 1
    [finding] = json.loads(capsys.readouterr().out)
    assert (finding["check"], finding["level"]) == ("database", "fault")


def test_commands_back_up_and_restore(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    assert main(["cloud", "migrate", "--database", url]) == 0
    assert main(["cloud", "backup", str(tmp_path / "f"), "--database", url]) == 0
    assert main(["cloud", "restore", str(tmp_path / "f"), "--json", "--database", f"sqlite:///{tmp_path}/b.db"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["samples"] == 0
    assert main(["cloud", "backup", str(tmp_path / "g"), "--database", f"sqlite:///{tmp_path}/none.db"]) == 2
