"""What people want of the aerators, in the gateway's database: it outlives a restart, and a page or a command can write it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

from gateway.aerators.interlock import Override
from gateway.store.schema import connect

WANTED: Final = ("on", "off", "auto")


class Overrides:
    """A connection of its own to the table ``aerator_overrides``."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def set(self, aerator: str, wanted: str, by: str, at: int) -> None:
        """Note what a person wants: ``on``, ``off``, or ``auto`` to give the aerator back.

        Raises
        ------
        ValueError
            if `wanted` is none of these
        """
        if wanted not in WANTED:
            raise ValueError(f"wanted is {wanted!r}; give one of {', '.join(WANTED)}")
        self._connection.execute("INSERT OR REPLACE INTO aerator_overrides VALUES (?, ?, ?, ?)", (aerator, wanted, by, at))

    def all(self) -> dict[str, Override | None]:
        """Return what is wanted of each aerator that somebody has touched."""
        rows = self._connection.execute("SELECT aerator, wanted FROM aerator_overrides")
        return {aerator: None if wanted == "auto" else cast("Override", wanted) for aerator, wanted in rows}
