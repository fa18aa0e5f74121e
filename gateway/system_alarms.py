"""Alarms of the gateway itself: disk, clock, database. A technician treats them, and every one goes to the cloud with its numbers."""

from __future__ import annotations

from typing import Final, cast

from gateway.alarms.engine import AlarmEngine
from gateway.alarms.rules import Condition
from gateway.observation import Numbers
from gateway.store.space import Space
from gateway.store.store import Store
from gateway.timekeeping import Timekeeper
from vuong.alarms import ALARM_KINDS, AlarmKind

DISK_FULL: Final = ALARM_KINDS["disk_full"]
CLOCK_WRONG: Final = ALARM_KINDS["clock_wrong"]
DATABASE_DAMAGED: Final = ALARM_KINDS["database_damaged"]
MIB: Final = 1024 * 1024
_TOLD_FOR: Final = 86_400  # s that a salvaged database stays an alarm


class SystemAlarms:
    """Looks at disk, clock and database at each tick.

    Parameters
    ----------
    engine : moves the alarms
    store : tells whether the database was salvaged
    """

    def __init__(self, engine: AlarmEngine, store: Store) -> None:
        self._engine = engine
        salvage = store.state("salvage")
        self._salvage = cast("dict[str, int | str]", salvage) if isinstance(salvage, dict) else None

    def tick(self, now: int, clock: Timekeeper, space: Space) -> dict[str, object]:
        """Raise and clear; return what is to be kept in the database's table ``state``.

        Parameters
        ----------
        now : UTC seconds
        clock : the gateway's time
        space : the room on the disk
        """
        # The space that is left changes with every commit: it is told as it was when rows last had to go.
        disk: Numbers = {"free": space.told // MIB, "removed": space.removed}
        self._move(DISK_FULL, now, disk, holds=space.short)
        self._move(CLOCK_WRONG, now, {"offset": clock.offset}, holds=not clock.trusted)
        kept: dict[str, object] = {}
        if self._salvage is not None:
            if "time" not in self._salvage:
                self._salvage["time"] = (
                    now  # power that fails damages the file and stops the clock: only now is it sure what time it is
                )
                kept["salvage"] = self._salvage
            numbers: Numbers = {name: self._salvage[name] for name in ("saved", "lost", "file")}
            self._move(DATABASE_DAMAGED, now, numbers, holds=0 <= now - int(self._salvage["time"]) < _TOLD_FOR)
        return kept

    def _move(self, kind: AlarmKind, now: int, numbers: Numbers, *, holds: bool) -> None:
        self._engine.system(kind, Condition.BEYOND if holds else Condition.INSIDE, now, numbers)
