"""Creating people, changing what they are, shutting them out."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import Engine, select, update
from sqlalchemy.exc import IntegrityError
from zxcvbn import zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from cloud.accounts import attempts
from cloud.accounts.roles import Role
from cloud.accounts.secrets import hash_password, password_fits
from cloud.accounts.service import end_all, note, writing
from cloud.accounts.tables import Identity, User
from cloud.farms.tables import Cooperative
from cloud.tenancy import Scope, ScopedSession
from vuong.i18n import DEFAULT, LANGUAGES

SHORTEST: Final = 8
SHORTEST_FOR_ALL: Final = 12  # of who sees all co-operatives (OWASP ASVS 2.1.1)
LONGEST: Final = 128
_MEASURED: Final = 72  # beyond that it takes long and tells no more
# A password that somebody else chose lets its owner in this long, to choose their own (OWASP ASVS 2.3.1).
INITIAL_DAYS: Final = 7
_LOGIN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
# OWASP ASVS 2.1.7: 30,000 passwords of known breaches (zxcvbn's list), and what is tried first here.
_COMMON: Final = frozenset(FREQUENCY_LISTS["passwords"]) | {"matkhau123", "vuong123", "tomthe123", "nuoitom123", "htx12345"}


class PersonError(ValueError):
    """What was asked for cannot be; the text names the field, the value and the remedy."""


def shortest(role: str | None) -> int:
    """Return how many characters a password of that role has at least."""
    return SHORTEST_FOR_ALL if role in set(Role) and Role(role).sees_all else SHORTEST


def check_password(password: str, login: str, role: str | None = None) -> None:
    """Refuse a password that is too short (for its role), too long, known from breaches, or made of the login.

    Raises
    ------
    PersonError
        with what to give instead; never with the password
    """
    if not shortest(role) <= len(password) <= LONGEST:
        raise PersonError(f"password is not usable; give {shortest(role)} to {LONGEST} characters")
    if password.lower() in _COMMON or password.lower().strip("0123456789!@#.") in {login.lower(), login.lower() * 2}:
        raise PersonError("password is one of those that are tried first; give another")


def strength(password: str, login: str, role: str) -> int:
    """Return how well a password stands up to guessing, 0 to 4 (zxcvbn, USENIX Security 2016); 0 too for one that is refused."""
    try:
        check_password(password, login, role)
    except PersonError:
        return 0
    return int(zxcvbn(password[:_MEASURED], user_inputs=[login])["score"])


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
    initial: bool = False,
) -> int:
    """Create somebody and return their number; with `initial`, the password lets them in once, to choose their own.

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
    check_password(password, login, role)
    hashed = hash_password(password)
    with writing(engine) as session:
        if cooperative is not None and session.get(Cooperative, cooperative) is None:
            raise PersonError(f"cooperative is {cooperative!r:.60}, which is none here; give the id of one")
        user = User(
            login=login,
            name=name,
            role=role,
            cooperative_id=cooperative,
            password=hashed,
            language=language,
            initial_until=_initial_until(initial=initial, now=now),
        )
        session.add(user)
        try:
            session.flush()
        except IntegrityError:
            raise PersonError(f"login is {login!r:.60}, which somebody has; give another") from None
        note(session, user, "user.created", now, actor=actor, role=role)
        session.commit()
        return user.id


def _initial_until(*, initial: bool, now: float) -> int | None:
    return int(now) + INITIAL_DAYS * 86_400 if initial else None


def set_password(engine: Engine, login: str, password: str, *, now: float, actor: str, initial: bool = False) -> None:
    """Give somebody a new password, with `initial` one that lets them in once; their sessions and tokens end.

    Raises
    ------
    PersonError
        if it is not usable, or is the one that somebody else had chosen
    """
    user = find(engine, login)
    check_password(password, login, user.role)
    if user.initial_until is not None and not initial and password_fits(user.password, password):
        raise PersonError("password is the one that was given; choose another")
    hashed = hash_password(password)
    with writing(engine) as session:
        user = _one(session, login)
        user.password, user.initial_until = hashed, _initial_until(initial=initial, now=now)
        end_all(session, user)
        note(session, user, "user.password", now, actor=actor, initial=initial)
        session.commit()
    attempts.clear(engine, f"login:{login.strip().lower()}")


def by_number(engine: Engine, user: int) -> User:
    """Return a person by their number."""
    with ScopedSession(engine, Scope.everything()) as session:
        return session.get_one(User, user)


def login_of(engine: Engine, user: int) -> str:
    """Return the login of a person by their number."""
    return by_number(engine, user).login


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
        end_all(session, user)
        note(session, user, "user.role", now, actor=actor, before=before, after=role)
        session.commit()


def disable(engine: Engine, login: str, *, now: float, actor: str) -> None:
    """Shut somebody out; their sessions and tokens end."""
    with writing(engine) as session:
        user = _one(session, login)
        user.disabled = int(now)
        end_all(session, user)
        note(session, user, "user.disabled", now, actor=actor)
        session.commit()


def enable(engine: Engine, login: str, *, now: float, actor: str) -> None:
    """Let somebody in again, also after too many wrong passwords or codes.

    Raises
    ------
    PersonError
        if nobody has that login
    """
    with writing(engine) as session:
        user = _one(session, login)
        session.execute(update(User).where(User.id == user.id).values(disabled=None))
        note(session, user, "user.enabled", now, actor=actor)
        session.commit()
        number = user.id
    attempts.clear(engine, f"login:{login.strip().lower()}")
    attempts.clear(engine, f"code:{number}")


def link(engine: Engine, login: str, issuer: str, subject: str, *, now: float, actor: str) -> None:
    """Let somebody sign in through an OpenID provider as the `subject` that it knows them by."""
    with writing(engine) as session:
        user = _one(session, login)
        session.add(Identity(issuer=issuer, subject=subject, user_id=user.id))
        try:
            session.flush()
        except IntegrityError:
            raise PersonError(f"subject is {subject!r:.60}, which is linked already; unlink it first") from None
        note(session, user, "user.linked", now, actor=actor, issuer=issuer)
        session.commit()
