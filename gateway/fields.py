"""TOML tables that know their own path, so that an error can name the field, its value and the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

_MISSING: Final = object()


class ConfigError(ValueError):
    """A field that is wrong: the message names the field, its value and the remedy."""


class Table:
    """A TOML table that knows its own path, so that an error can name the field."""

    def __init__(self, values: Any, path: str, known: tuple[str, ...]) -> None:  # noqa: ANN401 - whatever TOML held
        if not isinstance(values, dict):
            raise ConfigError(f"{path} is {values!r}; write it as a table")
        for name in values:
            if name not in known:
                raise ConfigError(f"{path}.{name} is not known; known are {', '.join(known)}")
        self._values: dict[str, Any] = values
        self.path = path

    def _get(self, name: str, kinds: tuple[type, ...], what: str, default: object) -> Any:  # noqa: ANN401 - checked here
        value = self._values.get(name, default)
        if value is _MISSING:
            raise ConfigError(f"{self.path}.{name} is missing; give {what}")
        if value is not default and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise ConfigError(f"{self.path}.{name} is {value!r}; give {what}")
        return value

    def text(self, name: str, default: object = _MISSING) -> Any:  # noqa: ANN401
        """Return a text that is not empty; without a default it must be there."""
        value = self._get(name, (str,), "a text in quotes", default)
        if value == "":
            raise ConfigError(f"{self.path}.{name} is empty; give a text or leave the line out")
        return value

    def number(self, name: str, low: float, high: float, default: object = _MISSING) -> Any:  # noqa: ANN401
        """Return a number within its bounds."""
        value = self._get(name, (int, float), f"a number from {low:g} to {high:g}", default)
        if not low <= value <= high:
            raise ConfigError(f"{self.path}.{name} is {value!r}; give a number from {low:g} to {high:g}")
        return value

    def file(self, name: str, base: Path, default: object = _MISSING) -> Any:  # noqa: ANN401
        """Return a path, a relative one taken from `base`."""
        value = self.text(name, default)
        return value if value is default else base / Path(value).expanduser()

    def yes(self, name: str, default: bool) -> bool:
        """Return true or false."""
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise ConfigError(f"{self.path}.{name} is {value!r}; give true or false")
        return value

    def raw(self, name: str, default: Any) -> Any:  # noqa: ANN401
        """Return whatever TOML held."""
        return self._values.get(name, default)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts; empty where left out."""
        values = self._values.get(name, [])
        if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
            raise ConfigError(f"{self.path}.{name} is {values!r}; give a list of texts in quotes")
        return tuple(values)

    def tables(self, name: str) -> list[Any]:
        """Return the ``[[name]]`` tables; empty where there are none."""
        values = self._values.get(name, [])
        if not isinstance(values, list):
            raise ConfigError(f"{self.path}.{name} is {values!r}; write one [[{name}]] table for each")
        return values
