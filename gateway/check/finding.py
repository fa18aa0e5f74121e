"""What a check finds, and what it looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from gateway.config import Config
from vuong.clock import Clock
from vuong.i18n import DEFAULT, number, text

Value = str | int | float


class Status(StrEnum):
    """How bad it is, and whether it can be told here at all."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    check : the row of `gateway.check.run.CHECKS` that found it; filled in by the run
    status : how bad it is
    key : its sentence in the catalogue is ``check.<key>``; what to do about a warning or a failure is ``check.<key>.do``
    numbers : what fills the placeholders; floats are written with one digit
    """

    status: Status
    key: str
    numbers: dict[str, Value] = field(default_factory=dict)
    check: str = ""

    def _text(self, key: str, language: str) -> str:
        filled = {name: number(v, 1, language) if isinstance(v, float) else v for name, v in self.numbers.items()}
        return text(f"check.{key}", language, folder="gateway", **filled)

    def sentence(self, language: str = DEFAULT) -> str:
        """Return what was found."""
        return self._text(self.key, language)

    def remedy(self, language: str = DEFAULT) -> str | None:
        """Return what to do; ``None`` where nothing is to be done."""
        return self._text(f"{self.key}.do", language) if self.status in {Status.WARN, Status.FAIL} else None


def ok(key: str, **numbers: Value) -> Finding:
    """Return a finding of something that is as it should be."""
    return Finding(Status.OK, key, numbers)


def warn(key: str, **numbers: Value) -> Finding:
    """Return a finding of something that will go wrong, or that costs comfort only."""
    return Finding(Status.WARN, key, numbers)


def fail(key: str, **numbers: Value) -> Finding:
    """Return a finding of something that is wrong now."""
    return Finding(Status.FAIL, key, numbers)


def not_applicable(key: str, **numbers: Value) -> Finding:
    """Return that something cannot be told on this machine, or is not set up."""
    return Finding(Status.NOT_APPLICABLE, key, numbers)


@dataclass(frozen=True, slots=True)
class Subject:
    """The gateway that is looked at.

    Attributes
    ----------
    config : its configuration
    clock : the time now
    proc, sys : the kernel's files
    """

    config: Config
    clock: Clock
    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
