"""Which samples are new: ranges against plain sets."""

from __future__ import annotations

import threading
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from cloud.telemetry.ingest import Sender, take
from cloud.telemetry.received import Range, joined, unseen
from cloud.telemetry.tables import Received, Sample
from tests.cloud.batches import NOW, batch, packed, sample

_NUMBERS = st.lists(st.integers(1, 60), max_size=40)


def members(ranges: list[Range]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(held=_NUMBERS, numbers=_NUMBERS)
def test_ranges_behave_as_a_set(held: list[int], numbers: list[int]) -> None:
    ranges = joined([], held)
    assert members(ranges) == set(held)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(ranges))
    fresh = [numbers[position] for position in unseen(numbers, ranges)]
    assert len(fresh) == len(set(fresh))
    assert set(fresh) == set(numbers) - set(held)
    assert members(joined(ranges, fresh)) == set(held) | set(numbers)


def test_a_boot_without_holes_is_one_row(engine: Engine) -> None:
    for first in (1, 201, 101):
        rows = [sample(n, do=5.0) for n in range(first, first + 100)]
        take(engine, packed(batch(rows)), "gzip", sender=Sender("gw-a", "coop-a"), idempotency_key=None, now=NOW + 86_400)
    with engine.connect() as connection:
        assert connection.execute(select(Received.__table__)).all() == [(1, 7, 1, 300)]


def test_one_batch_sent_by_many_at_once_is_stored_once(engine: Engine) -> None:
    body = packed(batch([sample(n, boot=n % 3, do=5.0) for n in range(1, 400)]))
    faults: list[BaseException] = []

    def send() -> None:
        try:
            take(engine, body, "gzip", sender=Sender("gw-a", "coop-a"), idempotency_key=None, now=NOW + 86_400)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            faults.append(error)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Sample.__table__)) == 399
