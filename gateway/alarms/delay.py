"""On-delay and off-delay: a condition is confirmed once it has held for long enough, and over once it has been gone for long enough."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.alarms.rules import Condition


@dataclass(slots=True)
class Delay:
    """One condition on its way to being confirmed, or confirmed.

    Attributes
    ----------
    since : UTC seconds from which it has held
    inside : UTC seconds from which it has been gone; ``None`` while it holds
    holds : it has been confirmed
    """

    since: int
    inside: int | None = None
    holds: bool = False

    def take(self, condition: Condition, time: int, on: int, off: int) -> bool:
        """Take the condition at `time`; return whether there is anything left to remember.

        Parameters
        ----------
        condition : where the watched number stands
        time : UTC seconds
        on, off : delays, s
        """
        if condition is Condition.UNKNOWN:
            return True
        if condition is Condition.INSIDE or (condition is Condition.BETWEEN and not self.holds):
            if not self.holds:
                return False
            if self.inside is None:
                self.inside = time
            return time - self.inside < off
        self.inside = None
        if condition is Condition.BEYOND and time - self.since >= on:
            self.holds = True
        return True
