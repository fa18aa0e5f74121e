"""Recorded series: ``time`` (UTC, ISO 8601), then one column a quantity in its own unit; ``.csv`` or ``.csv.gz``.

A blank cell is a missing reading. A column that is no known quantity is reported once and ignored; a bad row is reported and skipped.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Self

from vuong.problems import Problem
from vuong.quantities import QUANTITIES


class SeriesError(ValueError):
    """The file cannot be read as a series at all; the message names file, what was found, and the remedy."""


class Series:
    """A recorded series, read row by row.

    Parameters
    ----------
    path : a ``.csv`` or ``.csv.gz`` file
    on_problem : is told of each column or row that is left out

    Attributes
    ----------
    columns : known quantities, in the file's order
    unknown : columns that are ignored
    size : bytes of the file, for a progress bar beside `position`
    rows, bad : rows given out and left out so far

    Raises
    ------
    SeriesError
        if there is no such file, no ``time`` column, no column of a known quantity, or two of one name
    """

    def __init__(self, path: Path, on_problem: Callable[[Problem], None]) -> None:
        self._path, self._on_problem = path, on_problem
        self.rows = self.bad = 0
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise SeriesError(f"{path}: {error.strerror}; give a .csv or .csv.gz file") from None
        try:
            self.size = path.stat().st_size
            plain = gzip.open(self._file) if path.suffix == ".gz" else self._file  # noqa: SIM115 - closed with its file
            self._reader = csv.reader(io.TextIOWrapper(plain, encoding="utf-8-sig", errors="replace", newline=""))
            self._header = self._read_header()
        except BaseException:
            self._file.close()
            raise
        self.columns = [name for name in self._header if name in QUANTITIES]
        self.unknown = [name for name in self._header if name not in QUANTITIES and name != "time"]
        for name in self.unknown:
            on_problem(Problem("problem.series.column", {"line": 1, "field": name, "known": ", ".join(QUANTITIES)}))

    def _read_header(self) -> list[str]:
        try:
            header = [name.strip() for name in next(self._reader)]
        except StopIteration:
            raise SeriesError(f"{self._path}: the file is empty; its first line must name the columns") from None
        except (OSError, EOFError, zlib.error, csv.Error) as error:
            raise SeriesError(f"{self._path}: {error}; give a .csv or .csv.gz file") from None
        twice = {name for name in header if header.count(name) > 1}
        if twice:
            raise SeriesError(f"{self._path}: column {sorted(twice)[0]!r} stands twice; name each once")
        if "time" not in header:
            raise SeriesError(f"{self._path}: columns are {', '.join(header)[:200]}; one must be 'time'")
        if not set(header) & set(QUANTITIES):
            raise SeriesError(f"{self._path}: columns are {', '.join(header)[:200]}; name one of {', '.join(QUANTITIES)}")
        return header

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def position(self) -> int:
        """Return how many bytes of the file were read."""
        return self.size if self._file.closed else self._file.tell()

    def __iter__(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield ``(UTC seconds, {quantity: value})`` a row; missing readings are left out of the dict. Closes the file at its end."""
        time_at = self._header.index("time")
        places = [(self._header.index(name), name) for name in self.columns]
        width, finite = len(self._header), math.isfinite
        with self._file:
            while True:
                try:
                    for row in self._reader:
                        try:
                            time = _seconds(row[time_at])
                            # the first test is false for a missing reading, the second for NaN and infinity
                            values = {name: value for at, name in places if row[at] and finite(value := float(row[at]))}
                        except (ValueError, OverflowError, IndexError):
                            self._report(row)
                            continue
                        if len(row) != width or len(values) != sum(1 for at, _ in places if row[at]):
                            self._report(row)
                            continue
                        self.rows += 1
                        yield time, values
                except csv.Error as error:
                    self._tell("line", str(error))
                    continue
                except (OSError, EOFError, zlib.error) as error:  # cut off or damaged: what came before it was given out
                    self._tell("file", str(error))
                return

    def _report(self, row: list[str]) -> None:
        if not row:
            return  # a blank line says nothing
        if len(row) != len(self._header):
            self._tell("cells", f"{len(row)} ({len(self._header)})")
            return
        for name, cell in zip(self._header, row, strict=True):
            try:
                if name == "time":
                    _seconds(cell)
                elif name in QUANTITIES and cell.strip() and not math.isfinite(float(cell)):
                    raise ValueError  # noqa: TRY301 - the same report as for what is no number at all
            except (ValueError, OverflowError):
                self._tell(name, cell[:40])
                return
        self._tell("cells", "blank")

    def _tell(self, field: str, value: str) -> None:
        self.bad += 1
        kind = field if field in {"time", "cells", "line", "file"} else "value"
        self._on_problem(Problem(f"problem.series.{kind}", {"line": self._reader.line_num, "field": field, "value": value}))


def _seconds(cell: str) -> int:
    """Return UTC seconds of an ISO 8601 time; one without an offset is UTC."""
    time = datetime.fromisoformat(cell)
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())
