"""``vuong gateway replay``: files out, bad rows told, exit codes."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from vuong.command import main

SERIES = """time,temperature,salinity,do,colour
2025-11-20T00:00:00Z,29.0,12.0,5.0,1
2025-11-20T00:15:00Z,29.1,,3.5,1
2025-11-20T00:30:00Z,abc,12.0,3.5,1
2025-11-20T00:45:00Z,85.0,12.0,3.6,1
2025-11-20T01:00:00Z,29.0,12.0,6.0,1
2025-11-20T01:15:00Z,29.0,12.0,6.0,1
"""


@pytest.fixture
def series(tmp_path: Path) -> Path:
    path = tmp_path / "pond.csv.gz"
    path.write_bytes(gzip.compress(SERIES.encode()))
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_flags_and_alarms(series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "out"
    assert main(["gateway", "replay", str(series), "--out", str(out), "--json"]) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert summary["samples"] == 5
    assert summary["readings"] == 14
    assert summary["missing"] == 1
    assert summary["bad_rows"] == 1
    assert summary["readings_per_second"] > 0
    assert "4" in printed.err, "the bad row's line"
    assert "abc" in printed.err
    flags = rows(out / "flags.csv")
    assert list(flags[0]) == ["time", "quantity", "value", "flag", "score", "reason"]
    assert len(flags) == 15, "every reading of every known column"
    assert flags[0] | {"reason": ""} == {
        "time": "2025-11-20T00:00:00Z", "quantity": "temperature", "value": "29.0", "flag": "1", "score": "0.0", "reason": "",
    }  # fmt: skip
    by_key = {(row["time"], row["quantity"]): row for row in flags}
    assert by_key["2025-11-20T00:15:00Z", "salinity"]["flag"] == "9"
    failed = by_key["2025-11-20T00:45:00Z", "temperature"]
    assert failed["flag"] == "4"
    assert "85,00 °C" in failed["reason"]
    alarms = rows(out / "alarms.csv")
    assert list(alarms[0]) == ["raised", "cleared", "quantity", "severity", "kind", "reason"]
    assert alarms[0] == {
        "raised": "2025-11-20T00:15:00Z", "cleared": "2025-11-20T01:15:00Z", "quantity": "do", "severity": "warning", "kind": "oxygen_low",
        "reason": "Oxy đang thấp: 3,5 mg/L (giới hạn 4,0)",
    }  # fmt: skip


def test_the_ponds_own_limits_and_language(series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pond = tmp_path / "pond.toml"
    pond.write_text('id = "x"\n[limits.do]\nlow_warning = 3.2\n', encoding="utf-8")
    assert main(["gateway", "replay", str(series), "--out", str(tmp_path), "--pond-config", str(pond), "--lang", "en"]) == 0
    assert "readings/s" in capsys.readouterr().out
    assert [row["kind"] for row in rows(tmp_path / "alarms.csv") if row["quantity"] == "do"] == []
    assert any("85.00 °C lies outside" in row["reason"] for row in rows(tmp_path / "flags.csv"))


@pytest.mark.parametrize("language", ["vi", "en", "km"])
def test_every_alarm_kind_has_a_reason_in_every_language(language: str) -> None:
    from gateway.texts import alarm_text
    from vuong.alarms import ALARM_KINDS
    from vuong.contract.batch import AlarmRow

    extra: dict[str, dict[str, float | int | str]] = {"probe_fault": {"reason": "physical_range", "low": 0.0, "high": 30.0}}
    for kind in ALARM_KINDS.values():
        row: AlarmRow = {
            "id": "1", "revision": 1, "pond": "p", "node": "n", "kind": kind.name, "quantity": kind.quantity, "state": "unacknowledged",
            "raised": 1, "cleared": None, "acknowledged": None,
            "numbers": {"value": 3.5, "limit": 4.0, "since": 1, **extra.get(kind.name, {})},
        }  # fmt: skip
        said = alarm_text(row, language)
        assert said
        assert "{" not in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["/nonexistent.csv", "--out", "{tmp}"], "nonexistent.csv"),
        (["{series}", "--out", "{series}"], "pond.csv.gz"),
        (["{series}", "--out", "{tmp}", "--pond-config", "/nonexistent.toml"], "nonexistent.toml"),
    ],
)
def test_a_wrong_call_is_exit_code_2(
    series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    filled = [a.format(tmp=tmp_path, series=series) for a in arguments]
    assert main(["gateway", "replay", *filled]) == 2
    assert told in capsys.readouterr().err


def test_a_series_without_one_good_row_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("time,do\nyesterday,5\n", encoding="utf-8")
    assert main(["gateway", "replay", str(path), "--out", str(tmp_path)]) == 1
    assert "yesterday" in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for action in ("run", "replay"):
        with pytest.raises(SystemExit) as caught:
            main(["gateway", action, "--help"])
        assert caught.value.code == 0
        assert "examples:" in capsys.readouterr().out
