"""What the pages show, ready to be written down: no template asks the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloud.alerts import service as alerts
from cloud.alerts.tables import Alarm
from cloud.entries.service import Standing, standings
from cloud.farms import service as farms
from cloud.farms.tables import Cooperative, Pond
from cloud.telemetry import service as telemetry
from cloud.tenancy import ScopedSession
from cloud.web.texts import alarm_words, moment_text, quantity_text, unit_text, value_text
from vuong import i18n
from vuong.alarms import ALARM_KINDS, LONGEST_SHELVING, State
from vuong.downsample import Point, downsample
from vuong.flags import Flag
from vuong.limits import limits_of
from vuong.quantities import QUANTITIES

# What a farmer looks at first, in this order.
SHOWN: Final = ("do", "ph", "salinity", "temperature")
COURSE: Final = 12 * 3600
_TREND_SPAN: Final = 3600
_SILENT: Final = 3600
_SPANS: Final = (15, 60, 4 * 60, 24 * 60)
_RINGING: Final = (State.UNACKNOWLEDGED, State.ACKNOWLEDGED)
_SPARK_WIDTH, _SPARK_HEIGHT = 240.0, 48.0


@dataclass(frozen=True, slots=True)
class Value:
    """One quantity of a pond now; `level` is ``ok``, ``warning`` or ``critical`` by the pond's limits, `trend` ``up``, ``down`` or ``steady``."""

    quantity: str
    name: str
    unit: str
    text: str | None
    age: str
    flagged: bool
    level: str
    trend: str | None
    old: bool


@dataclass(frozen=True, slots=True)
class AlarmView:
    """An alarm in the reader's language; `spans` are the minutes for which it may be put aside now, none where it may not."""

    id: str
    pond: Pond
    priority: str
    category: str
    title: str
    confidence: str
    cause: str
    advice: str
    state: str
    revision: int
    acknowledged: str | None
    acknowledged_by: str | None
    shelved_until: str | None
    shelved_by: str | None
    shelved_reason: str | None
    suppressed_by: str | None
    spans: tuple[int, ...]
    raised: str
    raised_age: str
    cleared: str | None


@dataclass(frozen=True, slots=True)
class PondView:
    """A pond with its state in one word: the most urgent open alarm's priority, ``silent``, ``empty`` or ``ok``."""

    pond: Pond
    state: str
    values: list[Value]
    alarms: list[AlarmView]
    age: str | None
    spark: str
    spark_limit: float | None


@dataclass(frozen=True, slots=True)
class CoopView:
    """A co-op with its ponds."""

    coop: Cooperative
    ponds: list[PondView]


def alarm_views(session: ScopedSession, found: list[Alarm], now: float, language: str) -> list[AlarmView]:
    """Return alarms in a language, with the acknowledgements that count."""
    stand = standings(session, found, now)
    return [_alarm_view(alarm, stand[alarm.id], now, language) for alarm in found]


def _alarm_view(alarm: Alarm, standing: Standing, now: float, language: str) -> AlarmView:
    kind, words = ALARM_KINDS[alarm.kind], alarm_words(alarm, language)
    said, aside = standing.acknowledged, standing.aside
    longest = LONGEST_SHELVING[kind.priority] // 60 if aside["state"] in _RINGING else 0
    return AlarmView(
        id=alarm.id,
        pond=alarm.pond,
        priority=kind.priority.name.lower(),
        category=kind.category,
        title=words.title,
        confidence=words.confidence,
        cause=words.cause,
        advice=words.advice,
        state=aside["state"],
        revision=standing.revision,
        acknowledged=None if said is None else moment_text(said["at"], now),
        acknowledged_by=None if said is None else said["by"],
        shelved_until=None if aside["shelved_until"] is None else moment_text(aside["shelved_until"], now),
        shelved_by=aside["shelved_by"],
        shelved_reason=aside["shelved_reason"],
        suppressed_by=aside["suppressed_by"],
        spans=tuple(minutes for minutes in _SPANS if minutes <= longest),
        raised=moment_text(alarm.raised, now),
        raised_age=i18n.age(now - alarm.raised, language),
        cleared=None if alarm.cleared is None else moment_text(alarm.cleared, now),
    )


def trend(course: list[Point], quantity: str) -> str | None:
    """Return where a quantity went within the last hour of its course; ``None`` where it was not measured for so long."""
    if not course:
        return None
    last = course[-1]
    before = [point for point in course if last.time - 2 * _TREND_SPAN <= point.time <= last.time - _TREND_SPAN * 2 // 3]
    if not before:
        return None
    change = last.value - min(before, key=lambda point: abs(last.time - _TREND_SPAN - point.time)).value
    # Less than a few steps of the probe is no movement.
    if abs(change) < 3 * QUANTITIES[quantity].resolution:
        return "steady"
    return "up" if change > 0 else "down"


def _value(quantity: str, point: Point | None, course: list[Point], pond: Pond, now: float, language: str) -> Value:
    band = limits_of(pond.species, pond.limits).band(quantity)
    failed = point is not None and point.flag is Flag.FAIL
    return Value(
        quantity=quantity,
        name=quantity_text(quantity, language),
        unit=unit_text(quantity),
        text=None if point is None else value_text(point.value, quantity, language),
        age="" if point is None else i18n.age(now - point.time, language),
        flagged=point is not None and point.flag in {Flag.SUSPECT, Flag.FAIL},
        level="ok" if point is None or failed or band is None else band.level(point.value),
        trend=trend(course, quantity),
        old=point is not None and now - point.time > _SILENT,
    )


def _spark(course: list[Point], start: float, end: float) -> tuple[str, float]:
    """Return the path of a small curve, and the value at its top; it is broken where nothing was measured for an hour."""
    top = max(8.0, *(point.value for point in course)) if course else 8.0
    parts, before = [], None
    for point in downsample(course, 120):
        x = _SPARK_WIDTH * (point.time - start) / (end - start)
        y = _SPARK_HEIGHT * (1 - max(0.0, point.value) / top)
        parts.append(f"{'L' if before is not None and point.time - before < _SILENT else 'M'}{x:.1f} {y:.1f}")
        before = point.time
    return "".join(parts), top


def _pond_view(
    pond: Pond, latest: dict[str, Point], courses: dict[str, list[Point]], alarms: list[AlarmView], now: float, language: str
) -> PondView:
    newest = max((point.time for point in latest.values()), default=None)
    if alarms:
        state = alarms[0].priority
    elif newest is None:
        state = "empty"
    else:
        state = "silent" if now - newest > _SILENT else "ok"
    path, top = _spark(courses["do"], now - COURSE, now)
    low = limits_of(pond.species, pond.limits).do.low_warning
    return PondView(
        pond=pond,
        state=state,
        values=[_value(name, latest.get(name), courses[name], pond, now, language) for name in SHOWN],
        alarms=alarms,
        age=None if newest is None else i18n.age(now - newest, language),
        spark=path,
        spark_limit=None if low is None else round(_SPARK_HEIGHT * (1 - low / top), 1),
    )


def ponds_overview(session: ScopedSession, now: float, language: str, cooperative: str | None = None) -> list[CoopView]:
    """Return the co-ops that the session sees (or one of them), each with its ponds as they are now."""
    ponds = [pond for pond in farms.ponds(session) if cooperative in {None, pond.cooperative_id}]
    ids = [pond.id for pond in ponds]
    latest = telemetry.latest(session, ids)
    courses = {name: telemetry.courses(session, ids, name, int(now - COURSE), int(now)) for name in SHOWN}
    alarms: dict[str, list[AlarmView]] = {}
    for view in alarm_views(session, alerts.open_alarms(session), now, language):
        alarms.setdefault(view.pond.id, []).append(view)
    views: dict[str, list[PondView]] = {}
    for pond in ponds:
        own = {name: courses[name].get(pond.id, []) for name in SHOWN}
        shown = _pond_view(pond, latest.get(pond.id, {}), own, alarms.get(pond.id, []), now, language)
        views.setdefault(pond.cooperative_id, []).append(shown)
    coops = [coop for coop in farms.cooperatives(session) if cooperative in {None, coop.id}]
    return [CoopView(coop, views.get(coop.id, [])) for coop in coops]


def pond_now(session: ScopedSession, pond: Pond, now: float, language: str) -> PondView:
    """Return one pond as it is now."""
    courses = {name: telemetry.courses(session, [pond.id], name, int(now - COURSE), int(now)).get(pond.id, []) for name in SHOWN}
    opened = alarm_views(session, alerts.open_alarms(session, pond.id), now, language)
    return _pond_view(pond, telemetry.latest(session, [pond.id]).get(pond.id, {}), courses, opened, now, language)
