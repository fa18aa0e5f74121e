"""Creating people, changing what they are, shutting them out."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import Engine, delete, select, update
from sqlalchemy.exc import IntegrityError
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from cloud.accounts import attempts, audit
from cloud.accounts.roles import Role
from cloud.accounts.secrets import hash_password
from cloud.accounts.service import writing
from cloud.accounts.tables import Identity, SignIn, User, UserToken
from cloud.farms.tables import Cooperative
from cloud.tenancy import Scope, ScopedSession
from vuong.i18n import DEFAULT, LANGUAGES

SHORTEST: Final = 8
LONGEST: Final = 1000
_LOGIN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
# OWASP ASVS 2.1.7: 30,000 passwords of known breaches (zxcvbn's list), and what is tried first here.
_COMMON: Final = frozenset(FREQUENCY_LISTS["passwords"]) | {"matkhau123", "vuong123", "tomthe123", "nuoitom123", "htx12345"}


class PersonError(ValueError):
    """What was asked for cannot be; the text names the field, the value and the remedy."""


def check_password(password: str, login: str) -> None:
    """Refuse a password that is too short, too long, known from breaches, or made of the login.

    Raises
    ------
    PersonError
        with what to give instead; never with the password
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise PersonError(f"password is not usable; give {SHORTEST} to {LONGEST} characters")
    if password.lower() in _COMMON or password.lower().strip("0123456789!@#.") in {login.lower(), login.lower() * 2}:
        raise PersonError("password is one of those that are tried first; give another")


def _one(session: ScopedSession, login: str) -> User:
    user = session.scalar(select(User).where(User.login == login.strip().lower()))
    if user is None:
        raise PersonError(f"login is {login!r:.60}, which nobody has; see `vuong cloud user list`")
    return user


def find(engine: Engine, login: str) -> User:
    """Return who has a login.

    Raises
    ------
    PersonError
        if nobody has
    """
    with ScopedSession(engine, Scope.everything()) as session:
        return _one(session, login)


def everybody(session: ScopedSession) -> list[User]:
    """Return the people of a scope, by login."""
    return list(session.scalars(select(User).order_by(User.login)))


def add(
    engine: Engine,
    *,
    login: str,
    name: str,
    role: str,
    cooperative: str | None,
    password: str,
    now: float,
    actor: str,
    language: str = DEFAULT,
) -> int:
    """Create somebody and return their number.

    Raises
    ------
    PersonError
        if a field cannot be used
    """
    login, name = login.strip().lower(), name.strip()
    if not _LOGIN.fullmatch(login):
        raise PersonError(f"login is {login!r:.60}; give lower-case letters, digits and . _ -")
    if not 0 < len(name) <= 120 or "\0" in name:
        raise PersonError("name is not usable; give a text of up to 120 letters")
    if role not in set(Role):
        raise PersonError(f"role is {role!r:.60}; give one of {', '.join(Role)}")
    if language not in LANGUAGES:
        raise PersonError(f"language is {language!r:.20}; give one of {', '.join(LANGUAGES)}")
    if Role(role).sees_all is (cooperative is not None):
        raise PersonError(f"cooperative is {cooperative!r:.60}; name one for farmer, manager and technician, none for the others")
    check_password(password, login)
    hashed = hash_password(password)
    with writing(engine) as session:
        if cooperative is not None and session.get(Cooperative, cooperative) is None:
            raise PersonError(f"cooperative is {cooperative!r:.60}, which is none here; give the id of one")
        user = User(login=login, name=name, role=role, cooperative_id=cooperative, password=hashed, language=language)
        session.add(user)
        try:
            session.flush()
        except IntegrityError:
            raise PersonError(f"login is {login!r:.60}, which somebody has; give another") from None
        _note(session, user, "user.created", now, actor, role=role)
        session.commit()
        return user.id


def _note(session: ScopedSession, user: User, action: str, now: float, actor: str, **detail: object) -> None:
    subject = f"user:{user.id}"
    audit.append(
        session.connection(), now=now, actor=actor, action=action, subject=subject, cooperative=user.cooperative_id, **detail
    )


def _end_sessions(session: ScopedSession, user: User) -> None:
    for table in (SignIn, UserToken):
        session.execute(delete(table).where(table.user_id == user.id))


def set_password(engine: Engine, login: str, password: str, *, now: float, actor: str) -> None:
    """Give somebody a new password; their sessions and tokens end."""
    check_password(password, login)
    hashed = hash_password(password)
    with writing(engine) as session:
        user = _one(session, login)
        user.password = hashed
        _end_sessions(session, user)
        _note(session, user, "user.password", now, actor)
        session.commit()
    attempts.clear(engine, f"login:{login.strip().lower()}")


def login_of(engine: Engine, user: int) -> str:
    """Return the login of a person by their number."""
    with ScopedSession(engine, Scope.everything()) as session:
        return session.get_one(User, user).login


def change_password(engine: Engine, user: int, password: str, *, now: float, actor: str) -> User:
    """Give somebody who has proved who they are the password that they chose; their sessions and tokens end.

    Raises
    ------
    PersonError
        if it is not usable
    """
    login = login_of(engine, user)
    set_password(engine, login, password, now=now, actor=actor)
    return find(engine, login)


def set_role(engine: Engine, login: str, role: str, *, now: float, actor: str) -> None:
    """Give somebody another role that is bound, or not bound, to a co-op as the present one; their sessions and tokens end."""
    if role not in set(Role):
        raise PersonError(f"role is {role!r:.60}; give one of {', '.join(Role)}")
    with writing(engine) as session:
        user = _one(session, login)
        if Role(role).sees_all is (user.cooperative_id is not None):
            raise PersonError(f"role is {role!r}; somebody of cooperative {user.cooperative_id!r} cannot have it")
        before, user.role = user.role, role
        _end_sessions(session, user)
        _note(session, user, "user.role", now, actor, before=before, after=role)
        session.commit()


def disable(engine: Engine, login: str, *, now: float, actor: str) -> None:
    """Shut somebody out; their sessions and tokens end."""
    with writing(engine) as session:
        user = _one(session, login)
        user.disabled = int(now)
        _end_sessions(session, user)
        _note(session, user, "user.disabled", now, actor)
        session.commit()


def enable(engine: Engine, login: str, *, now: float, actor: str) -> None:
    """Let somebody in again, also after too many wrong passwords.

    Raises
    ------
    PersonError
        if nobody has that login
    """
    with writing(engine) as session:
        user = _one(session, login)
        session.execute(update(User).where(User.id == user.id).values(disabled=None))
        _note(session, user, "user.enabled", now, actor)
        session.commit()
    attempts.clear(engine, f"login:{login.strip().lower()}")


def link(engine: Engine, login: str, issuer: str, subject: str, *, now: float, actor: str) -> None:
    """Let somebody sign in through an OpenID provider as the `subject` that it knows them by."""
    with writing(engine) as session:
        user = _one(session, login)
        session.add(Identity(issuer=issuer, subject=subject, user_id=user.id))
        try:
            session.flush()
        except IntegrityError:
            raise PersonError(f"subject is {subject!r:.60}, which is linked already; unlink it first") from None
        _note(session, user, "user.linked", now, actor, issuer=issuer)
        session.commit()
