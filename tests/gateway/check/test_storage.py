"""Disk, card and database with real faults: full and read-only file systems, one with counted errors, damaged files."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.check import storage
from gateway.check.finding import Finding, Subject
from gateway.store.store import Changes, Quarantined, Store
from tests.gateway.check.conftest import Gateway

Said = Callable[[Iterator[Finding]], list[tuple[str, str]]]
Mount = Callable[..., Path]
MIB = 1024 * 1024


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Give a function that mounts a small file system of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small file systems that this test fills")
    mounted: list[Path] = []

    def make(*options: str) -> Path:
        place = tmp_path / f"mount{len(mounted)}"
        place.mkdir()
        done = subprocess.run(["mount", *options, place], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this machine does not let us mount: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", place], check=True)


def _on(gateway: Gateway, place: Path) -> Subject:
    return Subject(replace(gateway.config, database=place / "gateway.db"), gateway.clock)


def _tmpfs(mount: Mount, *options: str) -> Path:
    return mount("-t", "tmpfs", "-o", ",".join(options), "tmpfs")


def test_room_enough(gateway: Gateway, mount: Mount, said: Said) -> None:
    place = _tmpfs(mount, "size=300M")
    assert said(storage.disk(_on(gateway, place))) == [("ok", "disk.ok")]


@pytest.mark.slow
@pytest.mark.parametrize(("used", "key"), [(175, "disk.low"), (195, "disk.full")])
def test_disk_fills(gateway: Gateway, mount: Mount, said: Said, used: int, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_FULL_BYTES", 10 * MIB)  # a large card's 5 % without writing gigabytes
    place = _tmpfs(mount, "size=200M")
    with (place / "foreign").open("wb") as file:
        for _ in range(used):
            file.write(bytes(MIB))
    [(_, found)] = said(storage.disk(_on(gateway, place)))
    assert found == key


def test_small_disk_is_full_however_empty(gateway: Gateway, mount: Mount, said: Said) -> None:
    assert said(storage.disk(_on(gateway, _tmpfs(mount, "size=50M")))) == [("fail", "disk.full")]


def test_no_more_files(gateway: Gateway, mount: Mount, said: Said) -> None:
    place = _tmpfs(mount, "size=300M", "nr_inodes=100")
    for number in range(98):
        (place / str(number)).touch()
    assert said(storage.disk(_on(gateway, place))) == [("ok", "disk.ok"), ("fail", "disk.inodes")]


def test_read_only(gateway: Gateway, mount: Mount, said: Said) -> None:
    assert said(storage.disk(_on(gateway, _tmpfs(mount, "size=300M", "ro")))) == [("fail", "disk.read_only")]


@pytest.mark.slow
@pytest.mark.parametrize(("errors", "expected"), [(0, ("ok", "card.ok")), (3, ("fail", "card.errors"))])
def test_errors_that_the_kernel_counted(
    gateway: Gateway, mount: Mount, said: Said, tmp_path: Path, errors: int, expected: tuple[str, str]
) -> None:
    """A real ext4 file system whose superblock says that errors were met."""
    image = tmp_path / "card.img"
    with image.open("wb") as file:
        file.truncate(8 * MIB)
    subprocess.run([shutil.which("mkfs.ext4", path="/usr/sbin:/sbin") or "mkfs.ext4", "-q", image], check=True)
    debugfs = shutil.which("debugfs", path="/usr/sbin:/sbin") or "debugfs"
    subprocess.run([debugfs, "-w", "-R", f"ssv error_count {errors}", image], check=True, capture_output=True)
    place = mount("-o", "loop", str(image))
    (place / "deep").mkdir()
    assert said(storage.card(_on(gateway, place / "deep"))) == [expected]


def test_file_system_without_a_count(gateway: Gateway, mount: Mount, said: Said) -> None:
    assert said(storage.card(_on(gateway, _tmpfs(mount, "size=10M")))) == [("not-applicable", "card.unknown")]


def test_database_not_made_yet(gateway: Gateway, said: Said) -> None:
    assert said(storage.database(gateway.subject)) == [("warn", "database.missing")]
    assert not gateway.config.database.exists()  # looking must not make it


def test_sound_database(gateway: Gateway, said: Said) -> None:
    Store(gateway.config.database).close()
    assert said(storage.database(gateway.subject)) == [("ok", "database.ok")]


def test_database_in_use(gateway: Gateway, said: Said) -> None:
    store = Store(gateway.config.database)
    store._connection.execute("BEGIN IMMEDIATE")
    assert said(storage.database(gateway.subject)) == [("ok", "database.ok")]
    store.close()


def _fill(path: Path, megabytes: int) -> sqlite3.Connection:
    Store(path).close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN")
    row = "INSERT INTO quarantine (time, source, reason, content) VALUES (0, '', '', zeroblob(65536))"
    for _ in range(megabytes * 16):
        connection.execute(row)
    connection.execute("COMMIT")
    return connection


def test_damaged_page(gateway: Gateway, said: Said) -> None:
    connection = _fill(gateway.config.database, 1)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with gateway.config.database.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(4096 * 20))
    assert said(storage.database(gateway.subject)) == [("fail", "database.corrupt")]


@pytest.mark.parametrize("content", [b"SQLite format 3\0", b"not a database at all" * 100])
def test_no_database_at_all(gateway: Gateway, said: Said, content: bytes) -> None:
    gateway.config.database.write_bytes(content)
    assert said(storage.database(gateway.subject)) == [("fail", "database.corrupt")]


def test_empty_file_becomes_a_database_when_the_gateway_starts(gateway: Gateway, said: Said) -> None:
    gateway.config.database.touch()
    assert said(storage.database(gateway.subject)) == [("warn", "database.missing")]


def test_database_of_another_program(gateway: Gateway, said: Said) -> None:
    other = sqlite3.connect(gateway.config.database)
    other.execute("CREATE TABLE notes (text TEXT)")
    other.close()
    assert said(storage.database(gateway.subject)) == [("fail", "database.corrupt")]


@pytest.mark.slow
def test_log_that_somebody_keeps_from_shrinking(gateway: Gateway, said: Said) -> None:
    Store(gateway.config.database).close()
    reader = sqlite3.connect(gateway.config.database, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM samples").fetchone()
    writer = _fill(gateway.config.database, 70)
    assert said(storage.database(gateway.subject)) == [("ok", "database.ok"), ("warn", "database.log_large")]
    reader.close()
    writer.close()


def test_messages_put_aside_today(gateway: Gateway, said: Said) -> None:
    store = Store(gateway.config.database)
    now = int(gateway.clock.now())
    store.commit(Changes(quarantine=[Quarantined(now - 90_000, "t", "old", b"")]))
    assert said(storage.database(gateway.subject)) == [("ok", "database.ok")]
    store.commit(Changes(quarantine=[Quarantined(now - 60, "t", "not SenML", b"x")]))
    assert said(storage.database(gateway.subject)) == [("ok", "database.ok"), ("warn", "database.quarantined")]
    store.close()
