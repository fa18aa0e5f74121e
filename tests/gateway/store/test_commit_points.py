"""kill -9 before and after every single statement that reaches the database: afterwards all is as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway import ingest as ingest_module
from gateway.config import Config, Mqtt
from gateway.ingest import Ingest
from gateway.observation import Pond
from gateway.store import outbound as outbound_module
from gateway.store import store as store_module
from gateway.store.outbound import Outbound
from gateway.store.schema import connect
from gateway.store.store import Store
from vuong.clock import ManualClock
from vuong.contract import topics
from vuong.contract.encode import json_pack
from vuong.limits import Limits

pytestmark = pytest.mark.slow

NODES = ("00124b0000000001", "00124b0000000002")
NOON = 1_763_614_800
STEPS = 10


class Mortal:
    """A connection whose process dies before (even) or after (odd) a chosen statement: in a process of its own, by a real SIGKILL."""

    def __init__(self, connection: sqlite3.Connection, counter: list[int], die_at: int) -> None:
        self._connection, self._counter, self._die_at = connection, counter, die_at

    def _point(self) -> None:
        if self._counter[0] == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self._counter[0] += 1

    def execute(self, *arguments: Any) -> Any:  # noqa: ANN401 - sqlite3's own
        self._point()
        found = self._connection.execute(*arguments)
        self._point()
        return found

    def executemany(self, *arguments: Any) -> Any:  # noqa: ANN401 - sqlite3's own
        self._point()
        found = self._connection.executemany(*arguments)
        self._point()
        return found

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._connection, name)


@dataclass
class World:
    """What outlives the process: the nodes' flash, the cloud, the clock's hand."""

    folder: Path

    def note(self, kind: str, content: object) -> None:
        with (self.folder / "world").open("a", encoding="utf-8") as file:
            file.write(json.dumps([kind, content]) + "\n")

    def notes(self, kind: str) -> list[Any]:
        path = self.folder / "world"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [content for found, content in map(json.loads, lines) if found == kind]


def oxygen(node: str, seq: int) -> int:
    """Fall through all limits and come back, in one pond."""
    return (600, 380, 280, 180, 350, 600, 610, 620, 600, 600)[(seq - 1) % 10] if node == NODES[0] else 600


def live(folder: Path, die_at: int = -1) -> int:
    """Run a gateway from where it stands to the end of the story; return how many points there were."""
    counter, world, clock = [0], World(folder), ManualClock(NOON)
    store_module.connect = outbound_module.connect = lambda path, **kind: Mortal(connect(path, **kind), counter, die_at)  # type: ignore[assignment,attr-defined]
    ingest_module.SNAPSHOT_SAMPLES = 6  # type: ignore[misc]
    ponds = {f"p{n}": Pond(f"p{n}", f"Ao {n}", Limits()) for n in (1, 2)}
    config = Config("gw", "gw", folder / "db", Mqtt(), None, ponds, dict(zip(NODES, ponds.values(), strict=True)))
    first = len(world.notes("step"))
    clock.set(NOON + 600 * first)
    store = Store(config.database)
    outbound = Outbound(config.database)
    ingest = Ingest(config, store, clock)
    for step in range(first, STEPS):
        clock.set(NOON + 600 * step)
        marks = {node: max((seq for found, seq in world.notes("ack") if found == node), default=0) for node in NODES}
        for node in NODES:
            held = range(marks[node] + 1, step + 2)
            packs = [
                bytes(json_pack(node, [(7, s, NOON + 600 * (s - 1), {"do": oxygen(node, s), "ph": 810})], {7: held[0]}))
                for s in held
            ]
            ingest.take((topics.topic(node, topics.DATA), pack) for pack in [*packs, *packs[-1:]])
        state = "online" if step % 4 < 3 else "offline"
        ingest.take(
            [(topics.topic(NODES[1], topics.STATUS), json.dumps({"state": state, "boot": 7}).encode()), ("noise", b"\xff")]
        )
        ingest.tick()
        for ack in ingest.commit():
            world.note("ack", [ack.node, ack.seq])
        if step % 2:
            for stream in (outbound.alarms, outbound.statuses, outbound.samples):
                while (part := stream.next(3)) is not None:
                    world.note("cloud", part.stream.document(part.items))
                    part.stream.mark(part, part.last)
        world.note("step", step)
    ingest.commit(snapshot=True)
    return counter[0]


def child(folder: Path, die_at: int) -> int:
    """Run `live` in a process of its own; return its status."""
    process = os.fork()
    if process == 0:
        try:
            live(folder, die_at)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the parent sees the code
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(process, 0)[1]


def outcome(folder: Path) -> dict[str, object]:
    with closing(sqlite3.connect(folder / "db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        every = {
            "samples": "SELECT * FROM samples ORDER BY node, boot, seq",
            "ledger": "SELECT * FROM ledger",
            "alarms": "SELECT id, revision, pond, node, kind, quantity, state, raised, cleared, numbers, sent FROM alarms ORDER BY id",
            "statuses": "SELECT node, time, state, detail, sent FROM statuses ORDER BY node, time",
            "snapshots": "SELECT node, stage, state FROM snapshots ORDER BY node, stage",
            "alarm_states": "SELECT * FROM alarm_states ORDER BY node",
        }
        found: dict[str, object] = {name: connection.execute(query).fetchall() for name, query in every.items()}
    cloud: dict[str, Any] = {"samples": set(), "alarms": {}, "statuses": set()}
    for document in World(folder).notes("cloud"):
        columns = document.get("samples")
        if columns:
            rows = zip(
                columns["node"], columns["boot"], columns["seq"], columns["time"], map(str, columns["values"]["do"]), strict=True
            )
            cloud["samples"] |= set(rows)
        for alarm in document.get("alarms", ()):
            kept = cloud["alarms"].get(alarm["id"])
            if kept is None or alarm["revision"] > kept["revision"]:
                cloud["alarms"][alarm["id"]] = alarm
        cloud["statuses"] |= {(status["node"], status["time"], status["state"]) for status in document.get("statuses", ())}
    return found | {"cloud": cloud}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, object]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    counting = os.pipe()
    process = os.fork()
    if process == 0:
        os.write(counting[1], str(live(folder)).encode())
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
    points = int(os.read(counting[0], 20))
    for end in counting:
        os.close(end)
    return points, outcome(folder)


def compare(found: dict[str, object], wanted: dict[str, object], at: int) -> None:
    for name, rows in wanted.items():
        assert found[name] == rows, f"{name} after a kill at point {at}"


PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_at_every_point(undisturbed: tuple[int, dict[str, object]], tmp_path: Path, part: int) -> None:
    points, wanted = undisturbed
    assert points > 200
    assert wanted["alarms"], "the story must raise alarms"
    for at in range(part, points, PARTS):
        folder = tmp_path / str(at)
        folder.mkdir()
        assert os.WTERMSIG(child(folder, at)) == signal.SIGKILL, f"point {at} was not met"
        assert child(folder, -1) == 0
        compare(outcome(folder), wanted, at)


def test_kills_that_follow_one_another(
    undisturbed: tuple[int, dict[str, object]], tmp_path: Path, make_pack: Callable[..., bytes]
) -> None:
    """Each run gets a little further than the one before."""
    _, wanted = undisturbed
    kills = 0
    for point in range(17, 2000, 23):
        if os.WIFSIGNALED(child(tmp_path, point)):
            kills += 1
        else:
            break
    assert kills > 3
    compare(outcome(tmp_path), wanted, -1)
