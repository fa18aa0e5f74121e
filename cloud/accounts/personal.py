"""What is held about a person: handed out, and deleted (Vietnam's Law 91/2025/QH15 on personal data protection; see docs/people.md)."""

from __future__ import annotations

import secrets
from typing import Any, Final

from sqlalchemy import Engine, Select, select
from sqlalchemy import delete as remove

from cloud.accounts import attempts, audit, factors
from cloud.accounts.secrets import hash_password
from cloud.accounts.service import end_all, writing
from cloud.accounts.tables import AuditEntry, Identity, SignIn, User, UserToken
from cloud.alerts.tables import Alarm
from cloud.entries.tables import Entry
from cloud.farms.tables import DiaryEntry
from cloud.tenancy import ScopedSession

DELETED: Final = "–"
KEPT: Final = {
    "audit log": "who did what stays provable; it knows people by number only, and the number leads to no name any more",
    "pond diary": "feed, treatments and harvests stay with the pond for traceability of food; their author is a number",
    "hand readings, calibrations, what was said of alarms": "they are of ponds and probes; their author's name is taken out here, "
    "copies on the co-op's gateways are the co-op's to clear",
    "readings": "they are of ponds, not of people",
}


def export(engine: Engine, user: int, *, now: float, actor: str) -> dict[str, Any]:
    """Return everything that is held about a person, secrets apart; times are UTC seconds.

    Parameters
    ----------
    engine : the store
    user : whose
    now, actor : when and by whom it is asked for; noted in the audit log
    """
    with writing(engine) as session:
        who = session.get_one(User, user)
        me = f"user:{user}"
        entries = select(AuditEntry).where((AuditEntry.actor == me) | (AuditEntry.subject == me)).order_by(AuditEntry.id)
        found: dict[str, Any] = {
            "person": {
                name: getattr(who, name)
                for name in ("id", "login", "name", "role", "cooperative_id", "language", "disabled", "initial_until")
            },
            "sessions": [
                {"seen": row.seen, "expires": row.expires}
                for row in session.scalars(select(SignIn).where(SignIn.user_id == user))
            ],
            "tokens": [
                {"name": row.name, "scopes": row.scopes, "created": row.created, "expires": row.expires}
                for row in session.scalars(select(UserToken).where(UserToken.user_id == user))
            ],
            "second_factor": dict(zip(("since", "recovery_codes"), factors.state(engine, user), strict=True)),
            "identities": [
                {"issuer": row.issuer, "subject": row.subject}
                for row in session.scalars(select(Identity).where(Identity.user_id == user))
            ],
            "entries": [row.told() for row in session.scalars(_entries(who))],
            "alarms_put_aside": [{"alarm": row.id, "until": row.numbers.get("shelved_until")} for row in _shelved(session, who)],
            "diary": [
                {"pond": row.pond_id, "kind": row.kind, "time": row.time, "content": row.content}
                for row in session.scalars(select(DiaryEntry).where(DiaryEntry.author == user).order_by(DiaryEntry.id))
            ],
            "audit": [
                {"time": row.time, "actor": row.actor, "action": row.action, "subject": row.subject, "detail": row.detail}
                for row in session.scalars(entries)
            ],
        }
        audit.append(
            session.connection(), now=now, actor=actor, action="user.exported", subject=me, cooperative=who.cooperative_id
        )
        session.commit()
    return found


def _entries(who: User) -> Select[Entry]:
    # An entry names its author, and nothing else of them.
    found = select(Entry).where(Entry.person == who.name).order_by(Entry.position)
    return found if who.cooperative_id is None else found.where(Entry.cooperative_id == who.cooperative_id)


def _shelved(session: ScopedSession, who: User) -> list[Alarm]:
    """Return the alarms that say that somebody put them aside."""
    found = select(Alarm).where(Alarm.numbers["shelved_by"].as_string() == who.name)
    bound = found if who.cooperative_id is None else found.where(Alarm.cooperative_id == who.cooperative_id)
    return list(session.scalars(bound))


def delete(engine: Engine, user: int, *, now: float, actor: str) -> dict[str, str]:
    """Delete what names a person and return what is kept and why; they can never sign in again."""
    with writing(engine) as session:
        who = session.get_one(User, user)
        login = who.login
        end_all(session, who)
        factors.forget(session, user)
        session.execute(remove(Identity).where(Identity.user_id == user))
        for entry in session.scalars(_entries(who)):
            entry.person = DELETED
        for alarm in _shelved(session, who):
            alarm.numbers = alarm.numbers | {"shelved_by": DELETED}
        session.flush()
        who.login, who.name, who.language = f"deleted-{user}", DELETED, "vi"
        who.password, who.disabled, who.initial_until = hash_password(secrets.token_hex(32)), int(now), None
        audit.append(
            session.connection(),
            now=now,
            actor=actor,
            action="user.deleted",
            subject=f"user:{user}",
            cooperative=who.cooperative_id,
        )
        session.commit()
    attempts.clear(engine, f"login:{login}")
    return dict(KEPT)
