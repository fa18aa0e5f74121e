"""Back-up and restore: one file that holds everything, with a list of what must be in it, looked through before and after."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, inspect, select, text

from cloud.database import connect, conninfo, sqlite_path
from cloud.schema import metadata

MANIFEST: Final = "manifest.json"
_FORMAT: Final = 1
_NAMES: Final = {"sqlite": "cloud.db", "postgresql": "cloud.dump"}


class BackupError(Exception):
    """A back-up that cannot be made or trusted; says why and what to do."""


def counts(connection: Connection) -> dict[str, int]:
    """Return how many rows each table holds."""
    there = set(inspect(connection).get_table_names())
    return {
        table.name: int(connection.scalar(select(func.count()).select_from(table)) or 0)
        for table in metadata.sorted_tables
        if table.name in there
    }


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BackupError(f"{name} is not installed (Debian: postgresql-client)")
    return found


def _run(name: str, engine: Engine, *arguments: str) -> None:
    # The password goes by the environment: arguments can be seen by everybody on the machine.
    environment = os.environ | ({"PGPASSWORD": str(engine.url.password)} if engine.url.password else {})
    command = [_program(name), *arguments, "--dbname", conninfo(engine, password=False)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if done.returncode:
        raise BackupError(f"{name} failed: {done.stderr.strip()[-500:]}")


def back_up(engine: Engine, to: Path, now: float) -> dict[str, Any]:
    """Write a back-up while the cloud goes on serving; return its manifest.

    The file appears under its name only when it is whole and on the disk.

    Raises
    ------
    BackupError
        if it cannot be made
    """
    dialect = engine.dialect.name
    with tempfile.TemporaryDirectory(dir=to.resolve().parent, prefix=".backup-") as folder:
        data = Path(folder) / _NAMES[dialect]
        if dialect == "sqlite":
            with closing(sqlite3.connect(str(sqlite_path(engine)))) as connection:
                connection.execute("VACUUM INTO ?", (str(data),))
            copy = connect(f"sqlite:///{data}")
            with copy.connect() as copied:
                held = counts(copied)
            copy.dispose()
        else:
            # The dump and the counts see one and the same moment.
            with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
                held = counts(connection)
                snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
                # PostGIS's own table comes with the extension, and only its owner may fill it.
                options = ("--format=custom", "--no-owner", "--exclude-table-data=*.spatial_ref_sys")
                _run("pg_dump", engine, *options, f"--snapshot={snapshot}", "--file", str(data))
        manifest = {"format": _FORMAT, "store": dialect, "time": int(now), "sha256": _digest(data), "rows": held}
        (Path(folder) / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        whole = Path(folder) / "whole"
        with whole.open("wb") as stream, tarfile.open(fileobj=stream, mode="w") as archive:
            for name in (MANIFEST, data.name):
                archive.add(Path(folder) / name, name)
            archive.close()
            stream.flush()
            os.fsync(stream.fileno())
        whole.chmod(0o600)  # it holds people's data
        whole.replace(to)
    return manifest


def look(file: Path, folder: Path) -> tuple[dict[str, Any], Path]:
    """Unpack a back-up into `folder` and look it through; return its manifest and the data's file.

    Raises
    ------
    BackupError
        if it is no back-up or was damaged
    """
    try:
        with tarfile.open(file) as archive:
            for name in {MANIFEST, *_NAMES.values()} & set(
                archive.getnames()
            ):  # and nothing else that a tampered archive may bring
                packed = archive.extractfile(name)
                if packed is None:
                    raise BackupError(f"{file}: {name} in it is no file; take another back-up")
                with packed, (folder / name).open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked)
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        data = folder / _NAMES[manifest["store"]]
        held, wanted = _digest(data), manifest["sha256"]
    except (tarfile.TarError, OSError, ValueError, KeyError) as error:
        raise BackupError(f"{file} is no whole back-up of a cloud: {type(error).__name__}: {error}") from None
    if held != wanted:
        raise BackupError(f"{file} was damaged: its data has another SHA-256 than its manifest; take another back-up")
    return manifest, data


def restore(engine: Engine, file: Path) -> dict[str, Any]:
    """Bring a back-up into an empty database and count every table; return its manifest.

    Raises
    ------
    BackupError
        if the back-up cannot be trusted, the database holds something already, or a table does not hold what it must
    """
    with tempfile.TemporaryDirectory(prefix="vuong-restore-") as folder:
        manifest, data = look(file, Path(folder))
        if manifest["store"] != engine.dialect.name:
            raise BackupError(
                f"{file} comes from {manifest['store']}, the database is {engine.dialect.name}; give one of the same kind"
            )
        path = sqlite_path(engine)
        if path is not None:
            if path.exists() and path.stat().st_size:
                raise BackupError(f"{path} is there already; move it away first, and its -wal and -shm files with it")
            for leftover in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
                if leftover.exists():
                    raise BackupError(f"{leftover} belongs to another database; move it away first")
            engine.dispose()
            shutil.copyfile(data, path)
        else:
            with engine.connect() as connection:
                held = inspect(connection).get_table_names()
            if set(held) & set(metadata.tables):
                raise BackupError("the database holds tables already; give an empty one")
            # A comment on an extension may be written by its owner only, who is seldom the one that restores.
            options = ("--no-owner", "--no-comments", "--exit-on-error", "--single-transaction")
            try:
                _run("pg_restore", engine, *options, str(data))
            except BackupError as error:
                if "extension" not in str(error):
                    raise
                raise BackupError(
                    f"{error}\nhave an administrator run in the new database first: CREATE EXTENSION postgis"
                ) from None
        with engine.connect() as connection:
            found = counts(connection)
    wrong = [
        f"{name}: {found.get(name)} rows, {rows} expected" for name, rows in manifest["rows"].items() if found.get(name) != rows
    ]
    if wrong:
        raise BackupError("restored, but not whole: " + "; ".join(wrong))
    return manifest
