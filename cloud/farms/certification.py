"""The record that a certification body asks for: what was done in a pond, in the order of writing, hash-chained.

Which sections a scheme's auditor looks for is our reading of VietGAP aquaculture (TCVN 13528-1:2022), the ASC Shrimp Standard and the BAP Farm
Standard; no certification body has checked it. The content is the same for all: nothing is left out.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import select

from cloud.chain import START, first_break, link
from cloud.entries.tables import Entry
from cloud.farms import diary
from cloud.farms.tables import Cooperative, Pond
from cloud.tenancy import ScopedSession

# Which records a scheme's auditor looks for, in that order.
STANDARDS: Final[dict[str, tuple[str, ...]]] = {
    "vietgap": ("site", "crop", "feed", "treatment", "liming", "water_exchange", "hand_reading", "mortality", "harvest"),
    "asc": ("site", "crop", "water_exchange", "feed", "treatment", "mortality", "hand_reading", "harvest", "aeration"),
    "bap": ("site", "crop", "water_exchange", "hand_reading", "feed", "treatment", "mortality", "harvest", "calibration"),
}


def record(session: ScopedSession, pond: Pond, standard: str, now: float) -> dict[str, Any]:
    """Return a pond's record; times are UTC seconds.

    Every line has ``previous`` and ``hash`` (`cloud.chain.link` over its other fields), and what is written later only ever
    comes after: a later record begins with the lines of an earlier one, so that an auditor who kept an old head sees whether
    something before it was changed. Crops and the site stand outside the chain, as they are now.
    """
    coop = session.scalar(select(Cooperative).where(Cooperative.id == pond.cooperative_id))
    lines: list[dict[str, Any]] = [
        {
            "written": entry.entered,
            "number": f"diary-{entry.id}",
            "section": entry.kind,
            "time": entry.time,
            "content": entry.content,
            "replaces": None if entry.replaces is None else f"diary-{entry.replaces}",
            "author": None if entry.author is None else f"user:{entry.author}",
        }
        for entry in diary.history(session, pond.id)
    ]
    return {
        "standard": standard,
        "sections": list(STANDARDS[standard]),
        "made": int(now),
        "site": {
            "pond": pond.id,
            "name": pond.name,
            "cooperative": pond.cooperative_id,
            "cooperative_name": coop.name if coop else None,
            "species": pond.species,
            "area": pond.area,
            "depth": pond.depth,
            "polygon": pond.polygon,
        },
        "crops": [
            {"species": c.species, "started": c.started, "ended": c.ended, "stocked": c.stocked, "hatchery": c.hatchery}
            for c in diary.crops(session, pond.id)
        ],
        "diary": chained(lines),
        "measured": chained(_measured(session, pond.id)),
    }


def _measured(session: ScopedSession, pond: str) -> list[dict[str, Any]]:
    kinds = ("hand_reading", "calibration")
    entries = session.scalars(select(Entry).where(Entry.pond_id == pond, Entry.kind.in_(kinds)).order_by(Entry.position))
    # Without the author: who is deleted as a person must not change the chain.
    return [
        {"number": entry.id, "section": entry.kind, "time": entry.at, "place": entry.place, "content": entry.content}
        for entry in entries
    ]


def chained(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return lines with ``previous`` and ``hash`` each, and the last hash as ``head``."""
    previous, found = START, []
    for line in lines:
        own = link(previous, line)
        found.append(line | {"previous": previous, "hash": own})
        previous = own
    return {"lines": found, "head": previous}


def check(document: dict[str, Any]) -> list[str]:
    """Return what is wrong with a record's chains, a sentence each; nothing where all is right.

    Raises
    ------
    ValueError
        if it is no record of ours
    """
    faults = []
    for part in ("diary", "measured"):
        chain = document.get(part)
        if not isinstance(chain, dict) or not isinstance(chain.get("lines"), list):
            raise ValueError(f"{part} is missing; give a record as it was exported")
        rows = [
            ({name: value for name, value in line.items() if name not in {"previous", "hash"}}, line["previous"], line["hash"])
            for line in chain["lines"]
        ]
        broken = first_break(rows)
        if broken is not None:
            faults.append(f"{part}: line {broken + 1} was changed, or one before it is missing")
        elif chain.get("head") != (rows[-1][2] if rows else START):
            faults.append(f"{part}: the head is not the last line's: lines at the end are missing")
    return faults
