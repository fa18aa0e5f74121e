"""Count what was published, committed and stored, out of the stores themselves."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

Key = tuple[str, int, int]  # node, boot, seq


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts of one run.

    Attributes
    ----------
    published : samples to which nodes gave a sequence number
    committed : samples in the gateways' stores
    stored : samples in the cloud's store
    lost : published but not stored
    doubled : rows beyond the first of the same sample, in any store
    alarms : alarms in the cloud's store
    """

    published: int
    committed: int
    stored: int
    lost: int
    doubled: int
    alarms: int

    def json(self) -> str:
        """Return the counts as one JSON object."""
        return json.dumps(asdict(self))


def _rows(database: Path, query: str) -> list[tuple[str, int, int]]:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return [(str(node), int(boot), int(seq)) for node, boot, seq in connection.execute(query)]


def _doubled(keys: Iterable[Key]) -> int:
    return sum(count - 1 for count in Counter(keys).values())


def count(published: set[Key], gateways: Iterable[Path], cloud: Path) -> Tally:
    """Return the counts of the stores as they stand.

    Parameters
    ----------
    published : what the nodes' own records say they published
    gateways : the gateways' databases
    cloud : the cloud's SQLite database
    """
    committed = [key for database in gateways for key in _rows(database, "SELECT node, boot, seq FROM samples")]
    stored = _rows(cloud, "SELECT nodes.eui, boot, seq FROM samples JOIN nodes ON nodes.id = samples.node_id")
    with sqlite3.connect(f"file:{cloud}?mode=ro", uri=True) as connection:
        (alarms,) = connection.execute("SELECT count(*) FROM alarms").fetchone()
    return Tally(
        published=len(published),
        committed=len(set(committed)),
        stored=len(set(stored)),
        lost=len(published - set(stored)),
        doubled=_doubled(committed) + _doubled(stored),
        alarms=int(alarms),
    )
