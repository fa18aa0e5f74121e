"""Everything that a gateway installs is there as a wheel for Raspberry Pi OS 64-bit: nothing is compiled at a pond.

pip resolves against the package index for the other machine. It does so with the markers of the machine that the test runs on, so the test
also looks that no requirement depends on the kind of machine. Only the index is asked: wheels built elsewhere are not relied on.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# Raspberry Pi OS: bookworm has Python 3.11 and glibc 2.36, trixie Python 3.13 and glibc 2.41.
SYSTEMS = {"3.11": 36, "3.13": 41}
OFF_LINE = re.compile(r"NewConnectionError|ConnectTimeout|ReadTimeout|name resolution|ProxyError|Network is unreachable")

pytestmark = pytest.mark.slow


def _resolve(folder: Path, python: str, requirements: list[str], *options: str) -> subprocess.CompletedProcess[str]:
    tags = ["manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in range(17, SYSTEMS[python] + 1))]
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--ignore-installed",
        "--only-binary=:all:",
        "--disable-pip-version-check",
    ]
    command += ["--target", str(folder / "target"), "--report", str(folder / "report.json"), "--quiet", "--no-color"]
    command += ["--implementation", "cp", "--python-version", python]
    command += [part for tag in tags for part in ("--platform", tag)]
    done = subprocess.run([*command, *options, *requirements], capture_output=True, text=True, check=False, timeout=280)
    if done.returncode and OFF_LINE.search(done.stderr):
        pytest.skip(f"the package index cannot be reached: {done.stderr.strip().splitlines()[-1]}")
    return done


@pytest.mark.parametrize("python", SYSTEMS)
def test_gateway_installs_from_wheels_only(tmp_path: Path, python: str, capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = project["dependencies"] + project["optional-dependencies"]["gateway"]
    done = _resolve(tmp_path, python, requirements, "--constraint", str(ROOT / "constraints.txt"))
    assert done.returncode == 0, done.stderr
    chosen = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["install"]
    files = sorted(entry["download_info"]["url"].rsplit("/", 1)[-1] for entry in chosen)
    with capsys.disabled():
        native = [name.split("-")[0] for name in files if "aarch64" in name]
        sys.stdout.write(f"\nPython {python}, aarch64: {len(files)} wheels, compiled ones: {', '.join(native)}\n")
    names = {re.sub(r"[-_.]+", "-", entry["metadata"]["name"]).lower() for entry in chosen}
    assert {re.split(r"[<>=\[ ]", r, maxsplit=1)[0] for r in requirements} <= names
    assert all(name.endswith("-none-any.whl") or "_aarch64" in name for name in files), files
    by_machine = [
        f"{entry['metadata']['name']}: {requirement}"
        for entry in chosen
        for requirement in entry["metadata"].get("requires_dist", [])
        if "platform_machine" in requirement and "extra ==" not in requirement
    ]
    assert by_machine == []


def test_a_package_that_must_be_compiled_would_be_found(tmp_path: Path) -> None:
    """RPi.GPIO is published as source only."""
    done = _resolve(tmp_path, "3.11", ["RPi.GPIO==0.7.1"])
    assert done.returncode != 0
    assert "No matching distribution found" in done.stderr
