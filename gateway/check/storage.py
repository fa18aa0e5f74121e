"""Disk, card and database: where the readings lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.check.finding import Finding, Subject, fail, not_applicable, ok, warn
from gateway.check.records import Records

MIB: Final = 1024 * 1024
_FULL, _LOW = 0.05, 0.15  # of the file system that is free
_FULL_BYTES: Final = 100 * MIB  # a month of 100 nodes at 5 minutes is about 60 MB
_INODES: Final = 0.02
_LARGE_WAL: Final = 64 * MIB
_DAY: Final = 86_400


def _existing(path: Path) -> Path:
    """Return the nearest folder that is there: the database may not have been made yet."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _device(path: Path, proc: Path) -> str | None:
    """Return the name of the block device under `path`, such as ``mmcblk0p2``."""
    status = path.stat()
    wanted = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    try:
        lines = (proc / "self" / "mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        own, _, source = line.partition(" - ")
        if own.split()[2] == wanted and len(source.split()) > 1:
            return Path(source.split()[1]).name
    return None


def disk(subject: Subject) -> Iterator[Finding]:
    """Look at space, inodes, and whether the card can be written."""
    folder = _existing(subject.config.database.parent)
    try:
        found = os.statvfs(folder)
    except OSError as error:
        yield fail("disk.unreadable", place=str(folder), problem=str(error))
        return
    free, size = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    numbers: dict[str, str | int | float] = {
        "place": str(folder),
        "megabytes": free // MIB,
        "percent": 100 * free / size if size else 0.0,
    }
    if found.f_flag & os.ST_RDONLY:
        yield fail("disk.read_only", place=str(folder))
    elif free < _FULL_BYTES or free < _FULL * size:
        yield fail("disk.full", **numbers)
    elif free < _LOW * size:
        yield warn("disk.low", **numbers)
    else:
        yield ok("disk.ok", **numbers)
    if found.f_files and found.f_favail < _INODES * found.f_files:
        yield fail("disk.inodes", place=str(folder), files=found.f_favail)


def card(subject: Subject) -> Iterator[Finding]:
    """Ask the kernel for the errors that it has met on the file system of the database."""
    device = _device(_existing(subject.config.database.parent), subject.proc)
    counter = subject.sys / "fs" / "ext4" / (device or "none") / "errors_count"
    try:
        errors = int(counter.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        yield not_applicable("card.unknown")
        return
    yield fail("card.errors", device=str(device), count=errors) if errors else ok("card.ok", device=str(device))


def database(subject: Subject) -> Iterator[Finding]:
    """Let SQLite check its file, and look at what was put aside."""
    path = subject.config.database
    if not path.exists() or path.stat().st_size == 0:
        yield warn("database.missing", file=str(path))
        return
    with Records(path) as records:
        faults = records.faults()
        if faults:
            yield fail("database.corrupt", file=str(path), problem="; ".join(faults)[:300])
            return
        samples = records.count()
        if records.problem is not None:
            yield fail("database.corrupt", file=str(path), problem=records.problem)
            return
        yield ok("database.ok", file=str(path), samples=samples, megabytes=path.stat().st_size / MIB)
        bad = records.quarantined(subject.clock.now() - _DAY)
    if bad:
        yield warn("database.quarantined", count=bad)
    log = path.with_name(path.name + "-wal")
    size = log.stat().st_size if log.exists() else 0
    if size > _LARGE_WAL:
        yield warn("database.log_large", file=str(log), megabytes=size // MIB)
