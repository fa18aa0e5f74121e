"""How often something may be tried: kept in the store, so that a restart or a second worker forgets nothing.

A key is stored as its SHA-256. Eight failures lock a key for a minute; every further one doubles that,
up to an hour; a day of quiet, or the right password, ends it (OWASP ASVS 2.2.1).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from sqlalchemy import Engine, delete
from sqlalchemy.exc import IntegrityError

from cloud.accounts.secrets import digest
from cloud.accounts.tables import Attempt
from cloud.tenancy import Scope, ScopedSession

FAILURES: Final = 8
WINDOW: Final = 86_400
_FIRST_LOCK, _LONGEST_LOCK = 60, 3600


def _writing(engine: Engine) -> ScopedSession:
    return ScopedSession(engine.execution_options(writes=True), Scope.everything())


def locked_for(engine: Engine, key: str, now: float) -> float:
    """Return the seconds for which a key is still shut out, 0 where it is not."""
    with ScopedSession(engine, Scope.everything()) as session:
        held = session.get(Attempt, digest(key))
    return max(0.0, held.locked_until - now) if held else 0.0


def failed(engine: Engine, key: str, now: float) -> bool:
    """Note a failure; return whether it locks the key."""
    with _writing(engine) as session:
        held = _held(session, key, now, WINDOW)
        held.count, held.since = held.count + 1, int(now)
        if held.count >= FAILURES:
            held.locked_until = int(now) + min(_FIRST_LOCK << min(held.count - FAILURES, 10), _LONGEST_LOCK)
        session.commit()
        return held.locked_until > now


def spend(engine: Engine, key: str, now: float, *, limit: int, seconds: int) -> bool:
    """Count one use of `key`; return False where `limit` uses within `seconds` were spent already."""
    with _writing(engine) as session:
        held = _held(session, key, now, seconds)
        if held.count >= limit:
            return False
        held.count += 1
        session.commit()
        return True


def clear(engine: Engine, key: str) -> None:
    """Forget the failures of a key."""
    with _writing(engine) as session:
        session.execute(delete(Attempt).where(Attempt.key == digest(key)))
        session.commit()


def forget_old(engine: Engine, now: float) -> None:
    """Take away what no longer counts."""
    with _writing(engine) as session:
        session.execute(delete(Attempt).where(Attempt.since < int(now) - WINDOW, Attempt.locked_until < int(now)))
        session.commit()


def _held(session: ScopedSession, key: str, now: float, window: int) -> Attempt:
    while (held := session.get(Attempt, digest(key), with_for_update=True)) is None:
        # Another one may try this key for the first time in the same instant.
        with suppress(IntegrityError), session.begin_nested():
            session.add(Attempt(key=digest(key), count=0, since=int(now), locked_until=0))
    if held.since <= now - window and held.locked_until <= now:
        held.count, held.since = 0, int(now)
    return held
