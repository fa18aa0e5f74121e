"""A host's clock with the face of the board's: for nodes that run on CPython, in the demo and in tests."""

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.boundaries import HostClock


class InjectedClock:
    """A host's clock as a node sees it.

    Parameters
    ----------
    clock : object with ``now()`` (UTC seconds) and ``async sleep(seconds)``; may be accelerated
    known : false for a node that starts without a date, as after a power loss; then `set` gives it one
    """

    def __init__(self, clock: "HostClock", known: bool = True) -> None:
        self._clock = clock
        self._start = self._host()
        self._known = known
        self._shift = 0

    def _host(self) -> int:
        return int(self._clock.now())

    def now(self) -> "int | None":
        """Return UTC seconds since 1970, ``None`` while the clock was never set."""
        return self._host() + self._shift if self._known else None

    def uptime(self) -> int:
        """Return seconds since this object was made."""
        return max(0, self._host() - self._start)

    def set(self, utc: int) -> None:
        """Set a clock that was not known; a host's clock that was known stays as it is."""
        if not self._known:
            self._known, self._shift = True, utc - self._host()

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of the host's clock."""
        await self._clock.sleep(max(0.0, seconds))
