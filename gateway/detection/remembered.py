"""What is remembered as numbers: a restart of the gateway changes no later flag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class Remembered:
    """Attributes that are numbers, lists of numbers of a fixed length, or `Remembered` themselves, in the order of ``__slots__``."""

    __slots__: tuple[str, ...] = ()
    fixed: ClassVar[frozenset[str]] = frozenset()
    """Attributes that follow from what the object was made with."""

    def state(self) -> list[float]:
        """Return everything that is remembered, as `restore` takes it."""
        numbers: list[float] = []
        for name in self.__slots__:
            if name in self.fixed:
                continue
            value = getattr(self, name)
            if isinstance(value, Remembered):
                numbers += value.state()
            elif isinstance(value, list):
                numbers += value
            else:
                numbers.append(value)
        return numbers

    def restore(self, numbers: Sequence[float]) -> int:
        """Take back what `state` returned; return how many numbers those were."""
        at = 0
        for name in self.__slots__:
            if name in self.fixed:
                continue
            value = getattr(self, name)
            if isinstance(value, Remembered):
                at += value.restore(numbers[at:])
            elif isinstance(value, list):
                value[:] = [float(v) for v in numbers[at : at + len(value)]]
                at += len(value)
            else:
                setattr(self, name, type(value)(numbers[at]))
                at += 1
        return at
