"""What one commit writes, and what is true once it is on the disk."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from gateway.store.store import Changes
from vuong.contract import topics


@dataclass(frozen=True, slots=True)
class Ack:
    """What goes to a node after a commit: all of `boot` up to `seq` is on the gateway's disk."""

    node: str
    boot: int
    seq: int
    time: int

    def message(self) -> tuple[str, bytes]:
        """Return topic and payload."""
        return topics.topic(self.node, topics.ACK), orjson.dumps({"boot": self.boot, "seq": self.seq, "time": self.time})


@dataclass(frozen=True, slots=True)
class Transaction:
    """All that is written at once, and what is true when it is: the acknowledgements, and where the models' snapshot stands."""

    changes: Changes
    acks: list[Ack]
    snapshot: tuple[int, float] | None
