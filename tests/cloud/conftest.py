"""Both stores for every test: SQLite files, and databases of a private PostgreSQL that is started for the run."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from argon2 import PasswordHasher
from sqlalchemy import Engine

from cloud.accounts import secrets, service
from cloud.app import create_app
from cloud.context import Context
from cloud.database import connect, migrate
from cloud.farms.importer import import_farm
from tests.cloud.batches import FARM, NOW, PASSWORD, TOKENS, packed
from vuong.clock import ManualClock

_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Hash with little memory and one pass: what takes 50 ms by intention would take minutes over all tests."""
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "_HASHER", cheap)
        patch.setattr(secrets, "_NOBODY", cheap.hash("nobody"))
        yield


def add_postgis(url: str) -> None:
    """Create PostGIS in a database as an administrator does before the tables are made; where it is not installed, nothing."""
    engine = connect(url)
    with engine.begin() as connection:
        if connection.exec_driver_sql("SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'").first():
            connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS postgis")
    engine.dispose()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Give the socket folder of a private PostgreSQL; root starts it as user postgres."""
    if not _BINARIES:
        pytest.skip("LEFT OUT: PostgreSQL is not installed here (Debian: postgresql), so nothing of the cloud is tested on it")
    home = Path(tempfile.mkdtemp(prefix="vuong-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        entry = pwd.getpwnam("postgres")
        os.chown(home, entry.pw_uid, entry.pw_gid)
        as_user = ["runuser", "-u", "postgres", "--"]

    def run(program: str, *arguments: str) -> None:
        subprocess.run([*as_user, str(_BINARIES[-1] / program), *arguments], check=True, cwd=home, stdout=subprocess.DEVNULL)

    run("initdb", "-D", f"{home}/db", "-U", "vuong", "-A", "trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
    options = f"-c listen_addresses= -c unix_socket_directories={home} -c fsync=off -c max_connections=60"
    run("pg_ctl", "-D", f"{home}/db", "-l", f"{home}/log", "-o", options, "-w", "start")
    try:
        add_postgis(f"postgresql://vuong@/template1?host={home}")
        yield str(home)
    finally:
        run("pg_ctl", "-D", f"{home}/db", "-m", "immediate", "-w", "stop")
        shutil.rmtree(home, ignore_errors=True)


def _ask(home: str, statement: str) -> None:
    admin = connect(f"postgresql://vuong@/postgres?host={home}")
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(statement)
    admin.dispose()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], AbstractContextManager[str]]]:
    """Give a function that makes a database, ``empty`` or with the small ``farm``, and takes it away again: on each store in turn."""
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("sqlite")
        _fill(f"sqlite:///{folder}/farm.db")

        @contextmanager
        def make(kind: str) -> Iterator[str]:
            file = folder / uuid.uuid4().hex / "cloud.db"
            file.parent.mkdir()
            if kind == "farm":
                shutil.copy(folder / "farm.db", file)
            yield f"sqlite:///{file}"
    else:
        home = request.getfixturevalue("postgresql")
        _ask(home, "CREATE DATABASE farm")
        _fill(f"postgresql://vuong@/farm?host={home}")

        @contextmanager
        def make(kind: str) -> Iterator[str]:
            name = f"t{uuid.uuid4().hex}"
            _ask(home, f"CREATE DATABASE {name} TEMPLATE {'farm' if kind == 'farm' else 'template1'}")
            yield f"postgresql://vuong@/{name}?host={home}"
            _ask(home, f"DROP DATABASE {name} WITH (FORCE)")

    yield make
    if request.param == "postgresql":  # a worker that is given tests of both stores in turn makes it again
        _ask(home, "DROP DATABASE farm WITH (FORCE)")


def _fill(url: str) -> None:
    engine = connect(url)
    migrate(engine)
    import_farm(engine, FARM, Path())
    engine.dispose()


@pytest.fixture
def empty_url(store: Callable[[str], AbstractContextManager[str]]) -> Iterator[str]:
    """Give the URL of a database without tables."""
    with store("empty") as url:
        yield url


@pytest.fixture
def empty_engine(empty_url: str) -> Iterator[Engine]:
    """Give a store without tables."""
    engine = connect(empty_url)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(store: Callable[[str], AbstractContextManager[str]]) -> Iterator[Engine]:
    """Give a migrated store that holds the small farm."""
    with store("farm") as url:
        engine = connect(url)
        yield engine
        engine.dispose()


@pytest.fixture
def clock() -> ManualClock:
    """Give the clock of readings."""
    return ManualClock(NOW)


def open_session(engine: Engine, login: str, password: str, now: float, address: str = "") -> str | None:
    """Return the cookie of a new session of somebody of whom a password is asked and no more, ``None`` where it is wrong."""
    user = service.authenticate(engine, login, password, address, now)
    return None if user is None else service.open_session(engine, user, now, "password")


@contextmanager
def served(context: Context, only: list[str] | None = None) -> Iterator[str]:
    """Serve the application (or some capabilities of it) on a free port; give its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(context, only), log_level="warning", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.005)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture
def wall() -> ManualClock:
    """Give the machine's clock."""
    return ManualClock(NOW)


@pytest.fixture
def client(engine: Engine, clock: ManualClock, wall: ManualClock) -> Iterator[httpx.Client]:
    """Give a browser that nobody has signed in with."""
    context = Context(engine, b"k" * 32, clock=clock, wall=wall)
    with served(context) as address, httpx.Client(base_url=address) as client:
        yield client


@pytest.fixture
def post(client: httpx.Client) -> Callable[..., Any]:
    """Give a function that posts a batch as its gateway."""

    def send(document: dict[str, Any], **headers: str) -> httpx.Response:
        own = {"Authorization": f"Bearer {TOKENS[document['gateway']]}", "Content-Encoding": "gzip"}
        return client.post("/api/v1/batches", content=packed(document), headers=own | headers)

    return send


@pytest.fixture
def sign_in(client: httpx.Client) -> Callable[[str], httpx.Client]:
    """Give a function that signs somebody in through the form."""

    def enter(login: str) -> httpx.Client:
        page = client.get("/sign-in").text
        token = page.split('name="token" value="')[1].split('"')[0]
        reply = client.post("/sign-in", data={"login": login, "password": PASSWORD, "token": token})
        assert reply.status_code == 303, reply.text
        return client

    return enter
