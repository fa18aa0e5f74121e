"""The ``vuong`` command: it offers what is installed, and its exit codes."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from vuong import command


class Point:
    """An entry point of a folder that this test makes up."""

    def __init__(self, name: str, module: object) -> None:
        self.name, self._module = name, module

    def load(self) -> object:
        if isinstance(self._module, Exception):
            raise self._module
        return self._module


class Folder:
    def __init__(self, outcome: int | BaseException) -> None:
        self._outcome = outcome

    def register(self, commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        commands.add_parser("try").set_defaults(run=self._run)

    def _run(self, _: argparse.Namespace) -> int:
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome


@pytest.mark.parametrize(
    ("outcome", "code"), [(0, 0), (1, 1), (command.CommandError("--x is 3; give 4"), 2), (KeyboardInterrupt(), 130)]
)
def test_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], outcome: int | BaseException, code: int
) -> None:
    monkeypatch.setattr(command, "entry_points", lambda group: [Point("one", Folder(outcome))])
    assert command.main(["try"]) == code
    assert ("--x is 3; give 4" in capsys.readouterr().err) is (code == 2)


def test_what_an_absent_extra_needs_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Point("a", ModuleNotFoundError("No module named 'fastapi'", name="fastapi"))
    monkeypatch.setattr(command, "entry_points", lambda group: [absent, Point("b", Folder(0))])
    assert command.main(["try"]) == 0


def test_a_broken_folder_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Point("a", ModuleNotFoundError("No module named 'gateway.nothing'", name="gateway.nothing"))
    monkeypatch.setattr(command, "entry_points", lambda group: [broken])
    with pytest.raises(ModuleNotFoundError):
        command.build_parser()


@pytest.mark.slow
def test_the_installed_command_knows_its_version_and_refuses_nonsense() -> None:
    done = subprocess.run([sys.executable, "-m", "vuong", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("vuong ")
    assert subprocess.run([sys.executable, "-m", "vuong", "nonsense"], capture_output=True, check=False).returncode == 2
