"""From the password to the session: what still has to be proved or done, one step after the other (OWASP ASVS 11.1.1).

Who has given the right password, but not all that is asked of them, holds the cookie of a step: it is no session, opens no page but the
step's own, and is another one after each step.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Engine, delete, or_

from cloud.accounts import factors
from cloud.accounts.policy import Policy
from cloud.accounts.roles import Role
from cloud.accounts.secrets import digest
from cloud.accounts.service import open_session, writing
from cloud.accounts.tables import SignInStep, User
from cloud.tenancy import Scope, ScopedSession

STEP_SECONDS: Final = 600
BY_PASSWORD: Final = "password"  # noqa: S105 - how, not which


class Step(StrEnum):
    """What is asked next."""

    CODE = "code"  # of the second factor
    PASSWORD = "password"  # noqa: S105 - an own one, in place of the one that somebody else chose
    ENROL = "enrol"  # a second factor, without which this role does not come in


@dataclass(frozen=True, slots=True)
class Entry:
    """How far a sign-in has come: with `step` it waits for that, without it `cookie` is a session's."""

    cookie: str
    step: Step | None
    target: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sign-in that waits for a step."""

    user: User
    step: Step
    how: str
    proved: bool
    target: str


def needed(engine: Engine, user: User, policy: Policy, how: str, *, proved: bool) -> Step | None:
    """Return what is still asked of somebody, ``None`` where nothing is.

    Parameters
    ----------
    engine : the store
    user : who
    policy : which roles need a second factor
    how : by what they came: the password that somebody else chose matters only to who came by it
    proved : whether a code of the second factor was right already
    """
    with ScopedSession(engine, Scope.everything()) as session:
        has = factors.enrolled(session, user.id)
    if has and not proved:
        return Step.CODE
    if user.initial_until is not None and how == BY_PASSWORD:
        return Step.PASSWORD
    if not has and Role(user.role) in policy.second_factor:
        return Step.ENROL
    return None


def go_on(
    engine: Engine, user: User, policy: Policy, now: float, *, how: str, target: str, proved: bool = False, before: str = ""
) -> Entry:
    """Return a step's cookie, or a session's where nothing more is asked; the session that the browser had `before` ends."""
    step = needed(engine, user, policy, how, proved=proved)
    if step is None:
        with writing(engine) as session:
            session.execute(delete(SignInStep).where(SignInStep.user_id == user.id))
            session.commit()
        return Entry(open_session(engine, user, now, f"{how}, code" if proved else how, before), None, target)
    cookie = secrets.token_urlsafe(32)
    with writing(engine) as session:
        session.execute(delete(SignInStep).where(or_(SignInStep.expires <= int(now), SignInStep.user_id == user.id)))
        expires = int(now) + STEP_SECONDS
        session.add(SignInStep(digest=digest(cookie), user_id=user.id, how=how, proved=proved, target=target, expires=expires))
        session.commit()
    return Entry(cookie, step, target)


def waiting(engine: Engine, cookie: str, policy: Policy, now: float) -> Waiting | None:
    """Return the sign-in that a step's cookie stands for, ``None`` if it is nobody's or over."""
    with ScopedSession(engine, Scope.everything()) as session:
        row = session.get(SignInStep, digest(cookie))
        user = session.get(User, row.user_id) if row is not None and row.expires > int(now) else None
    if row is None or user is None or user.disabled is not None:
        return None
    step = needed(engine, user, policy, row.how, proved=row.proved)
    return None if step is None else Waiting(user, step, row.how, row.proved, row.target)


def end(engine: Engine, cookie: str) -> None:
    """End a sign-in that is under way."""
    with writing(engine) as session:
        session.execute(delete(SignInStep).where(SignInStep.digest == digest(cookie)))
        session.commit()
