"""The program and its libraries as wheels for another machine, so that a card needs no network: pip fetches them, in the versions of this laptop."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from provisioning.failure import Failure, WrongCall

_LOG = logging.getLogger(__name__)
# glibc of Raspberry Pi OS: which wheels of manylinux it can load.
_GLIBC: Final = {"3.11": 36, "3.13": 41}
_ROOT: Final = Path(__file__).parents[3]


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (pip)
    _LOG.debug("%s\n%s", done.stdout, done.stderr)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Failure("wheels", problem=said[-1] if said else f"exit code {done.returncode}")


def _program(folder: Path) -> Path:
    found = sorted(folder.glob("vuong-*.whl"))
    if found:
        return found[-1]
    if not (_ROOT / "pyproject.toml").exists():
        raise WrongCall("wheels_program", place=folder)
    _pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(_ROOT))
    return sorted(folder.glob("vuong-*.whl"))[-1]


def _pins() -> str:
    """Return the versions that are installed here as pip's constraints; the program itself is no library."""
    rows = {re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower(): d.version for d in distributions()}
    return "".join(f"{name}=={version}\n" for name, version in sorted(rows.items()) if name not in {"vuong", "pip"})


def fetch(folder: Path, python: str, machine: str = "aarch64") -> list[str]:
    """Fill a folder with wheels and return their names; nothing is compiled.

    Parameters
    ----------
    folder : may hold the program's own wheel; without it, it is built from this checkout
    python : version on the other machine, ``3.13``
    machine : its processor

    Raises
    ------
    WrongCall
        if there is neither the program's wheel nor a checkout
    Failure
        if something cannot be fetched, or is not there as a wheel
    """
    folder.mkdir(parents=True, exist_ok=True)
    program = _program(folder)
    tags = [f"manylinux2014_{machine}", *(f"manylinux_2_{minor}_{machine}" for minor in range(17, _GLIBC[python] + 1))]
    with tempfile.TemporaryDirectory() as temporary:
        pins = Path(temporary) / "pins.txt"
        pins.write_text(_pins(), encoding="utf-8")
        _pip(
            "download", "--quiet", "--only-binary=:all:", "--implementation", "cp", "--python-version", python,
            *(word for tag in tags for word in ("--platform", tag)),
            "--constraint", str(pins), "--dest", str(folder), f"{program}[gateway]", "pip",
        )  # fmt: skip
    return sorted(path.name for path in folder.glob("*.whl"))


def missing(folder: Path) -> list[str]:
    """Return which of the wheels without which nothing starts are not in a folder."""
    return [name for name in ("vuong", "pip") if not list(folder.glob(f"{name}-*.whl"))]
