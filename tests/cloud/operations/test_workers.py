"""Several ``vuong cloud work`` at once on PostgreSQL: a turn is taken by one of them, and a killed one's by another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import Connection, Engine, text

from cloud.operations import jobs
from tests.cloud.batches import NOW

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("store", ["postgresql"], indirect=True)]

NAMES = ("mirror", "sign_ins", "retention", "roll_up")
TURNS = 12  # of each
# Who took which job when, and what was carried out: written down by the database itself.
DIARY = """
    CREATE TABLE taken (job bigint, task text, worker bigint);
    CREATE TABLE ran (name text);
    CREATE FUNCTION note_taken() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN INSERT INTO public.taken VALUES (NEW.id, NEW.task_name, NEW.worker_id); RETURN NULL; END';
    CREATE FUNCTION note_ran() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN INSERT INTO public.ran VALUES (NEW.name); RETURN NULL; END';
    CREATE TRIGGER note_taken AFTER UPDATE ON jobs.procrastinate_jobs
      FOR EACH ROW WHEN (OLD.status = 'todo' AND NEW.status = 'doing') EXECUTE FUNCTION note_taken();
    CREATE TRIGGER note_ran AFTER INSERT OR UPDATE ON job_runs FOR EACH ROW EXECUTE FUNCTION note_ran();
"""


@contextmanager
def worker(engine: Engine) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``vuong cloud work`` as a process."""
    url = engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "vuong", "cloud", "work", "--database", url, "--clock", f"{time.time()},{NOW},1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(40)


def put(connection: Connection, name: str, turns: int) -> None:
    """Put turns of a job into the queue, under the lock that its own turns have."""
    connection.execute(
        text(
            "INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, lock, args) "
            "SELECT 'default', CAST(:name AS text), CAST(:name AS text), jsonb_build_object('timestamp', n) FROM generate_series(1, :turns) AS n"
        ),
        {"name": name, "turns": turns},
    )


def wait_for(engine: Engine, question: str, seconds: float = 40, **values: object) -> None:
    """Wait until a question is answered with true."""
    end = time.monotonic() + seconds
    while True:
        with engine.connect() as connection:
            if connection.scalar(text(question), values):
                return
        assert time.monotonic() < end, question
        time.sleep(0.1)


def test_of_three_workers_one_takes_each_turn(engine: Engine) -> None:
    jobs.prepare(engine)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL search_path TO public, jobs"))
        connection.execute(text(DIARY))
        for name in NAMES:
            put(connection, name, TURNS)
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(engine)) for _ in range(3)]
        wait_for(engine, "SELECT count(*) >= :all FROM ran", all=TURNS * len(NAMES))
        wait_for(engine, "SELECT count(DISTINCT worker) > 1 FROM taken")
        wait_for(engine, "SELECT count(*) = 0 FROM jobs.procrastinate_jobs WHERE id <= :all", all=TURNS * len(NAMES))
        assert all(one.poll() is None for one in workers)
    assert [one.returncode for one in workers] == [0, 0, 0]
    with engine.connect() as connection:
        for name in NAMES:
            ids = list(connection.scalars(text("SELECT job FROM taken WHERE task = :name"), {"name": name}))
            assert len(ids) == len(set(ids)) >= TURNS, "no turn twice"
            assert connection.scalar(text("SELECT count(*) FROM ran WHERE name = :name"), {"name": name}) == len(ids)


@pytest.mark.parametrize("next_waits", [False, True], ids=["alone", "the next turn waits"])
def test_a_killed_workers_turn_is_taken_over(engine: Engine, next_waits: bool) -> None:
    jobs.prepare(engine)
    queued = "INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args) VALUES "
    queued += "('default', 'retention', 'retention', 'retention', '{\"timestamp\": 1}') RETURNING id"
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL search_path TO public, jobs"))
        connection.execute(text(DIARY))
        first = connection.scalar(text(queued))
    doing = "SELECT count(*) = 1 FROM jobs.procrastinate_jobs WHERE id = :id AND status = 'doing'"
    with worker(engine) as killed, engine.connect() as blocker:
        blocker.execute(text("LOCK TABLE job_runs IN ACCESS EXCLUSIVE MODE"))  # in the middle of a job
        wait_for(engine, doing, id=first)
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait(30)
        blocker.rollback()
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL search_path TO public, jobs"))
        assert connection.scalar(text(doing), {"id": first}), "nobody's, and nobody else's yet"
        if next_waits:
            connection.execute(
                text(queued.replace("RETURNING id", "ON CONFLICT DO NOTHING"))
            )  # the killed one may have planned it
        else:
            connection.execute(text("DELETE FROM jobs.procrastinate_jobs WHERE task_name = 'retention' AND status = 'todo'"))
        # A minute without a sign of life.
        connection.execute(text("UPDATE jobs.procrastinate_workers SET last_heartbeat = now() - interval '61 s'"))
        connection.execute(text("TRUNCATE ran, taken"))
    with worker(engine) as one, worker(engine) as other:
        wait_for(engine, "SELECT count(*) > 0 FROM ran WHERE name = 'retention'")
        wait_for(engine, "SELECT count(*) = 0 FROM jobs.procrastinate_jobs WHERE task_name = 'retention'")
        assert (one.poll(), other.poll()) == (None, None)
    with engine.connect() as connection:
        ids = list(connection.scalars(text("SELECT job FROM taken WHERE task = 'retention'")))
        assert len(ids) == len(set(ids)), "no turn twice"
        assert connection.scalar(text("SELECT count(*) FROM ran WHERE name = 'retention'")) == len(ids)
        assert (first in ids) is not next_waits, "where the next one waits, it is the one"
