"""The texts of `provisioning`."""

from __future__ import annotations

from vuong.i18n import text


def say(key: str, language: str, /, **numbers: object) -> str:
    """Return the text of `key` out of this folder's catalogue."""
    return text(key, language, folder="provisioning", **numbers)
