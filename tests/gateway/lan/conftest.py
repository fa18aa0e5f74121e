"""A gateway's database with a night in it, served on the LAN in this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from gateway.config import Config, parse
from gateway.lan.desk import Desk
from gateway.lan.server import create_app
from gateway.store.schema import QUANTITY_NAMES
from gateway.store.store import Changes, Store
from vuong.clock import ManualClock
from vuong.contract.batch import AlarmRow

NOW = 1_795_121_999  # 03:59 at the pond
NODES = {"p1": "00124b0000000001", "p2": "00124b0000000002"}
PIN = "493817"
ALARM = "5e1c9b52-0000-4000-8000-000000000001"


def config(folder: Path, **tables: object) -> Config:
    """Return a gateway of two ponds."""
    document = {
        "gateway": {"id": "gw-1", "name": "HTX Thử", "database": "gateway.db"},
        "lan": {"host": "127.0.0.1"},
        "ponds": [{"id": "p1", "name": "Ao 1 · Cô Sáu"}, {"id": "p2", "name": "Ao 2 · Chú Ba", "species": "monodon"}],
        "nodes": [{"id": node, "pond": pond} for pond, node in NODES.items()],
    }
    return parse(document | tables, folder)


def sample(position: int, time: int, node: str = NODES["p1"], *, flag: int = 1, **values: float) -> tuple[Any, ...]:
    """Return a row of the samples' table."""
    row: list[Any] = [position, node, 7, position, time, time + 2, False, None]
    for name in QUANTITY_NAMES:
        row += (values.get(name), flag if name in values else None)
    return tuple(row)


def alarm(name: str = ALARM, revision: int = 1, **changes: object) -> AlarmRow:
    """Return an alarm of pond p1."""
    row: Any = {
        "id": name,
        "revision": revision,
        "pond": "p1",
        "node": NODES["p1"],
        "kind": "oxygen_critical",
        "quantity": "do",
        "state": "unacknowledged",
        "raised": NOW - 1800,
        "cleared": None,
        "acknowledged": None,
        "numbers": {"value": 2.7, "limit": 3.0, "since": NOW - 1800},
    }
    found: AlarmRow = row | changes
    return found


@dataclass
class Lan:
    """The LAN on a real database, with clocks that the test moves."""

    folder: Path
    tables: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.config = config(self.folder, **self.tables)
        self.store = Store(self.config.database)
        self.clock, self.wall = ManualClock(NOW), ManualClock(NOW)
        rows = [sample(i, NOW - 86_400 + i * 300, do=6.0 - i / 100, ph=8.0, temperature=29.0) for i in range(1, 288)]
        self.store.commit(Changes(samples=rows, alarms=[alarm()]))
        self.desk = Desk(self.config, self.clock, self.wall)
        self.desk.access.set_pin(PIN, "farmer", NOW)

    def token(self, role: str = "farmer", name: str = "Cô Sáu") -> str:
        """Pair a device."""
        code = self.desk.access.pairing_code(role, name, self.wall.now())
        token = self.desk.access.pair(code, name, "test", self.wall.now())
        assert token is not None
        return token

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve on a free port; give the address."""
        app = create_app(self.desk)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=1))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                while not server.started and thread.is_alive():
                    time.sleep(0.005)
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                app.state.hub.close()
                server.should_exit = True
                thread.join(10)

    def close(self) -> None:
        """Close the databases."""
        self.desk.close()
        self.store.close()


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Lan]:
    """Give the LAN's database, not served."""
    made = Lan(tmp_path)
    yield made
    made.close()


@pytest.fixture
def address(lan: Lan) -> Iterator[str]:
    """Serve it."""
    with lan.served() as address:
        yield address


@pytest.fixture
def app(lan: Lan, address: str) -> Iterator[httpx.Client]:
    """Give a paired phone."""
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {lan.token()}"}) as client:
        yield client


@pytest.fixture
def browser(address: str) -> Iterator[httpx.Client]:
    """Give a browser that nobody has signed in with."""
    with httpx.Client(base_url=address) as client:
        yield client


@pytest.fixture
def make_alarm() -> Callable[..., AlarmRow]:
    """Give the maker of alarms."""
    return alarm


@pytest.fixture
def make_sample() -> Callable[..., tuple[Any, ...]]:
    """Give the maker of samples."""
    return sample


@pytest.fixture
def make_config() -> Callable[..., Config]:
    """Give the maker of configurations."""
    return config
