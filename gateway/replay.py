"""A recorded series through the very pipeline that serves live traffic."""

from __future__ import annotations

import csv
import json
import sys
import time as timer
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from tqdm import tqdm

from gateway.config import ConfigError, load_pond
from gateway.observation import Observation, Pond
from gateway.pipeline import Pipeline
from gateway.stages import make_stages
from gateway.texts import alarm_text, reason_text
from vuong.alarms import ALARM_KINDS
from vuong.command import CommandError
from vuong.contract.batch import AlarmRow
from vuong.flags import Flag
from vuong.i18n import number, text
from vuong.limits import limits_of
from vuong.problems import Problem
from vuong.readings import Sample
from vuong.series import Series, SeriesError

NODE: Final = "0" * 16
_BAD: Final = (Flag.SUSPECT, Flag.FAIL)


@dataclass(slots=True)
class Summary:
    """The counts of one replay; `missing` are empty cells, `flagged` readings with flag 3 or 4."""

    samples: int = 0
    readings: int = 0
    missing: int = 0
    flagged: int = 0
    alarms: int = 0
    bad_rows: int = 0
    seconds: float = 0.0
    readings_per_second: int = 0


def iso(time: int) -> str:
    """Return UTC seconds as ``2012-01-01T05:00:00Z``."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Replay:
    """One series on its way through a pipeline of its own.

    Parameters
    ----------
    pond : the pond that the series is taken for
    language : of the reasons
    """

    def __init__(self, pond: Pond, language: str) -> None:
        nodes = {NODE: pond}
        self._pipeline = Pipeline("replay", nodes, make_stages(nodes))
        self._language = language
        self._alarms: dict[str, AlarmRow] = {}
        self.summary = Summary()

    def take(self, time: int, values: dict[str, float]) -> Observation:
        """Pass one row of the series through the pipeline."""
        self.summary.samples += 1
        observation = self._pipeline.take(Sample(NODE, 0, self.summary.samples, time, values), time)
        for alarm in self._pipeline.alarms.drain()[0]:
            self._alarms[alarm["id"]] = alarm
        return observation

    def flag_rows(self, observation: Observation, columns: Iterable[str]) -> Iterator[tuple[object, ...]]:
        """Return the rows of flags.csv for an observation; an empty cell of a known column is missing (9)."""
        sample, summary = observation.sample, self.summary
        when = iso(sample.time)
        for name in columns:
            value = sample.values.get(name)
            if value is None:
                summary.missing += 1
                yield when, name, "", int(Flag.MISSING), "", ""
                continue
            assessment = observation.assessments[name]
            reason = ""
            summary.readings += 1
            if assessment.flag in _BAD:
                summary.flagged += 1
                if assessment.reason is not None:
                    reason = reason_text(assessment.reason, name, self._language)
            yield when, name, value, int(assessment.flag), round(assessment.score, 4), reason

    def alarm_rows(self) -> Iterator[tuple[object, ...]]:
        """Return the rows of alarms.csv, in order of being raised."""
        for alarm in sorted(self._alarms.values(), key=lambda a: a["raised"]):
            self.summary.alarms += 1
            cleared = alarm["cleared"]
            severity = ALARM_KINDS[alarm["kind"]].priority.name.lower()
            yield (
                iso(alarm["raised"]),
                "" if cleared is None else iso(cleared),
                alarm["quantity"] or "",
                severity,
                alarm["kind"],
                alarm_text(alarm, self._language),
            )


def _pond(path: Path | None) -> Pond:
    if path is None:
        return Pond("replay", "replay", limits_of("vannamei"))
    try:
        return load_pond(path)
    except ConfigError as error:
        raise CommandError(str(error)) from None


def run(path: Path, out: Path, *, pond_config: Path | None, language: str, as_json: bool) -> int:
    """Replay a file; write ``flags.csv`` and ``alarms.csv`` into `out`; return the exit code.

    Exit code 1 where not one row could be read; bad rows are told on standard error and skipped.

    Raises
    ------
    CommandError
        if a file cannot be read or written
    """
    replay = Replay(_pond(pond_config), language)
    summary = replay.summary

    def problem(found: Problem) -> None:
        told = text(found.key, language, **cast("dict[str, Any]", found.numbers))
        tqdm.write(told, file=sys.stderr)

    began = timer.perf_counter()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (
            Series(path, problem) as series,
            (out / "flags.csv").open("w", newline="", encoding="utf-8") as flags_file,
            (out / "alarms.csv").open("w", newline="", encoding="utf-8") as alarms_file,
            tqdm(total=series.size, unit="B", unit_scale=True, desc=path.name, file=sys.stderr) as bar,
        ):
            flags, alarms = csv.writer(flags_file, lineterminator="\n"), csv.writer(alarms_file, lineterminator="\n")
            flags.writerow(("time", "quantity", "value", "flag", "score", "reason"))
            alarms.writerow(("raised", "cleared", "quantity", "severity", "kind", "reason"))
            for time, values in series:
                flags.writerows(replay.flag_rows(replay.take(time, values), series.columns))
                if summary.samples % 1000 == 0:
                    bar.update(series.position() - bar.n)
            bar.update(series.position() - bar.n)
            alarms.writerows(replay.alarm_rows())
            summary.bad_rows = series.bad
    except SeriesError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{error.filename or out}: {error.strerror}; give a folder that can be written with --out") from None
    summary.seconds = round(timer.perf_counter() - began, 3)
    summary.readings_per_second = round(summary.readings / max(summary.seconds, 1e-3))
    if as_json:
        sys.stdout.write(json.dumps(asdict(summary)) + "\n")
    else:
        counts = {name: number(float(value), 0, language) for name, value in asdict(summary).items()}
        counts["seconds"], counts["rate"] = number(summary.seconds, 1, language), counts["readings_per_second"]
        sys.stdout.write(text("replay.done", language, folder="gateway", **counts) + "\n")
    return 0 if summary.readings else 1
