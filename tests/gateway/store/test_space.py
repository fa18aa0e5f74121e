"""A real disk that fills: what the cloud has goes first, then old samples become coarser, and an alarm says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.store.outbound import Outbound
from vuong.contract import topics

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench

pytestmark = pytest.mark.slow

NODE = "00124b0000000001"
NOON = 1_763_614_800
Maker = Callable[..., Any]


def crowd(folder: Path, leave: int) -> Path:
    """Let somebody else's file take the disk, but for `leave` bytes."""
    other = folder / "other"
    found = os.statvfs(folder)
    size = found.f_bavail * found.f_frsize - leave
    with other.open("wb") as file:
        while size > 0:
            try:
                size -= file.write(b"x" * min(size, 2**16))
                file.flush()
            except OSError:
                break
    return other


def alarms(bench: Bench) -> list[tuple[object, ...]]:
    return bench.rows("SELECT kind, state FROM alarms WHERE kind = 'disk_full'")


async def settle(bench: Bench) -> None:
    await bench.ingest.make_room()
    bench.ingest.tick()
    await bench.ingest.commit_aside()


async def test_what_the_cloud_has_goes_first_and_nothing_else(
    small_disk: Path, make_bench: Maker, make_rows: Maker, fill_database: Maker
) -> None:
    path = small_disk / "gateway.db"
    # 139 days: the first 50,000 positions are sent, of which most are older than 60 days
    fill_database(path, make_rows(80_000, step=150, begin=NOON - 80_000 * 150), sent=((1, 50_000),))
    bench = make_bench(path, nodes=10)
    space = bench.ingest.space
    crowd(small_disk, space.low() - 2**19)
    assert space.room() < space.low()
    await settle(bench)
    assert space.room() >= space.low()
    oldest, count = bench.rows("SELECT min(position), count(*) FROM samples")[0]
    assert 1 < oldest < 50_000
    assert count == 80_000 - oldest + 1, "the oldest went, in a row"
    assert bench.rows("SELECT count(*) FROM samples WHERE position > 50000") == [(30_000,)], "nothing that waits for the cloud"
    assert bench.rows("SELECT count(*) FROM thinned") == [(0,)]
    assert not alarms(bench), "what went was older than 60 days"
    bench.store.close()


async def test_with_nothing_sent_old_samples_become_coarser_and_the_extremes_stay(
    small_disk: Path, make_bench: Maker, make_rows: Maker, fill_database: Maker, make_pack: Maker
) -> None:
    path = small_disk / "gateway.db"
    total = 86_400
    given = make_rows(total, step=30, begin=NOON - total * 30)  # 30 days off-line
    fill_database(path, given)
    bench = make_bench(path, nodes=10)
    space = bench.ingest.space
    crowd(small_disk, space.low() - 2**20)
    await settle(bench)
    assert space.room() >= space.low()
    left = {row[0] for row in bench.rows("SELECT position FROM samples")}
    ((removed,),) = bench.rows("SELECT sum(removed) FROM thinned")
    assert removed == total - len(left) == space.removed > 0, "each that went is accounted for"
    assert {row[0] for row in given if row[4] > NOON - 86_400} <= left, "the last day is as it was"
    gone_before = max(row[4] for row in given if row[0] not in left)
    kept_whole = [row for row in given if row[4] > gone_before]
    assert len(kept_whole) > 1000, "coarser before newer"
    # temperature is column 8, oxygen 10: of each node and six hours the lowest and the highest are still there
    groups: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
    for row in given:
        groups.setdefault((row[1], row[4] // 21_600), []).append(row)
    for column in (8, 10):
        for group in groups.values():
            stay = [row[column] for row in group if row[0] in left]
            if all(row[4] // 86_400 != gone_before // 86_400 for row in group) and stay:
                day = [row for row in given if row[1] == group[0][1] and row[4] // 86_400 == group[0][4] // 86_400]
                assert max(row[column] for row in day) == max(row[column] for row in day if row[0] in left)
                assert min(row[column] for row in day) == min(row[column] for row in day if row[0] in left)
            break
    assert alarms(bench) == [("disk_full", "unacknowledged")]
    outbound = Outbound(path)
    part = outbound.alarms.next(10)
    assert part is not None
    told = part.stream.document(part.items)["alarms"]
    assert [(a["kind"], a["numbers"]["removed"]) for a in told] == [("disk_full", removed)], "the cloud is told how many"  # type: ignore[attr-defined]
    outbound.close()
    # Life goes on, and what was thinned is known as received: it is not asked for again.
    node, _, seq = given[5][1], given[5][2], given[5][3]
    assert bench.send(make_pack(seq, node=node, do=6.0), node=node)
    assert bench.ingest.counts["duplicates"] == 1
    bench.store.close()


async def test_a_disk_that_others_fill_costs_no_acknowledged_sample(
    small_disk: Path, make_bench: Maker, make_pack: Maker
) -> None:
    path = small_disk / "gateway.db"
    bench = make_bench(path)
    acknowledged, seq = 0, 0
    other: Path | None = None
    refused = 0
    for turn in range(60):
        bench.clock.set(NOON + turn * 60)
        if turn == 10:
            other = crowd(small_disk, 0)
        if turn == 40 and other is not None:
            other.unlink()
        # A node sends all that it holds.
        upto = acknowledged + 400
        payloads = [
            make_pack(n, at=NOON, do=6.0, temperature=29.0, first=acknowledged + 1) for n in range(acknowledged + 1, upto + 1)
        ]
        bench.ingest.take((topics.topic(NODE, topics.DATA), payload) for payload in payloads)
        acks = await bench.ingest.commit_aside()
        refused += not acks
        for ack in acks:
            acknowledged = max(acknowledged, ack.seq)
        bench.ingest.tick()
        await bench.ingest.commit_aside()
        await bench.ingest.make_room()
        seq = max(seq, upto)
        stored = {row[0] for row in bench.rows("SELECT seq FROM samples")}
        ((thinned,),) = bench.rows("SELECT ifnull(sum(removed), 0) FROM thinned")
        assert len(stored) + thinned >= acknowledged, "acknowledged, and not on the disk"
    assert refused or bench.ingest.counts["failed_commits"] == 0
    assert acknowledged == seq, "with room again all goes on"
    assert bench.rows("SELECT count(*), count(DISTINCT seq) FROM samples") == [(seq, seq)]
    assert alarms(bench), "somebody is told"
    bench.restart()
    assert bench.rows("PRAGMA quick_check") == [("ok",)]
    bench.store.close()
