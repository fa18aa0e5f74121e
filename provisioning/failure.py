"""What could not be done, as a sentence and a remedy out of the catalogue."""

from __future__ import annotations

from enum import IntEnum

from provisioning.texts import say


class Exit(IntEnum):
    """Exit codes of every command here."""

    DONE = 0
    FAILED = 1  # it could not be done; the sentence says why, the remedy what to do
    CALL = 2  # the call was wrong: an argument, a file of the technician's own
    INTERRUPTED = 130


class Failure(Exception):  # noqa: N818 (it is not always an error: a refusal is one too)
    """Something could not be done.

    Parameters
    ----------
    key : ``fail.<key>`` and ``fail.<key>.do`` of the catalogue
    code : exit code
    numbers : values of the placeholders
    """

    def __init__(self, key: str, code: Exit = Exit.FAILED, **numbers: object) -> None:
        super().__init__(key, numbers)
        self.key, self.code, self.numbers = key, code, numbers

    def __str__(self) -> str:
        return f"{self.sentence('en')} → {self.remedy('en')}"

    def sentence(self, language: str) -> str:
        """Return what happened."""
        return say(f"fail.{self.key}", language, **self.numbers)

    def remedy(self, language: str) -> str:
        """Return what to do."""
        return say(f"fail.{self.key}.do", language, **self.numbers)


class WrongCall(Failure):
    """An argument or a file of the technician's own is wrong: exit code 2."""

    def __init__(self, key: str, **numbers: object) -> None:
        super().__init__(key, Exit.CALL, **numbers)
