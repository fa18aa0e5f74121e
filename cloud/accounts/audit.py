"""The audit log: append to it, read it, prove it. NIST SP 800-92 on logs; the chain is `cloud.chain`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, insert, select, text

from cloud.accounts.tables import AuditEntry
from cloud.chain import START, first_break, link

_TABLE: Final = AuditEntry.__table__
_FIELDS: Final = ("id", "time", "actor", "action", "subject", "cooperative_id", "detail")
_PAGE: Final = 1000
_LOCK: Final = 0x5655_4F4E  # one writer of the chain at a time


def append(
    connection: Connection, *, now: float, actor: str, action: str, subject: str, cooperative: str | None = None, **detail: object
) -> str:
    """Add an entry in the transaction of the deed itself and return its hash.

    Parameters
    ----------
    connection : of a transaction that writes
    now : UTC seconds
    actor, subject : ``user:5``, ``gateway:gw-a``, ``pond:ao-1``, ``command line``; numbers and ids, never names
    action : ``token.issued`` and the like
    cooperative : whose managers may read the entry
    detail : what else is to be known; nothing secret, nothing personal
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    last = connection.execute(select(_TABLE.c.id, _TABLE.c.hash).order_by(_TABLE.c.id.desc()).limit(1)).first()
    number, previous = (last.id + 1, last.hash) if last else (1, START)
    entry: dict[str, Any] = dict(zip(_FIELDS, (number, int(now), actor, action, subject, cooperative, dict(detail)), strict=True))
    own = link(previous, entry)
    connection.execute(insert(AuditEntry).values(**entry, previous=previous, hash=own))
    return own


def concerning(engine: Engine, subject: str, actions: Collection[str], limit: int) -> list[tuple[int, str, str]]:
    """Return the newest entries about somebody that are of some kinds: their time, actor and action, the newest first."""
    found = select(_TABLE.c.time, _TABLE.c.actor, _TABLE.c.action).where(
        _TABLE.c.subject == subject, _TABLE.c.action.in_(actions)
    )
    with engine.connect() as connection:
        rows = connection.execute(found.order_by(_TABLE.c.id.desc()).limit(limit))
        return [(row.time, row.actor, row.action) for row in rows]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found; `broken_at` is the number of the first entry that does not fit."""

    entries: int
    head: str
    broken_at: int | None
    holds_expected: bool

    @property
    def sound(self) -> bool:
        """Whether nothing was changed, as far as the chain can tell."""
        return self.broken_at is None and self.holds_expected


def verify(engine: Engine, expected: str | None = None) -> Verdict:
    """Go through the whole chain.

    Parameters
    ----------
    engine : the store
    expected : a head that was written down elsewhere earlier; without it the loss of the newest entries cannot be seen
    """
    with engine.connect() as connection:
        # In pages by number: a log of years does not stand in memory at once.
        def rows() -> Iterator[Row[Any]]:
            after, page = 0, None
            while page is None or len(page) == _PAGE:
                page = connection.execute(select(_TABLE).where(_TABLE.c.id > after).order_by(_TABLE.c.id).limit(_PAGE)).all()
                yield from page
                after = page[-1].id if page else after

        count, head, seen = 0, START, expected in {None, START}
        broken: int | None = None

        def entries() -> Iterator[tuple[dict[str, Any], str, str]]:
            nonlocal count, head, seen, broken
            for row in rows():
                count += 1
                head, broken = row.hash, row.id
                seen = seen or row.hash == expected
                if row.id != count:  # an entry is missing
                    yield {}, "", ""
                yield {name: getattr(row, name) for name in _FIELDS}, row.previous, row.hash

        if first_break(entries()) is None:
            broken = None
    return Verdict(count, head, broken, seen)
