"""Compile every ``locale/<language>/LC_MESSAGES/*.po`` beside itself; runs as a build step and by hand.

usage: python scripts/compile_catalogues.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent.parent


def compile_all(root: Path = ROOT) -> int:
    """Write a ``.mo`` beside each ``.po`` of the top-level folders; return how many."""
    sources = sorted(root.glob("*/locale/*/LC_MESSAGES/*.po"))
    for source in sources:
        with source.open("rb") as file:
            catalogue = read_po(file, locale=source.parent.parent.name)
        with source.with_suffix(".mo").open("wb") as file:
            write_mo(file, catalogue)
    return len(sources)


class CatalogueHook(BuildHookInterface[Any]):
    """Hatchling's hook: ``pip install`` leaves compiled catalogues behind, editable or not."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Compile before the files are collected."""
        compile_all(Path(self.root))


if __name__ == "__main__":
    sys.stdout.write(f"{compile_all()} catalogues compiled\n")
