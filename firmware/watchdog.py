"""The hardware watchdog, fed only while every part of the node makes progress: a loop that hangs restarts the board."""

import asyncio

from firmware.stopwatch import Stopwatch

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Callable


class Watchdog:
    """Feeds `feed` for as long as no part is overdue.

    Parameters
    ----------
    feed : ``machine.WDT(...).feed``
    parts : parts that must make progress, each with the seconds that it has to begin
    """

    def __init__(self, feed: "Callable[[], None]", parts: "dict[str, float]") -> None:
        self._feed = feed
        self._parts = {name: (Stopwatch(), limit) for name, limit in parts.items()}

    def mark(self, part: str, seconds: float) -> None:
        """Note that a part made progress, and will again within `seconds`."""
        self._parts[part] = (Stopwatch(), seconds)

    def overdue(self) -> "list[str]":
        """Return the parts that should have made progress by now."""
        return [name for name, (since, limit) in self._parts.items() if since.seconds() > limit]

    async def run(self, every: float = 5.0) -> None:
        """Feed until a part is overdue; then stop for ever, and the board restarts."""
        while not self.overdue():
            self._feed()
            await asyncio.sleep(every)
