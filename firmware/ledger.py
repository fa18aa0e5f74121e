"""The record of a node's calibrations, in a file that firmware updates do not touch; each entry goes to the gateway as a ledger entry."""

from firmware import files
from vuong import calibration

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any


class Ledger:
    """The calibrations of one node, in a file; the newest of a quantity is in force.

    Parameters
    ----------
    path : file; damaged or missing counts as empty
    kept : entries kept of each quantity
    """

    def __init__(self, path: str, kept: int = 6) -> None:
        self._path, self._kept = path, kept
        self._entries: "list[dict[str, Any]]" = files.load(path).get("entries", [])

    def add(
        self, quantity: str, time: int, operator: str, lot: str, before: "list[float]", after: "list[float]"
    ) -> "dict[str, Any]":
        """Keep a calibration and return its entry.

        Parameters
        ----------
        time : UTC seconds
        operator, lot : who did it, and the lot printed on the buffer's bottle
        before, after : the quantity's numbers (slope and offset, and so on) until now and from now on
        """
        entry: "dict[str, Any]" = {
            "quantity": quantity,
            "time": time,
            "operator": operator,
            "lot": lot,
            "before": before,
            "after": after,
            "sent": False,
        }
        others = [e for e in self._entries if e["quantity"] != quantity]
        self._entries = others + [e for e in self._entries if e["quantity"] == quantity][-(self._kept - 1) :] + [entry]
        self._save()
        return entry

    def newest(self, quantity: str) -> "dict[str, Any] | None":
        """Return the entry in force, ``None`` where there is none."""
        found = [e for e in self._entries if e["quantity"] == quantity]
        return found[-1] if found else None

    def numbers(self, quantity: str, count: int) -> "list[float] | None":
        """Return the numbers in force, ``None`` where there are none, or not `count` of them: the probe was of another kind."""
        entry = self.newest(quantity)
        return entry["after"] if entry is not None and len(entry["after"]) == count else None

    def state(self, quantity: str, now: int) -> str:
        """Return ``never``, ``fine``, ``due`` or ``overdue``."""
        entry = self.newest(quantity)
        if entry is None:
            return "never"
        return calibration.state(quantity, (now - entry["time"]) / 86400)

    def unsent(self) -> "list[dict[str, Any]]":
        """Return the entries that the gateway has not been sent."""
        return [e for e in self._entries if not e["sent"]]

    def mark_sent(self, entry: "dict[str, Any]") -> None:
        """Note that the broker took an entry."""
        entry["sent"] = True
        self._save()

    def _save(self) -> None:
        files.save(self._path, {"entries": self._entries})
