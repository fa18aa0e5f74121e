"""Nuisance statistics: which alarms call most, chatter, stand for too long, or come in floods, counted from the journal.

Measures are ISA-18.2's (clause on monitoring and assessment): most frequent, chattering, stale, floods of more than ten in ten minutes. Its
chattering is three in a minute, for plants that scan each second; a node measures every few minutes, so here it is three in an hour.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from gateway.alarms.states import Event
from vuong.i18n import moment

HOUR: Final = 3600
DAY: Final = 86_400
CHATTERING: Final = 3
STALE: Final = DAY
FLOOD: Final = 10
FLOOD_SECONDS: Final = 600
_CALLS: Final = (Event.RAISE.value, Event.WORSEN.value, Event.RELEASE.value)

Source = tuple[str, str, str]  # pond, node, kind


@dataclass(slots=True)
class Statistics:
    """What a period was like.

    Attributes
    ----------
    days : length of the period
    calls : how often an alarm called, in all
    by_day : (day at the pond, kind) → how often
    frequent : the ten sources that called most, with how often
    chattering : sources that called three times within an hour → most within an hour
    stale : alarm id, pond and kind → seconds, of those that stood for more than a day
    floods : times at which more than ten had called within ten minutes
    """

    days: float
    calls: int = 0
    by_day: Counter[tuple[str, str]] = field(default_factory=Counter)
    frequent: list[tuple[Source, int]] = field(default_factory=list)
    chattering: dict[Source, int] = field(default_factory=dict)
    stale: dict[tuple[str, str, str], int] = field(default_factory=dict)
    floods: list[int] = field(default_factory=list)

    def document(self) -> dict[str, object]:
        """Return all of it as JSON."""
        return {
            "days": round(self.days, 2),
            "calls": self.calls,
            "calls_a_day": round(self.calls / self.days, 2) if self.days else 0.0,
            "by_day": [{"day": day, "kind": kind, "calls": n} for (day, kind), n in sorted(self.by_day.items())],
            "frequent": [{"pond": s[0], "node": s[1], "kind": s[2], "calls": n} for s, n in self.frequent],
            "chattering": [{"pond": s[0], "node": s[1], "kind": s[2], "calls_in_an_hour": n} for s, n in self.chattering.items()],
            "stale": [{"alarm": s[0], "pond": s[1], "kind": s[2], "hours": round(n / HOUR, 1)} for s, n in self.stale.items()],
            "floods": self.floods,
        }


def statistics(connection: sqlite3.Connection, since: int, until: int) -> Statistics:
    """Return the statistics of a period.

    Parameters
    ----------
    connection : the gateway's database
    since, until : UTC seconds
    """
    found = Statistics((until - since) / DAY)
    sources: Counter[Source] = Counter()
    last: dict[Source, deque[int]] = {}
    window: deque[int] = deque()
    in_flood = False
    marks = ", ".join("?" * len(_CALLS))
    for time, pond, node, kind in connection.execute(
        f"SELECT time, pond, ifnull(node, ''), kind FROM alarm_journal WHERE time >= ? AND time < ? AND event IN ({marks})"  # noqa: S608
        " ORDER BY time, position",
        (since, until, *_CALLS),
    ):
        source = (pond, node, kind)
        found.calls += 1
        found.by_day[moment(time, "%Y-%m-%d"), kind] += 1
        sources[source] += 1
        hour = last.setdefault(source, deque())
        hour.append(time)
        while hour[0] <= time - HOUR:
            hour.popleft()
        if len(hour) >= CHATTERING:
            found.chattering[source] = max(found.chattering.get(source, 0), len(hour))
        window.append(time)
        while window[0] <= time - FLOOD_SECONDS:
            window.popleft()
        if len(window) > FLOOD and not in_flood:
            found.floods.append(time)
        in_flood = len(window) > FLOOD
    found.frequent = sources.most_common(10)
    for alarm, pond, kind, raised, cleared in connection.execute(
        "SELECT id, pond, kind, raised, cleared FROM alarms WHERE raised < ? AND ifnull(cleared, ?) >= ?", (until, until, since)
    ):
        stood = (until if cleared is None else cleared) - raised
        if stood > STALE:
            found.stale[alarm, pond, kind] = stood
    return found
