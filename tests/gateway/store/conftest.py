"""Rows by the thousand without a network, and small real file systems to fill."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.store.schema import QUANTITY_NAMES
from gateway.store.store import Changes, SampleRow, Store

NOON = 1_763_614_800
NODES = [f"00124b{i:010x}" for i in range(1, 11)]


def rows(
    count: int, *, first: int = 1, begin: int = NOON - 30 * 86_400, step: int = 30, nodes: list[str] = NODES
) -> list[SampleRow]:
    """Return samples as they lie in the database: nodes in turn, `step` seconds from one to the next."""
    found = []
    for position in range(first, first + count):
        node, turn = nodes[position % len(nodes)], position // len(nodes)
        time = begin + (position - first) * step
        values = {"temperature": 28 + turn * 7 % 40 / 10, "do": 4 + turn * 13 % 37 / 10, "ph": 8.0, "salinity": 12.0}
        columns: list[object] = []
        for name in QUANTITY_NAMES:
            columns += (values.get(name), 1 if name in values else None)
        found.append((position, node, 7, turn + 1, time, time, 0, None, *columns))
    return found


def fill(path: Path, samples: list[SampleRow], sent: tuple[tuple[int, int], ...] = ()) -> None:
    """Write samples, their ledger, and what of them the cloud has."""
    store = Store(path)
    numbers: dict[tuple[str, int], list[int]] = {}
    for row in samples:
        numbers.setdefault((row[1], row[2]), []).append(row[3])
    ledger = [(*key, min(seqs), f"[[{min(seqs)},{max(seqs)}]]", samples[-1][5], samples[-1][5]) for key, seqs in numbers.items()]
    for at in range(0, len(samples), 2000):
        store.commit(Changes(samples=samples[at : at + 2000], ledger=ledger if at == 0 else []))
    store._connection.executemany("INSERT INTO outbox VALUES (?, ?)", sent)
    store.close()


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., list[SampleRow]]:
    return rows


@pytest.fixture(scope="session")
def fill_database() -> Callable[..., None]:
    return fill


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"LEFT OUT: this machine mounts no file system ({done.stderr.strip()})")


@pytest.fixture(params=["tmpfs", "ext4"])
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Mount a real file system with 24 MB: one in memory, and one as on an SD card, in a file."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("LEFT OUT: to mount a small file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "tmpfs":
        _mount("-t", "tmpfs", "-o", "size=24m", "vuong-test", str(folder))
    else:
        image = tmp_path / "disk.img"
        with image.open("wb") as file:
            file.truncate(30 * 2**20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
        _mount("-o", "loop", str(image), str(folder))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
