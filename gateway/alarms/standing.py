"""What the engine remembers of one group of alarms of one node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from gateway.alarms.delay import Delay
from gateway.alarms.states import shifted
from vuong.alarms import State
from vuong.contract.batch import AlarmRow

ACTIVE: Final = (State.UNACKNOWLEDGED, State.ACKNOWLEDGED, State.SHELVED, State.SUPPRESSED)


@dataclass(slots=True)
class Standing:
    """Conditions that wait for their on-delay, or hold, or have just gone; and the alarm that they make.

    Attributes
    ----------
    quantity : what the group is about
    delays : kind → its condition's delay
    row : the alarm as it stands; ``None`` before any condition was confirmed
    updated : UTC seconds of its last revision
    until : UTC seconds at which shelving ends
    by : what suppresses it: the name of a parent alarm's kind, or ``maintenance``
    """

    quantity: str | None
    delays: dict[str, Delay] = field(default_factory=dict)
    row: AlarmRow | None = None
    updated: int = 0
    until: int | None = None
    by: str | None = None

    @property
    def state(self) -> State:
        """Return the state of its alarm."""
        return State.NORMAL if self.row is None else State(self.row["state"])

    @property
    def active(self) -> bool:
        """Return whether an alarm stands, put aside or not."""
        return self.state in ACTIVE

    def shift(self, seconds: int, began: int) -> None:
        """Move its times: the clock was wrong by so much, from `began` on."""
        if self.row is not None:
            self.row = shifted(self.row, seconds, began) or self.row
        self.updated += seconds
        if self.until is not None:
            self.until += seconds
        for delay in self.delays.values():
            delay.since += seconds
            if delay.inside is not None:
                delay.inside += seconds

    @staticmethod
    def of(document: dict[str, Any]) -> Standing:
        """Return what ``dataclasses.asdict`` has written."""
        delays = {name: Delay(**delay) for name, delay in document["delays"].items()}
        return Standing(**{**document, "delays": delays})
