"""Recorded series: streaming, and what happens to bad rows."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vuong.problems import Problem
from vuong.series import Series, SeriesError

T0 = 1_325_394_000  # 2012-01-01T05:00:00Z


def write(folder: Path, text: str, name: str = "pond.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def read(path: Path) -> tuple[list[tuple[int, dict[str, float]]], list[Problem]]:
    problems: list[Problem] = []
    with Series(path, problems.append) as series:
        return list(series), problems


@pytest.mark.parametrize("name", ["pond.csv", "pond.csv.gz"])
def test_rows_in_order_with_missing_readings_left_out(tmp_path: Path, name: str) -> None:
    rows, problems = read(
        write(tmp_path, "time,do,ph\n2012-01-01T05:00:00Z,7.2,\n2012-01-01T05:15:00Z,,8\n2012-01-01T05:30:00Z,,\n", name)
    )
    assert rows == [(T0, {"do": 7.2}), (T0 + 900, {"ph": 8.0}), (T0 + 1800, {})]
    assert problems == []


def test_times_with_an_offset_or_none(tmp_path: Path) -> None:
    rows, _ = read(write(tmp_path, "time,do\n2012-01-01 05:00:00,1\n2012-01-01T12:00:00+07:00,2\n"))
    assert [time for time, _ in rows] == [T0, T0]


def test_a_byte_order_mark_windows_line_ends_and_blank_lines(tmp_path: Path) -> None:
    rows, problems = read(write(tmp_path, "\ufefftime,do\r\n2012-01-01T05:00:00Z,1\r\n\r\n2012-01-01T05:15:00Z,2\r\n"))
    assert [v for _, v in rows] == [{"do": 1.0}, {"do": 2.0}]
    assert problems == []


@pytest.mark.parametrize(
    ("row", "key", "field", "value"),
    [
        ("yesterday,7,8", "time", "time", "yesterday"),
        (",7,8", "time", "time", ""),
        ("2012-01-01T05:15:00Z,seven,8", "value", "do", "seven"),
        ('2012-01-01T05:15:00Z,"7,2",8', "value", "do", "7,2"),
        ("2012-01-01T05:15:00Z,nan,8", "value", "do", "nan"),
        ("2012-01-01T05:15:00Z,7,inf", "value", "ph", "inf"),
        ("2012-01-01T05:15:00Z,7", "cells", "cells", "2 (3)"),
        ("2012-01-01T05:15:00Z,7,8,9", "cells", "cells", "4 (3)"),
        ("\ufffd", "cells", "cells", "1 (3)"),
        ("x" * 200_000 + ",7,8", "line", "line", "field larger than field limit (131072)"),
    ],
)
def test_a_bad_row_is_named_and_skipped(tmp_path: Path, row: str, key: str, field: str, value: str) -> None:
    rows, problems = read(write(tmp_path, f"time,do,ph\n2012-01-01T05:00:00Z,1,7\n{row}\n2012-01-01T05:30:00Z,2,7\n"))
    assert [t for t, _ in rows] == [T0, T0 + 1800]
    assert problems == [Problem(f"problem.series.{key}", {"line": 3, "field": field, "value": value})]
    assert "3" in str(problems[0])


def test_an_unknown_column_is_named_and_ignored(tmp_path: Path) -> None:
    rows, problems = read(write(tmp_path, "time,chlorophyll,do\n2012-01-01T05:00:00Z,high,7\n"))
    assert rows == [(T0, {"do": 7.0})]
    assert [(p.key, p.numbers["field"]) for p in problems] == [("problem.series.column", "chlorophyll")]


def test_a_file_cut_off_gives_what_came_before(tmp_path: Path) -> None:
    text = "time,do\n" + "".join(f"2012-01-01T05:{m:02}:{s:02}Z,{m + s / 7}\n" for m in range(60) for s in range(60))
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(text.encode())[:-4000])
    rows, problems = read(path)
    assert 0 < len(rows) < 3600
    assert problems[-1].key == "problem.series.file"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "empty"),
        ("do,ph\n1,2\n", "'time'"),
        ("time,chlorophyll\n", "name one of temperature"),
        ("time,do,do\n", "'do' stands twice"),
    ],
)
def test_no_series_at_all(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SeriesError, match=named):
        read(write(tmp_path, text))


def test_no_such_file_and_no_gzip(tmp_path: Path) -> None:
    with pytest.raises(SeriesError, match="No such file"):
        read(tmp_path / "none.csv")
    bad = tmp_path / "bad.csv.gz"
    bad.write_text("time,do\n")
    with pytest.raises(SeriesError, match="gzip"):
        read(bad)


def test_position_reaches_size(tmp_path: Path) -> None:
    path = write(tmp_path, "time,do\n" + "2012-01-01T05:00:00Z,1\n" * 50_000)
    series = Series(path, lambda _: None)
    seen = [series.position() for _ in series]
    assert seen == sorted(seen)
    assert 0 < seen[0] < series.size
    assert series.position() == series.size == path.stat().st_size
    assert (series.rows, series.bad) == (50_000, 0)


@given(st.binary(max_size=300))
def test_any_bytes_raise_nothing_else(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"time,do\n" + content)
    rows, problems = read(path)
    assert len(rows) + len(problems) <= content.count(b"\n") + content.count(b"\r") + 1
