"""Real database files with damaged pages: put aside, salvaged, and on with the work."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.store.outbound import Outbound
from gateway.store.salvage import open_store
from gateway.store.store import Store
from vuong.contract import topics

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench

Maker = Callable[..., Any]
NODE = "00124b0000000001"
NOON = 1_763_614_800
PAGE = 4096
TOTAL, SENT = 6000, 3500


@pytest.fixture
def damaged(tmp_path: Path, make_rows: Maker, fill_database: Maker) -> Path:
    """Return a whole database of 6,000 samples, 3,500 of them sent; the test damages it."""
    path = tmp_path / "gateway.db"
    fill_database(path, make_rows(TOTAL, begin=NOON - TOTAL * 30), sent=((1, SENT),))
    return path


def overwrite(path: Path, page: int, chance: random.Random, size: int = PAGE, at: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE + at)
        file.write(chance.randbytes(size))


def pages_of(path: Path) -> int:
    return path.stat().st_size // PAGE


def stored(store: Store) -> dict[tuple[str, int, int], tuple[Any, ...]]:
    rows = store._connection.execute("SELECT node, boot, seq, time, do, position FROM samples").fetchall()
    assert len(rows) == len({row[:3] for row in rows}), "doubled"
    return {row[:3]: row[3:] for row in rows}


def original(make_rows: Maker) -> dict[tuple[str, int, int], tuple[Any, ...]]:
    return {(row[1], row[2], row[3]): (row[4], row[10], row[0]) for row in make_rows(TOTAL, begin=NOON - TOTAL * 30)}


def look(path: Path, store: Store) -> None:
    """Check what must hold after every salvage: a sound file, and a ledger that says no more than the samples do."""
    assert store._connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    present = stored(store)
    for (node, boot), entry in store.ledger().items():
        for first, last in entry.received:
            assert all((node, boot, seq) in present for seq in range(first, last + 1))
    outbound = Outbound(path)
    waiting = []
    while (part := outbound.samples.next(1000)) is not None:
        waiting += [item[0] for item in part.items]
        part.stream.mark(part, part.last)
    outbound.close()
    assert len(waiting) == len(set(waiting))
    assert {position for *_, position in present.values() if position > SENT} <= set(waiting), (
        "what the cloud has not got goes there"
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_pages_at_random_places(damaged: Path, make_rows: Maker, seed: int) -> None:
    chance = random.Random(seed)
    count = 1 + seed % 4
    for _ in range(count):
        overwrite(damaged, chance.randint(1, pages_of(damaged)), chance, size=chance.choice([16, 200, PAGE]), at=0)
    store = open_store(damaged, NOON)
    present, given = stored(store), original(make_rows)
    assert present.keys() <= given.keys()
    assert all(given[key] == found for key, found in present.items()), "no reading is made up"
    # A leaf holds about fifty samples: nothing beyond the pages that were written over is lost.
    assert len(present) >= TOTAL - 80 * count
    look(damaged, store)
    store.close()


def test_the_header_is_gone(damaged: Path, make_rows: Maker) -> None:
    overwrite(damaged, 1, random.Random(1))
    store = open_store(damaged, NOON)
    assert len(stored(store)) == TOTAL
    look(damaged, store)
    (aside,) = damaged.parent.glob("gateway.db.damaged-*[!lm]")
    assert aside.stat().st_size > TOTAL * 50, "the damaged file is kept"
    store.close()


def test_the_root_of_the_samples_is_gone(damaged: Path) -> None:
    with closing(sqlite3.connect(damaged)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'samples'").fetchone()
    overwrite(damaged, root, random.Random(2))
    store = open_store(damaged, NOON)
    assert len(stored(store)) == TOTAL
    look(damaged, store)
    store.close()


def test_a_file_of_noise_and_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    path.write_bytes(random.Random(3).randbytes(PAGE * 20))
    store = open_store(path, NOON)
    assert stored(store) == {}
    store.close()
    path.write_bytes(b"")
    open_store(path, NOON).close()


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_log(tmp_path: Path, make_bench: Maker, make_pack: Maker, seed: int) -> None:
    """What SQLite takes of a log ends where a checksum fails: what remains is the state after one of the commits."""
    source = make_bench(tmp_path / "source.db")
    for seq in range(1, 40):
        source.clock.set(NOON + seq * 60)
        source.send(make_pack(seq, at=NOON + seq * 60))
    path = tmp_path / "gateway.db"
    path.write_bytes((tmp_path / "source.db").read_bytes())
    log = bytearray((tmp_path / "source.db-wal").read_bytes())
    at = random.Random(seed).randrange(32, len(log))
    log[at] ^= 0xFF
    Path(f"{path}-wal").write_bytes(log)
    source.store.close()
    store = open_store(path, NOON)
    present = sorted(seq for _, _, seq in stored(store))
    assert present == list(range(1, len(present) + 1))
    for entry in store.ledger().values():
        assert entry.mark == len(present)
    store.close()


def test_what_was_lost_is_taken_again_and_somebody_is_told(damaged: Path, make_bench: Maker, make_pack: Maker) -> None:
    chance = random.Random(5)
    middle = pages_of(damaged) * 9 // 10  # among those that wait for the cloud
    for page in range(middle, middle + 3):
        overwrite(damaged, page, chance)
    open_store(damaged, NOON).close()
    bench: Bench = make_bench(damaged, nodes=10)
    lost = TOTAL - len(stored(bench.store))
    assert lost > 0
    note = bench.store.state("salvage")
    assert isinstance(note, dict)
    assert (note["lost"], note["saved"]) == (lost, TOTAL - lost)
    bench.ingest.tick()
    bench.ingest.commit()
    assert ("database_damaged", "unacknowledged") in bench.rows("SELECT kind, state FROM alarms")
    # The node got no acknowledgement for what was on that page, so it still holds it and sends it again.
    present = stored(bench.store)
    gone = next(seq for seq in range(1, TOTAL // 10) if (NODE, 7, seq) not in present and (NODE, 7, seq - 1) in present)
    bench.ingest.take([(topics.topic(NODE, topics.DATA), make_pack(gone, at=NOON, first=gone))])
    (ack,) = bench.ingest.commit()
    assert ack.seq >= gone
    assert bench.rows(f"SELECT count(*) FROM samples WHERE node = '{NODE}' AND seq = {gone}") == [(1,)]
    bench.store.close()


def test_a_kill_between_the_two_renames(damaged: Path) -> None:
    Path(f"{damaged}-salvaged").write_bytes(damaged.read_bytes())
    damaged.unlink()
    store = open_store(damaged, NOON)
    assert len(stored(store)) == TOTAL
    store.close()
