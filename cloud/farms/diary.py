"""The pond diary and crops: writing, correcting, reading."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from cloud.accounts.access import Work
from cloud.farms.kinds import fault
from cloud.farms.tables import Crop, DiaryEntry, Pond
from cloud.tenancy import ScopedSession
from vuong.limits import SPECIES

_AHEAD: Final = 300
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,63}")


class DiaryError(ValueError):
    """An entry cannot be taken; the text names the field, the value and the remedy."""


def write(
    work: Work,
    pond: Pond,
    kind: str,
    content: dict[str, Any] | None,
    *,
    time: int | None = None,
    replaces: int | None = None,
    client_id: str | None = None,
) -> DiaryEntry:
    """Add an entry; with a `client_id` that is known already, return the one that it named.

    Parameters
    ----------
    work : in the writer's scope
    pond : where
    kind, content : see `cloud.farms.kinds`; content ``None`` strikes out the entry that this one replaces
    time : UTC seconds of what was done, ``None`` for now
    replaces : the entry that was wrong
    client_id : an id of the app's own, so that a repeat has one effect

    Raises
    ------
    DiaryError
        if it cannot be taken
    """
    now = int(work.now)
    at = now if time is None else time
    wrong = fault(kind, content) if content is not None or replaces is None else None
    if wrong is None and not 0 <= at <= now + _AHEAD:
        wrong = f"time is {at}; give UTC seconds that are not in the future"
    if wrong is None and client_id is not None and not _CLIENT_ID.fullmatch(client_id):
        wrong = f"id is {client_id!r:.60}; give 8 to 64 letters and digits, such as a UUID"
    if wrong is not None:
        raise DiaryError(wrong)
    if client_id is not None:
        held = work.session.scalar(select(DiaryEntry).where(DiaryEntry.client_id == client_id))
        if held is not None:
            return held
    if replaces is not None:
        old = work.session.scalar(select(DiaryEntry).where(DiaryEntry.id == replaces, DiaryEntry.pond_id == pond.id))
        if old is None or old.kind != kind:
            raise DiaryError(f"replaces is {replaces}, which is no {kind} of this pond; give the id of one")
    entry = DiaryEntry(
        pond_id=pond.id,
        kind=kind,
        time=at,
        content=content,
        author=work.principal.user,
        entered=now,
        replaces=replaces,
        client_id=client_id,
        cooperative_id=pond.cooperative_id,
    )
    work.session.add(entry)
    try:
        work.session.flush()
    except IntegrityError:
        work.session.rollback()
        raise DiaryError("this entry was replaced already, or its id is taken; load the diary anew") from None
    work.done(f"diary.{kind}", f"pond:{pond.id}", pond.cooperative_id, entry=entry.id, replaces=replaces)
    return entry


def history(session: ScopedSession, pond: str) -> list[DiaryEntry]:
    """Return everything that was ever written about a pond, in the order of writing."""
    return list(session.scalars(select(DiaryEntry).where(DiaryEntry.pond_id == pond).order_by(DiaryEntry.id)))


def standing(session: ScopedSession, pond: str) -> list[DiaryEntry]:
    """Return what holds: entries that were not replaced and not struck out, the latest first."""
    entries = history(session, pond)
    replaced = {entry.replaces for entry in entries}
    held = [entry for entry in entries if entry.id not in replaced and entry.content is not None]
    return sorted(held, key=lambda entry: (entry.time, entry.id), reverse=True)


def crops(session: ScopedSession, pond: str) -> list[Crop]:
    """Return a pond's crops, the newest first."""
    return list(session.scalars(select(Crop).where(Crop.pond_id == pond).order_by(Crop.started.desc(), Crop.id.desc())))


def day(name: str, value: str) -> str:
    """Return a date as it is kept.

    Raises
    ------
    DiaryError
        if it is none
    """
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise DiaryError(f"{name} is {value!r:.40}; give a date as YYYY-MM-DD") from None


def stock(work: Work, pond: Pond, *, started: str, species: str, stocked: int | None, hatchery: str | None) -> Crop:
    """Begin a crop; the one before ends on that day.

    Raises
    ------
    DiaryError
        if a field cannot be used
    """
    began = day("started", started)
    if species not in SPECIES:
        raise DiaryError(f"species is {species!r:.40}; give one of {', '.join(SPECIES)}")
    if stocked is not None and not 1 <= stocked <= 10**10:
        raise DiaryError(f"stocked is {stocked}; give how many post-larvae, 1 to 10000000000")
    if hatchery is not None and not (hatchery.isprintable() and len(hatchery) <= 200):
        raise DiaryError("hatchery is not usable; give up to 200 letters on one line")
    before = next(iter(crops(work.session, pond.id)), None)
    if before is not None and began <= before.started:
        raise DiaryError(f"started is {began}, not after the crop before ({before.started}); give a later date")
    if before is not None and before.ended is None:
        before.ended = began
    crop = Crop(
        pond_id=pond.id,
        species=species,
        started=began,
        stocked=stocked,
        hatchery=hatchery,
        cooperative_id=pond.cooperative_id,
    )
    work.session.add(crop)
    pond.species = species
    work.done("crop.started", f"pond:{pond.id}", pond.cooperative_id, started=began)
    return crop
