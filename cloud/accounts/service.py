"""Signing in and out, and knowing who asks."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, delete, or_, select, update

from cloud.accounts import attempts, audit
from cloud.accounts.policy import SESSION_SECONDS, Policy
from cloud.accounts.roles import RIGHTS, Right, Role
from cloud.accounts.secrets import digest, hash_password, outdated, password_fits
from cloud.accounts.tables import GatewayToken, SignIn, SignInStep, User, UserToken
from cloud.farms.tables import Gateway
from cloud.telemetry.ingest import Sender
from cloud.tenancy import Scope, ScopedSession

# Attempts from one address, right or wrong: a co-op behind one address stays below it.
ATTEMPTS_A_MINUTE: Final = 60
_HEARD_EVERY: Final = 60
_SEEN_EVERY: Final = 60


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a signed-in person, or a gateway by its token; what they may see and do. `user` is a person's number."""

    name: str
    role: str
    scope: Scope
    language: str | None = None
    cooperative: str | None = None
    rights: frozenset[Right] = frozenset()
    user: int | None = None

    @property
    def actor(self) -> str:
        """How the audit log calls them: by number, never by name."""
        return f"gateway:{self.name}" if self.user is None else f"user:{self.user}"

    def may(self, right: Right) -> bool:
        """Return whether they may do something."""
        return right in self.rights


class LockedError(Exception):
    """Too many attempts; `seconds` until the next one is looked at."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many attempts; try again in {seconds:.0f} s")
        self.seconds = seconds


def writing(engine: Engine) -> ScopedSession:
    """Return a session of the system itself that writes."""
    return ScopedSession(engine.execution_options(writes=True), Scope.everything())


def authenticate(engine: Engine, login: str, password: str, address: str, now: float) -> User | None:
    """Return whose login and password these are, ``None`` for a wrong one; both outcomes count.

    Raises
    ------
    LockedError
        if the login failed too often, or the address asks too often; the password is not looked at
    """
    name = login.strip().lower()
    key = f"login:{name}"
    wait = attempts.locked_for(engine, key, now)
    if wait > 0:
        raise LockedError(wait)
    if not attempts.spend(engine, f"address:{address}", now, limit=ATTEMPTS_A_MINUTE, seconds=60):
        raise LockedError(60)
    with ScopedSession(engine, Scope.everything()) as session:
        user = session.scalar(select(User).where(User.login == name))
    fits = password_fits(user.password if user else None, password)  # outside a transaction: it takes its time
    over = user is not None and user.initial_until is not None and user.initial_until <= now
    if user is None or not fits or user.disabled is not None or over:
        locked = attempts.failed(engine, key, now)
        if user is not None:
            with writing(engine) as session:
                action = "sign_in.locked" if locked else "sign_in.failed"
                note(session, user, action, now, **({"why": "the initial password is over"} if over and fits else {}))
                session.commit()
        return None
    attempts.clear(engine, key)
    if outdated(user.password):
        with writing(engine) as session:
            session.merge(user).password = hash_password(password)
            session.commit()
    return user


def note(session: ScopedSession, user: User, action: str, now: float, *, actor: str | None = None, **detail: object) -> None:
    """Add to the audit log what somebody did, or what was done to them by `actor`."""
    who = f"user:{user.id}"
    audit.append(
        session.connection(),
        now=now,
        actor=who if actor is None else actor,
        action=action,
        subject=who,
        cooperative=user.cooperative_id,
        **detail,
    )


def end_all(session: ScopedSession, user: User) -> None:
    """End all that somebody has open: sessions, sign-ins under way, tokens of apps."""
    for table in (SignIn, SignInStep, UserToken):
        session.execute(delete(table).where(table.user_id == user.id))


def open_session(engine: Engine, user: User, now: float, how: str, before: str = "") -> str:
    """Return the cookie of a new session for somebody who has proved who they are; the one that the browser had `before` ends."""
    cookie = secrets.token_urlsafe(32)
    with writing(engine) as session:
        session.execute(delete(SignIn).where(or_(SignIn.expires < int(now), SignIn.digest == digest(before))))
        session.add(SignIn(digest=digest(cookie), user_id=user.id, expires=int(now) + SESSION_SECONDS, seen=int(now)))
        note(session, user, "sign_in", now, how=how)
        session.commit()
    attempts.forget_old(engine, now)
    return cookie


def sign_out(engine: Engine, cookie: str) -> None:
    """End the session of a cookie."""
    with writing(engine) as session:
        session.execute(delete(SignIn).where(SignIn.digest == digest(cookie)))
        session.commit()


def _principal(user: User, scopes: list[str] | None = None) -> Principal:
    role = Role(user.role)
    bound = [user.cooperative_id] if user.cooperative_id else []
    scope = Scope.everything() if role.sees_all else Scope.of(*bound)
    rights = RIGHTS[role] if scopes is None else RIGHTS[role] & {Right(name) for name in scopes}
    return Principal(user.name, user.role, scope, user.language, user.cooperative_id, rights, user.id)


def person(engine: Engine, cookie: str, now: float, policy: Policy, *, active: bool = True) -> Principal | None:
    """Return whose session a cookie is, ``None`` if it is nobody's or over: by its age, or because nobody did anything for too long.

    Parameters
    ----------
    engine : the store
    cookie : the session's
    now : UTC seconds
    policy : how long a role's session may be quiet
    active : whether this request is a person's doing; what a page asks by itself is not
    """
    statement = (
        select(User, SignIn.seen)
        .join(SignIn, SignIn.user_id == User.id)
        .where(SignIn.digest == digest(cookie), SignIn.expires > int(now), User.disabled.is_(None))
    )
    with ScopedSession(engine, Scope.everything()) as session:
        found = session.execute(statement).first()
    if found is None:
        return None
    user, seen = found
    if now - seen >= policy.idle[Role(user.role)]:
        return None
    if active and now - seen >= _SEEN_EVERY:
        with writing(engine) as session:
            session.execute(update(SignIn).where(SignIn.digest == digest(cookie)).values(seen=int(now)))
            session.commit()
    return _principal(user)


def person_of_token(engine: Engine, token: str, now: float) -> Principal | None:
    """Return whose app's token it is, with the rights that the token carries; ``None`` if it is nobody's or over."""
    statement = (
        select(User, UserToken.scopes)
        .join(UserToken, UserToken.user_id == User.id)
        .where(UserToken.digest == digest(token), UserToken.expires > int(now), User.disabled.is_(None))
    )
    with ScopedSession(engine, Scope.everything()) as session:
        found = session.execute(statement).first()
    return None if found is None else _principal(found[0], found[1])


def sender(engine: Engine, token: str, now: float) -> Sender | None:
    """Return the gateway of a token, ``None`` if it is no gateway's or over; that it spoke is noted once a minute."""
    statement = (
        select(Gateway)
        .join(GatewayToken, GatewayToken.gateway_id == Gateway.id)
        .where(GatewayToken.digest == digest(token), or_(GatewayToken.expires.is_(None), GatewayToken.expires > int(now)))
    )
    with ScopedSession(engine, Scope.everything()) as session:
        gateway = session.scalar(statement)
    if gateway is None:
        return None
    if gateway.heard is None or now - gateway.heard >= _HEARD_EVERY:
        with writing(engine) as session:
            session.execute(update(Gateway).where(Gateway.id == gateway.id).values(heard=int(now)))
            session.commit()
    return Sender(gateway.id, gateway.cooperative_id)


def sessions(engine: Engine, user: int, now: float, policy: Policy) -> list[SignIn]:
    """Return a person's sessions that are open, the newest first."""
    with ScopedSession(engine, Scope.everything()) as session:
        quiet = int(now) - policy.idle[Role(session.get_one(User, user).role)]
        open_now = (SignIn.user_id == user, SignIn.expires > int(now), SignIn.seen > quiet)
        return list(session.scalars(select(SignIn).where(*open_now).order_by(SignIn.expires.desc())))


def end_other_sessions(engine: Engine, user: int, cookie: str, now: float) -> None:
    """End all of a person's sessions but the one of `cookie`."""
    with writing(engine) as session:
        owner = session.get_one(User, user)
        session.execute(delete(SignIn).where(SignIn.user_id == user, SignIn.digest != digest(cookie)))
        note(session, owner, "sessions.ended", now)
        session.commit()
