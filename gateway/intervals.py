"""A set of integers held as intervals: what has been received of a boot, what has been sent of the readings."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator


class Intervals:
    """Disjoint closed intervals of integers, in rising order; adding in order costs one comparison.

    Parameters
    ----------
    pairs : ``(first, last)`` of each interval, as `__iter__` gives them
    """

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in pairs:
            self.add(first, last)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._firsts, self._lasts, strict=True))

    def __len__(self) -> int:
        """Return the number of intervals."""
        return len(self._firsts)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    @property
    def last(self) -> int | None:
        """Highest member, ``None`` of an empty set."""
        return self._lasts[-1] if self._lasts else None

    def end_of(self, number: int) -> int:
        """Return the last member of the unbroken run that holds `number`; ``number - 1`` where it is not a member."""
        at = bisect_right(self._firsts, number) - 1
        if at >= 0 and number <= self._lasts[at]:
            return self._lasts[at]
        return number - 1

    def add(self, first: int, last: int | None = None) -> bool:
        """Add ``first..last`` (one number where `last` is left out); return whether anything was new."""
        last = first if last is None else last
        if last < first:
            return False
        lasts = self._lasts
        if lasts and first == lasts[-1] + 1:  # the usual case: the next one
            lasts[-1] = last
            return True
        left = bisect_right(lasts, first - 2)  # first interval that ends at first - 1 or later
        right = bisect_right(self._firsts, last + 1)  # one past the last interval that begins at last + 1 or earlier
        if left == right - 1 and self._firsts[left] <= first and last <= lasts[left]:
            return False
        if left < right:
            first, last = min(first, self._firsts[left]), max(last, lasts[right - 1])
        self._firsts[left:right] = [first]
        lasts[left:right] = [last]
        return True

    def fill_below(self, number: int, keep: int) -> None:
        """Fill the lowest holes that end below `number`, until no more than `keep` intervals are left or no such hole is."""
        surplus = min(len(self._firsts) - keep, bisect_right(self._firsts, number) - 1)
        if surplus > 0:
            del self._firsts[1 : surplus + 1]
            del self._lasts[:surplus]
