"""Which samples the gateway has, by node and boot: it tells new from double, and how far a node may forget."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from gateway.intervals import Intervals
from vuong.readings import Sample

# A node numbers without gaps: a hole that lasts is a sample that the node lost. So many of a boot are remembered, the newest.
MOST_HOLES = 1000

BootKey = tuple[str, int]
LedgerRow = tuple[str, int, int, str, int, int]


@dataclass(slots=True)
class Entry:
    """What is known of one boot of a node.

    Attributes
    ----------
    floor : lowest sequence that the node still holds: what lies below will never be sent again
    received : sequences taken in
    heard : UTC seconds of the last arrival
    latest : newest time of a sample
    """

    floor: int = 1
    received: Intervals = field(default_factory=Intervals)
    heard: int = 0
    latest: int = 0

    @property
    def mark(self) -> int:
        """Highest sequence up to which nothing is missing that can still come."""
        return self.received.end_of(self.floor)

    def row(self, key: BootKey) -> LedgerRow:
        """Return the entry as it stands now, as a row of the database."""
        return (*key, self.floor, orjson.dumps(list(self.received)).decode(), self.heard, self.latest)


class Ledger:
    """The entries of all boots of all nodes.

    What was received is kept exactly, so that a late message from below the floor is still stored once; only the lowest holes below the floor
    are given up where there are more than `MOST_HOLES`. `touched` names the entries to write with the samples and to acknowledge after that.
    """

    def __init__(self, entries: dict[BootKey, Entry] | None = None) -> None:
        self.entries: dict[BootKey, Entry] = entries or {}
        self.touched: dict[BootKey, Entry] = {}

    def take(self, sample: Sample, arrived: int) -> bool:
        """Enter a sample; return whether it is new."""
        key = (sample.node, sample.boot)
        entry = self.entries.get(key)
        if entry is None:
            entry = self.entries[key] = Entry()
        self.touched[key] = entry
        entry.heard = arrived
        entry.latest = max(entry.latest, min(sample.time, arrived))
        # A node cannot have dropped what it is sending: a floor above the sample would acknowledge what never came.
        entry.floor = max(entry.floor, min(sample.first, sample.seq))
        new = entry.received.add(sample.seq)
        if len(entry.received) > MOST_HOLES:
            entry.received.fill_below(entry.floor, MOST_HOLES)
        return new
