"""Signing in and out, and knowing who asks."""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, delete, select

from cloud.accounts.secrets import digest, password_fits
from cloud.accounts.tables import GatewayToken, Role, SignIn, User
from cloud.farms.tables import Gateway
from cloud.telemetry.ingest import Sender
from cloud.tenancy import Scope, ScopedSession

SESSION_SECONDS: Final = 12 * 3600


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a signed-in person, or a gateway by its token; and what they may see."""

    name: str
    role: str
    scope: Scope
    language: str | None = None
    cooperative: str | None = None


def sign_in(engine: Engine, login: str, password: str, now: float) -> str | None:
    """Return a new session's cookie, ``None`` if login or password is wrong."""
    with ScopedSession(engine.execution_options(writes=True), Scope.everything()) as session:
        user = session.scalar(select(User).where(User.login == login.strip().lower()))
        if not password_fits(user.password if user else None, password) or user is None:
            return None
        cookie = secrets.token_urlsafe(32)
        session.execute(delete(SignIn).where(SignIn.expires < int(now)))
        session.add(SignIn(digest=digest(cookie), user_id=user.id, expires=int(now) + SESSION_SECONDS))
        session.commit()
        return cookie


def sign_out(engine: Engine, cookie: str) -> None:
    """End the session of a cookie."""
    with ScopedSession(engine.execution_options(writes=True), Scope.everything()) as session:
        session.execute(delete(SignIn).where(SignIn.digest == digest(cookie)))
        session.commit()


def person(engine: Engine, cookie: str, now: float) -> Principal | None:
    """Return whose session a cookie is, ``None`` if it is nobody's or over."""
    statement = (
        select(User).join(SignIn, SignIn.user_id == User.id).where(SignIn.digest == digest(cookie), SignIn.expires > int(now))
    )
    with ScopedSession(engine, Scope.everything()) as session:
        user = session.scalar(statement)
    if user is None:
        return None
    bound = [user.cooperative_id] if user.cooperative_id else []
    scope = Scope.everything() if Role(user.role).sees_all else Scope.of(*bound)
    return Principal(user.name, user.role, scope, user.language, user.cooperative_id)


def sender(engine: Engine, token: str) -> Sender | None:
    """Return the gateway of a token, ``None`` if it is no gateway's."""
    statement = (
        select(Gateway).join(GatewayToken, GatewayToken.gateway_id == Gateway.id).where(GatewayToken.digest == digest(token))
    )
    with ScopedSession(engine, Scope.everything()) as session:
        gateway = session.scalar(statement)
    return Sender(gateway.id, gateway.cooperative_id) if gateway else None


class AttemptLimit:
    """How often somebody may fail within a window; kept in this process, for its own share of the attempts.

    Parameters
    ----------
    attempts, seconds : failures that are allowed within the window
    """

    def __init__(self, attempts: int = 8, seconds: float = 60.0) -> None:
        self._attempts, self._seconds = attempts, seconds
        self._failures: dict[str, deque[float]] = {}

    def wait(self, key: str, now: float) -> float:
        """Return the seconds until another attempt is allowed, 0 where it is now."""
        failures = self._failures.get(key)
        while failures and failures[0] <= now - self._seconds:
            failures.popleft()
        if not failures:
            self._failures.pop(key, None)
            return 0.0
        return failures[0] + self._seconds - now if len(failures) >= self._attempts else 0.0

    def failed(self, key: str, now: float) -> None:
        """Note a failure."""
        if len(self._failures) > 10_000:  # somebody tries many names: forget those whose window is over
            self._failures = {k: times for k, times in self._failures.items() if times[-1] > now - self._seconds}
        self._failures.setdefault(key, deque(maxlen=self._attempts)).append(now)
