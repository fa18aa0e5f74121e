"""What a probe said: a `Reading` is one value, a `Sample` all readings that one node took at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Reading(NamedTuple):
    """One value of one quantity at one time (UTC, integer seconds), in the quantity's own unit."""

    node: str
    quantity: str
    time: int
    value: float


@dataclass(slots=True)
class Sample:
    """All readings of one node at one moment; what a node publishes, acknowledges and forgets as one.

    Attributes
    ----------
    node : EUI-64 of the node, 16 lower-case hex digits
    boot, seq : identity of the sample: boot is a random 32-bit number drawn at each cold start, seq counts from 1 in that boot
    time : UTC seconds; already resolved where the node sent a relative time
    values : quantity name → value in the quantity's unit
    first : lowest sequence of that boot which the node still holds; what lies below is gone or acknowledged
    estimated : the time was not the node's own clock but resolved at arrival
    """

    node: str
    boot: int
    seq: int
    time: int
    values: dict[str, float] = field(default_factory=dict)
    first: int = 1
    estimated: bool = False

    def readings(self) -> list[Reading]:
        """Return the sample as single readings."""
        return [Reading(self.node, name, self.time, value) for name, value in self.values.items()]
