"""Remote configuration: versioned, checked as a whole, refused with a reason; the node goes on with what it has.

The message on ``config`` (retained): ``{"version": 3, "interval": 900, "status_interval": 3600}``. Fields left out keep their values.
"""

import json

from firmware import files

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any

    from firmware.config import NodeConfig

# field: lowest and highest value
FIELDS = {
    "interval": (10, 86400),
    "status_interval": (60, 604800),
    "pack_samples": (1, 16),
    "window": (16, 4096),
    "resend": (5, 3600),
    "longest_resend": (60, 86400),
    "awake_for": (0, 3600),
}


class SettingsError(Exception):
    """A configuration that was refused; the text says why."""


def parse(payload: bytes) -> "dict[str, int]":
    """Return the checked fields of a message, with its version.

    Raises
    ------
    SettingsError
        naming field, value and range
    """
    try:
        found: "dict[str, Any]" = json.loads(payload)
    except ValueError:
        raise SettingsError("configuration is not JSON")  # noqa: B904 (MicroPython does not chain)
    if type(found) is not dict:
        raise SettingsError("configuration is not a JSON object")
    for name, value in found.items():
        low, high = (1, 0x3FFFFFFF) if name == "version" else FIELDS.get(name, (1, 0))
        if low > high:
            raise SettingsError(f"field {name!r} is not known; known are version, {', '.join(sorted(FIELDS))}")
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise SettingsError(f"{name} is {value!r}; give a whole number from {low} to {high}")
    if "version" not in found:
        raise SettingsError("version is missing")
    return found


class Settings:
    """The configuration in force, kept in a file.

    Attributes
    ----------
    version : of the configuration in force; 0 for what the node came with
    refused : why the newest message was refused, empty where it was not
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.refused = ""
        self._fields: "dict[str, Any]" = {}
        stored = files.load(path)
        if stored:
            try:
                self._fields = parse(json.dumps(stored).encode())
            except SettingsError as error:
                self.refused = "stored: " + str(error)  # from an older firmware

    @property
    def version(self) -> int:
        """Return the version in force."""
        return int(self._fields.get("version", 0))

    def take(self, payload: bytes) -> bool:
        """Take a message over if it is newer and valid, keep it, and return whether anything changed."""
        try:
            found = parse(payload)
        except SettingsError as error:
            self.refused = str(error)
            return False
        self.refused = ""
        if found["version"] <= self.version:
            return False  # retained messages come again at every connection
        merged = dict(self._fields)
        merged.update(found)
        files.save(self._path, merged)
        self._fields = merged
        return True

    def apply(self, config: "NodeConfig") -> None:
        """Put the fields in force into a node's configuration."""
        for name, value in self._fields.items():
            if name != "version":
                setattr(config, name, value)
