"""Taking entries in, finding them again, and what follows from them for alarms."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, func, select, text

from cloud.alerts.tables import Alarm
from cloud.entries.tables import Entry
from cloud.farms.tables import Pond
from cloud.telemetry.store import upsert
from cloud.tenancy import ScopedSession
from vuong.alarms import State
from vuong.contract import api
from vuong.contract.entry import OF_ALARM, EntryKind

# PostgreSQL hands positions out before the commit: one writer at a time, or a gateway that asks between would pass one by.
_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(7865001)")
MOST: Final = 1000


def add(engine: Engine, entries: Sequence[api.Entry], cooperatives: dict[str, str]) -> None:
    """Add entries that are new; one that is there stays as it is.

    Parameters
    ----------
    engine : the store
    entries : that were looked at (`vuong.contract.api.entry_fault`)
    cooperatives : pond → co-op; holds every pond of the entries
    """
    if not entries:
        return
    rows = [
        {
            "id": entry["id"],
            "kind": entry["kind"],
            "pond_id": entry["pond"],
            "at": entry["at"],
            "person": entry["by"],
            "place": entry["where"],
            "content": entry["content"],
            "alarm": entry["content"]["alarm"] if entry["kind"] in OF_ALARM else None,
            "cooperative_id": cooperatives[entry["pond"]],
        }
        for entry in entries
    ]
    with engine.execution_options(writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(_ONE_AT_A_TIME)
        known = set(connection.scalars(select(Entry.id).where(Entry.id.in_([row["id"] for row in rows]))))
        new = {str(row["id"]): row for row in reversed(rows) if row["id"] not in known}
        if new:
            statement = upsert(connection, Entry.__table__).on_conflict_do_nothing(index_elements=["id"])
            connection.execute(statement, list(reversed(new.values())))


def cooperatives_of(session: ScopedSession, ponds: Iterable[str]) -> dict[str, str]:
    """Return pond → co-op of those ponds that the session sees."""
    found = session.execute(select(Pond.id, Pond.cooperative_id).where(Pond.id.in_(set(ponds))))
    return {pond: cooperative for pond, cooperative in found}  # noqa: C416 - rows are no pairs to the type checker


def find(session: ScopedSession, name: str) -> api.Entry | None:
    """Return an entry by its id."""
    found = session.scalar(select(Entry).where(Entry.id == name))
    return found.told() if found else None


def after(session: ScopedSession, position: int, limit: int) -> tuple[list[api.Entry], int]:
    """Return the entries after a position, and the position of the last of them (or `position`)."""
    found = list(session.scalars(select(Entry).where(Entry.position > position).order_by(Entry.position).limit(limit)))
    return [entry.told() for entry in found], found[-1].position if found else position


def last(session: ScopedSession) -> int:
    """Return the position of the newest entry that the session sees."""
    return int(session.scalar(select(func.coalesce(func.max(Entry.position), 0))) or 0)


def of_pond(session: ScopedSession, pond: str, kind: EntryKind, start: int, end: int) -> list[api.Entry]:
    """Return a pond's entries of one kind within ``start <= at < end``, the newest first."""
    statement = (
        select(Entry)
        .where(Entry.pond_id == pond, Entry.kind == str(kind), Entry.at >= start, Entry.at < end)
        .order_by(Entry.at.desc(), Entry.id)
        .limit(MOST)
    )
    return [entry.told() for entry in session.scalars(statement)]


def calibrations(session: ScopedSession, ponds: Collection[str]) -> list[api.Entry]:
    """Return the calibrations of some ponds' probes, the newest first."""
    statement = select(Entry).where(Entry.pond_id.in_(ponds), Entry.kind == str(EntryKind.CALIBRATION))
    return [entry.told() for entry in session.scalars(statement.order_by(Entry.at.desc(), Entry.id).limit(MOST))]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an alarm stands once what people said of it is counted in.

    Attributes
    ----------
    acknowledged : the acknowledgement that counts
    aside : whether it was put aside
    revision : what one who sees it like this has seen: with an unshelving that its gateway has not met yet, the revision that this will make
    """

    acknowledged: api.Acknowledgement | None
    aside: api.Aside
    revision: int


def standings(session: ScopedSession, alarms: Sequence[Alarm], now: float) -> dict[str, Standing]:
    """Return where each alarm stands, by its id; its gateway may not have met all of what was said here."""
    said: dict[str, list[api.Entry]] = {}
    statement = select(Entry).where(Entry.alarm.in_([alarm.id for alarm in alarms])).order_by(Entry.position)
    for entry in session.scalars(statement) if alarms else ():
        said.setdefault(str(entry.alarm), []).append(entry.told())
    return {alarm.id: _standing(alarm, said.get(alarm.id, []), now) for alarm in alarms}


def _standing(alarm: Alarm, said: list[api.Entry], now: float) -> Standing:
    answers = [entry for entry in said if entry["kind"] == EntryKind.ACKNOWLEDGEMENT]
    found = api.standing_acknowledgement(alarm.id, alarm.acknowledged, alarm.numbers, answers)
    state = api.acknowledged_state(alarm.state, acknowledged=found is not None)
    aside = api.put_aside(state, alarm.numbers, said, now)
    taken_back = alarm.state == State.SHELVED and aside["state"] != State.SHELVED
    return Standing(found, aside, alarm.revision + taken_back)
