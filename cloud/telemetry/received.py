"""Which samples are new: exact for ever, whatever the store's partitions, whatever retention let go.

A node numbers its samples from 1 in each boot, so what was received is a few ranges a boot and not a key a sample.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select

from cloud.farms.tables import Node
from cloud.telemetry.store import upsert
from cloud.telemetry.tables import Received
from cloud.telemetry.validation import Samples

Range = tuple[int, int]
Boot = tuple[int, int]  # node's id, boot
_TABLE: Final = Received.__table__


def unseen(numbers: Sequence[int], ranges: Sequence[Range]) -> list[int]:
    """Return the positions in `numbers` whose number lies in none of `ranges` (sorted, apart) and did not come before in `numbers`."""
    starts, seen, found = [first for first, _ in ranges], set[int](), list[int]()
    for position, number in enumerate(numbers):
        if number in seen:
            continue
        seen.add(number)
        at = bisect_right(starts, number) - 1
        if at < 0 or ranges[at][1] < number:
            found.append(position)
    return found


def joined(ranges: Iterable[Range], numbers: Iterable[int]) -> list[Range]:
    """Return `ranges` with `numbers` added, sorted, none touching another."""
    result = list[Range]()
    for first, last in sorted([*ranges, *((number, number) for number in numbers)]):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return result


_OVERLAPPING: Final = (
    "SELECT first, last FROM received WHERE node_id = ? AND boot = ? AND first <= ? AND last >= ? ORDER BY first"
)
# One round trip for all boots of a batch.
_OVERLAPPING_OF_MANY: Final = """
SELECT r.node_id, r.boot, r.first, r.last
FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::bigint[]) AS asked (node_id, boot, high, low)
JOIN received r ON r.node_id = asked.node_id AND r.boot = asked.boot AND r.first <= asked.high AND r.last >= asked.low
ORDER BY r.first"""


def _near(connection: Connection, spans: dict[Boot, Range]) -> dict[Boot, list[Range]]:
    """Return the stored ranges that overlap or touch each boot's span."""
    found: dict[Boot, list[Range]] = defaultdict(list)
    driver: Any = connection.connection.driver_connection
    asked = [(node, boot, high + 1, low - 1) for (node, boot), (low, high) in spans.items()]
    if connection.dialect.name == "sqlite":
        for row in asked:
            found[row[0], row[1]] = driver.execute(_OVERLAPPING, row).fetchall()
    else:
        columns = [list(part) for part in zip(*asked, strict=True)]
        for node, boot, first, last in driver.execute(_OVERLAPPING_OF_MANY, columns).fetchall():
            found[node, boot].append((first, last))
    return found


def receive(connection: Connection, samples: Samples) -> Samples:
    """Return the samples that were never stored before, and note them as received.

    Whoever writes samples of a node holds that node's row until the transaction ends, so that two batches at once cannot both find one new.
    """
    rows: dict[Boot, list[int]] = defaultdict(list)
    for row, boot in enumerate(zip(samples.node_id, samples.boot, strict=True)):
        rows[boot].append(row)
    if not rows:
        return samples
    if connection.dialect.name != "sqlite":  # SQLite has one writer at a time
        nodes = sorted({node for node, _ in rows})
        connection.execute(select(Node.id).where(Node.id.in_(nodes)).order_by(Node.id).with_for_update(key_share=True)).all()
    numbers = {boot: [samples.seq[row] for row in own] for boot, own in rows.items()}
    near = _near(connection, {boot: (min(own), max(own)) for boot, own in sorted(numbers.items())})
    fresh, gone, changed = list[int](), list[dict[str, int]](), list[dict[str, int]]()
    for boot, own in numbers.items():
        held = near.get(boot, [])
        new = unseen(own, held)
        if not new:
            continue
        fresh += [rows[boot][position] for position in new]
        after = joined(held, (own[position] for position in new))
        kept = {first for first, _ in after}
        key = {"node_id": boot[0], "boot": boot[1]}
        gone += [key | {"first": first} for first, _ in held if first not in kept]
        changed += [key | {"first": first, "last": last} for first, last in after if (first, last) not in held]
    if gone:
        key_columns = (_TABLE.c[name] for name in ("node_id", "boot", "first"))
        statement = delete(Received).where(*(column == bindparam(f"gone_{column.name}") for column in key_columns))
        connection.execute(statement, [{f"gone_{name}": value for name, value in row.items()} for row in gone])
    if changed:
        insert = upsert(connection, _TABLE)
        update = insert.on_conflict_do_update(index_elements=["node_id", "boot", "first"], set_={"last": insert.excluded.last})
        connection.execute(update, changed)
    return samples if len(fresh) == len(samples.seq) else samples.chosen(sorted(fresh))
