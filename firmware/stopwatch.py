"""Real seconds, whatever the clocks do."""

import time

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Callable

# MicroPython's real-time counter; CPython has its own.
_ticks_ms: "Callable[[], int] | None" = getattr(time, "ticks_ms", None)
_ticks_diff: "Callable[[int, int], int] | None" = getattr(time, "ticks_diff", None)


class Stopwatch:
    """Real seconds since it was made or reset, whatever the clocks do; up to six days."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again at 0."""
        self._start = _ticks()

    def seconds(self) -> float:
        """Return the seconds since the last reset."""
        return _since(self._start) / 1000


def _ticks() -> int:
    return _ticks_ms() if _ticks_ms else time.monotonic_ns() // 1000000


def _since(start: int) -> int:
    return _ticks_diff(_ticks(), start) if _ticks_diff else _ticks() - start
