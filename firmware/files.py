"""Small JSON files on flash that survive a power cut: a new file is written whole, then renamed over the old one."""

import json
import os

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any


def load(path: str) -> "dict[str, Any]":
    """Return the object in a file; empty where there is none or it is damaged."""
    try:
        with open(path, encoding="utf-8") as file:
            found: "dict[str, Any]" = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if type(found) is dict else {}


def save(path: str, content: "dict[str, Any]") -> None:
    """Replace a file by `content`; OSError where the flash takes it not."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(json.dumps(content))
    os.rename(path + ".new", path)
