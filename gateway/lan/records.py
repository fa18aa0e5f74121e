"""Reading the gateway's database for people: last values, series, alarms. Never writes; the ingest goes on beside it (WAL)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from gateway.alarms.statistics import Statistics, statistics
from gateway.config import Config
from gateway.lan import texts
from gateway.lan.entries import Entries
from gateway.observation import Pond
from gateway.store.schema import QUANTITY_NAMES, connect
from vuong import alarm_text
from vuong.alarms import ALARM_KINDS
from vuong.clock import Clock
from vuong.contract.api import (
    AlarmDetail,
    Entry,
    EntryKind,
    LastValue,
    PondDetail,
    PondSummary,
    Readings,
    acknowledged_state,
    put_aside,
    standing_acknowledgement,
)
from vuong.downsample import Point, downsample
from vuong.flags import Flag
from vuong.quantities import QUANTITIES

# At the start so many of the newest samples are looked through for last values: a week of 100 nodes at 5 min.
LOOKED_BACK: Final = 200_000
_CLOCK_SLACK: Final = 3600  # a node's clock may go ahead of the gateway's by so much and its readings are still found
_RECENT: Final = 100
_ALARM: Final = "id, revision, pond, kind, quantity, state, raised, cleared, acknowledged, numbers"
_VALUES: Final = ", ".join(f"{name}, {name}_flag" for name in QUANTITY_NAMES)


class Records:
    """What the gateway knows, as the API tells it.

    Parameters
    ----------
    config : the gateway's configuration
    entries : what people said; it counts at once, whether the ingest has taken it or not
    clock : tells whether a shelving is over

    Raises
    ------
    gateway.store.schema.StoreError
        if the database cannot be used
    """

    def __init__(self, config: Config, entries: Entries, clock: Clock) -> None:
        self._config, self._entries, self._clock = config, entries, clock
        self._latest: dict[tuple[str, str], LastValue] = {}
        self._nodes: dict[str, list[str]] = {pond: [] for pond in config.ponds}
        for node, pond in config.nodes.items():
            self._nodes[pond.id].append(node)
        self._opened = 0
        self._open()

    def _open(self) -> None:
        self._connection = connect(self._config.database)
        self._connection.execute("PRAGMA query_only = 1")
        self._file = self._config.database.stat().st_ino
        self._opened += 1
        self._position = max(0, self._newest() - LOOKED_BACK)
        self.refresh()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _newest(self) -> int:
        (position,) = self._connection.execute("SELECT ifnull(max(position), 0) FROM samples").fetchone()
        return int(position)

    def changed(self) -> tuple[int, int, int]:
        """Return what changes with every commit of another connection; costs next to nothing.

        Raises
        ------
        sqlite3.Error, gateway.store.schema.StoreError, OSError
            while the ingest puts a damaged file aside and salvages it; look again later
        """
        if self._config.database.stat().st_ino != self._file:  # salvaged: another file stands in its place
            self._connection.close()
            self._open()
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return self._opened, int(version), self._entries.last()

    def refresh(self) -> list[LastValue]:
        """Take the samples stored since the last call in; return the last values that are new."""
        new: dict[tuple[str, str], LastValue] = {}
        for position, node, time, *values in self._connection.execute(
            f"SELECT position, node, time, {_VALUES} FROM samples WHERE position > ? ORDER BY position",  # noqa: S608
            (self._position,),
        ):
            self._position = position
            pond = self._config.nodes.get(node)
            if pond is None:
                continue
            for index, name in enumerate(QUANTITY_NAMES):
                value, flag = values[2 * index], values[2 * index + 1]
                key = (pond.id, name)
                if value is None or (key in self._latest and time < self._latest[key]["time"]):
                    continue
                row: LastValue = {
                    "pond": pond.id,
                    "quantity": name,
                    "unit": QUANTITIES[name].unit,
                    "time": time,
                    "value": value,
                    "flag": flag or int(Flag.NOT_EVALUATED),
                }
                self._latest[key] = new[key] = row
        return list(new.values())

    def latest(self, pond: str | None = None) -> list[LastValue]:
        """Return the last values, as of the last `refresh`."""
        return [row for (owner, _), row in self._latest.items() if pond is None or owner == pond]

    def mark(self) -> str:
        """Return a text that changes with every sample, alarm and entry."""
        (change,) = self._connection.execute("SELECT ifnull(max(change), 0) FROM alarms").fetchone()
        return f"{self._newest()}-{change}-{self._entries.last()}"

    def ponds(self) -> list[PondSummary]:
        """Return the ponds of the configuration."""
        return [self._summary(pond) for pond in self._config.ponds.values()]

    def pond(self, name: str) -> PondDetail | None:
        """Return one pond."""
        found = self._config.ponds.get(name)
        if found is None:
            return None
        return {**self._summary(found), "limits": asdict(found.limits), "nodes": self._nodes[name]}

    def _summary(self, pond: Pond) -> PondSummary:
        return {
            "id": pond.id,
            "name": pond.name,
            "cooperative": None,
            "species": pond.species,
            "area": None,
            "depth": None,
            "longitude": pond.longitude,
            "latitude": None,
        }

    def series(self, pond: str, quantity: str, start: int, end: int, points: int, language: str) -> Readings:
        """Return a pond's series of one quantity, ``start <= time < end``, thinned to `points` with the extremes kept."""
        nodes = self._nodes[pond]
        found, reasons = list[Point](), dict[int, dict[str, Any]]()
        for time, value, flag, why in self._rows(nodes, quantity, start, end):
            found.append(Point(time, value, Flag(flag or Flag.NOT_EVALUATED)))
            if why:
                reason = json.loads(why).get(quantity)
                if reason:
                    reasons[time] = reason
        found.sort(key=lambda point: point.time)
        kept = downsample(found, points)
        return {
            "pond": pond,
            "quantity": quantity,
            "unit": QUANTITIES[quantity].unit,
            "start": start,
            "end": end,
            "total": len(found),
            "time": [point.time for point in kept],
            "value": [point.value for point in kept],
            "flag": [int(point.flag) for point in kept],
            "reasons": {
                str(place): texts.reason_text(reasons[point.time], quantity, point.flag, language)
                for place, point in enumerate(kept)
                if point.time in reasons
            },
        }

    def _rows(self, nodes: list[str], quantity: str, start: int, end: int) -> Iterator[tuple[Any, ...]]:
        marks = ", ".join("?" * len(nodes))
        return self._connection.execute(
            f"SELECT time, {quantity}, {quantity}_flag, reasons FROM samples WHERE position >= ? AND node IN ({marks})"  # noqa: S608
            f" AND time >= ? AND time < ? AND {quantity} IS NOT NULL",
            (self._first_arrived(start - _CLOCK_SLACK), *nodes, start, end),
        )

    def _first_arrived(self, time: int) -> int:
        """Return the first position that arrived at or after `time`: positions rise with arrival, so halving finds it without an index."""
        low, high = 0, self._newest() + 1
        while low < high:
            middle = (low + high) // 2
            row = self._connection.execute(
                "SELECT position, arrived FROM samples WHERE position >= ? ORDER BY position LIMIT 1", (middle,)
            ).fetchone()
            if row is None or row[1] >= time:
                high = middle
            else:
                low = row[0] + 1
        return low

    def nodes(self) -> list[tuple[str, str, int | None, int | None, str | None, dict[str, Any]]]:
        """Return ``(node, pond, heard, stated, state, detail)`` of every node: what it last told of itself, and when it was last heard."""
        heard = dict(self._connection.execute("SELECT node, max(heard) FROM ledger GROUP BY node").fetchall())
        # With max() SQLite takes the other columns from the row that has it (sqlite.org/lang_select.html, "bare columns").
        told = {
            node: (time, state, json.loads(detail))
            for _, node, time, state, detail in self._connection.execute(
                "SELECT max(position), node, time, state, detail FROM statuses GROUP BY node"
            )
        }
        return [(node, pond.id, heard.get(node), *told.get(node, (None, None, {}))) for node, pond in self._config.nodes.items()]

    def history(self, alarm: str) -> list[tuple[int, str, str]]:
        """Return ``(time, event, by)`` of what happened to an alarm, in order."""
        query = 'SELECT time, event, "by" FROM alarm_journal WHERE alarm = ? ORDER BY position'
        return self._connection.execute(query, (alarm,)).fetchall()

    def statistics(self, since: int, until: int) -> Statistics:
        """Return the nuisance statistics of a period."""
        return statistics(self._connection, since, until)

    def open_count(self) -> int:
        """Return how many alarms are not cleared."""
        (count,) = self._connection.execute("SELECT count(*) FROM alarms WHERE cleared IS NULL").fetchone()
        return int(count)

    def alarms(self, language: str, *, pond: str | None = None, cleared: bool = False) -> list[AlarmDetail]:
        """Return the open alarms by urgency, then the newest; with `cleared`, those cleared last behind them."""
        narrow, values = ("", ()) if pond is None else (" AND pond = ?", (pond,))
        select = f"SELECT {_ALARM} FROM alarms WHERE cleared IS"  # noqa: S608
        rows = self._connection.execute(f"{select} NULL{narrow}", values).fetchall()
        rows = [row for row in rows if row[3] in ALARM_KINDS]
        rows.sort(key=lambda row: (ALARM_KINDS[row[3]].priority, -row[6], row[0]))
        if cleared:
            rows += self._connection.execute(
                f"{select} NOT NULL{narrow} ORDER BY cleared DESC, id LIMIT ?", (*values, _RECENT)
            ).fetchall()
        said = self._entries.of_alarms([row[0] for row in rows])
        return [self._detail(row, said.get(row[0], []), language) for row in rows if row[3] in ALARM_KINDS]

    def alarm(self, name: str, language: str) -> AlarmDetail | None:
        """Return one alarm."""
        row = self._connection.execute(f"SELECT {_ALARM} FROM alarms WHERE id = ?", (name,)).fetchone()  # noqa: S608
        if row is None or row[3] not in ALARM_KINDS:
            return None
        return self._detail(row, self._entries.of_alarms([name]).get(name, []), language)

    def _detail(self, row: tuple[Any, ...], said: list[Entry], language: str) -> AlarmDetail:
        name, revision, pond, kind, quantity, state, raised, cleared, acknowledged, numbers = row
        found = json.loads(numbers)
        acknowledgements = [entry for entry in said if entry["kind"] == EntryKind.ACKNOWLEDGEMENT]
        first = standing_acknowledgement(name, acknowledged, found, acknowledgements)
        aside = put_aside(acknowledged_state(state, acknowledged=first is not None), found, said, self._clock.now())
        owner = self._config.ponds.get(pond)
        say = alarm_text.render(
            kind,
            quantity,
            texts.readable(found, quantity, language),
            raised=raised,
            pond=owner.name if owner else pond,
            language=language,
        )
        return {
            "id": name,
            "revision": revision,
            "pond": pond,
            "kind": kind,
            "category": ALARM_KINDS[kind].category,
            "priority": ALARM_KINDS[kind].priority.name.lower(),
            "quantity": quantity,
            "raised": raised,
            "cleared": cleared,
            "acknowledged": first["at"] if first else None,
            "acknowledged_by": first["by"] if first else None,
            "acknowledged_where": first["where"] if first else None,
            "numbers": found,
            "title": say.title,
            "message": say.message,
            "confidence": say.confidence,
            "cause": say.cause,
            "advice": say.advice,
            **aside,
        }
