"""Changes of the technician's folder that take effect whole or not at all, at whatever moment the laptop dies.

A change is made in a draft beside what is there. When it is whole, a list of its files is put on disk; from then on it counts, and moving the
files to their places can be finished by whoever comes next. A draft without that list never counted, and goes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from provisioning.failure import Failure
from provisioning.workspace import Workspace, read_json, write_json

_FOLDER: Final = ".change"
_LIST: Final = "whole.json"
PATIENCE: Final = 10.0  # s to wait for another command


@contextmanager
def changing(workspace: Workspace) -> Iterator[Workspace]:
    """Yield a draft of the folder; what is written in it takes effect as one when the block ends, and not at all if it raises.

    Raises
    ------
    Failure
        if another command is changing the folder
    """
    workspace.root.mkdir(parents=True, exist_ok=True)
    with _alone(workspace, PATIENCE):
        _settle(workspace)
        folder = workspace.root / _FOLDER
        draft = Workspace(folder / "new")
        draft.root.mkdir(parents=True, mode=0o700)
        folder.chmod(0o700)  # it holds keys
        for path in (workspace.authority, workspace.registry):
            if path.is_dir():
                shutil.copytree(path, draft.root / path.name)
            elif path.exists():
                shutil.copy2(path, draft.root / path.name)
        try:
            yield draft
            files = [path for path in sorted(draft.root.rglob("*")) if path.is_file()]
            changed = [str(path.relative_to(draft.root)) for path in files if not _same(path, workspace, draft)]
            for path in {draft.root / name for name in changed}:
                _to_disk(path.parent)
            write_json(folder / _LIST, {"files": changed})
            _to_disk(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        _settle(workspace)


def recover(workspace: Workspace) -> bool:
    """Finish or drop what a command left that was killed; return whether something was finished."""
    if not (workspace.root / _FOLDER).exists():
        return False
    try:
        with _alone(workspace, 0):
            return _settle(workspace)
    except Failure:
        return False  # another command is at it


def _same(path: Path, workspace: Workspace, draft: Workspace) -> bool:
    there = workspace.root / path.relative_to(draft.root)
    return there.exists() and there.read_bytes() == path.read_bytes()


def _settle(workspace: Workspace) -> bool:
    folder = workspace.root / _FOLDER
    whole = (folder / _LIST).exists()
    if whole:
        for name in read_json(folder / _LIST)["files"]:
            new, there = folder / "new" / name, workspace.root / name
            if new.exists():  # else it was moved before the laptop died
                there.parent.mkdir(parents=True, exist_ok=True)
                new.replace(there)
                _to_disk(there.parent)
        (folder / _LIST).unlink()
    if folder.exists():
        shutil.rmtree(folder)
    return whole


def _to_disk(folder: Path) -> None:
    if os.name != "posix":
        return  # Windows opens no folders
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _alone(workspace: Workspace, seconds: float) -> Iterator[None]:
    from filelock import FileLock, Timeout  # noqa: PLC0415 (a gateway, which changes nothing here, need not have it)

    try:
        with FileLock(workspace.root / ".lock", timeout=seconds):
            yield
    except Timeout:
        raise Failure("workspace_busy", place=workspace.root) from None
