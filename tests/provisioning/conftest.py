"""A technician's folder of its own for each test, and the command run in the test's process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from vuong import command


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


Vuong = Callable[..., Outcome]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "workspace"
    monkeypatch.setenv("VUONG_WORKSPACE", str(folder))
    monkeypatch.setenv("VUONG_LANG", "en")
    monkeypatch.chdir(tmp_path)
    # Only the folders that are tested here: the cloud's import alone takes a second.
    found = [point for point in entry_points(group="vuong.commands") if point.name in {"gateway", "provisioning"}]
    monkeypatch.setattr(command, "entry_points", lambda group: found)
    return folder


@pytest.fixture
def vuong(workspace: Path, capsys: pytest.CaptureFixture[str]) -> Vuong:
    """Run ``vuong …`` and return exit code and output."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        try:
            code = command.main([str(a) for a in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return run
