"""The second factor: one-time codes of a phone (TOTP, RFC 6238) and recovery codes for the day it is lost (OWASP ASVS 2.6, 2.8)."""

from __future__ import annotations

import base64
import secrets
from contextlib import suppress
from enum import Enum, auto
from typing import Final

import pyotp
import segno
import structlog
from sqlalchemy import Engine, delete, func, select, update

from cloud.accounts import attempts
from cloud.accounts.secrets import Seal, SealError, digest
from cloud.accounts.service import LockedError, end_all, note, writing
from cloud.accounts.tables import RecoveryCode, SecondFactor, User
from cloud.tenancy import Scope, ScopedSession

STEP_SECONDS: Final = 30
_DIGITS: Final = 6
DRIFT: Final = 1  # a phone's clock may be a step off, either way (RFC 6238, 5.2)
RECOVERY_CODES: Final = 10
ENROL_SECONDS: Final = 600
_ISSUER: Final = "Vuông"
_GROUP: Final = 4
_log = structlog.get_logger("cloud.accounts")


class Verdict(Enum):
    """What a code was."""

    RIGHT = auto()
    RECOVERY = auto()
    REPLAYED = auto()
    WRONG = auto()


class FactorError(ValueError):
    """What was asked for cannot be."""


def enrolled(session: ScopedSession, user: int) -> bool:
    """Return whether somebody has a second factor."""
    held = session.get(SecondFactor, user)
    return held is not None and held.confirmed is not None


def state(engine: Engine, user: int) -> tuple[int | None, int]:
    """Return since when somebody has a second factor (``None``: they have none), and how many recovery codes are left."""
    with ScopedSession(engine, Scope.everything()) as session:
        held = session.get(SecondFactor, user)
        left = session.scalar(select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user)) or 0
    return (held.confirmed if held else None), left


def address(secret: str, login: str) -> str:
    """Return the address that an authenticator app reads (otpauth), as text."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=_ISSUER)


def picture(secret: str, login: str) -> str:
    """Return the same as a QR code: the address of an SVG picture that is in the address itself."""
    return segno.make(address(secret, login), error="m").svg_data_uri(scale=5, border=3)


def grouped(code: str) -> str:
    """Return a secret or recovery code in groups that an eye can follow."""
    return " ".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))


def begin(engine: Engine, user: int, seal: Seal, now: float) -> str:
    """Return the secret (base32, 160 bits) that somebody shall put into their app; the same one for ten minutes.

    Raises
    ------
    FactorError
        if they have a second factor already
    """
    with writing(engine) as session:
        held = session.get(SecondFactor, user)
        if held is not None and held.confirmed is not None:
            raise FactorError("there is a second factor already; turn it off first")
        if held is not None and held.created > now - ENROL_SECONDS:
            with suppress(SealError):  # the key was replaced in these ten minutes: a new secret
                return seal.open(held.secret, _owner(user))
        secret = pyotp.random_base32()
        session.merge(
            SecondFactor(user_id=user, secret=seal.close(secret, _owner(user)), created=int(now), confirmed=None, step=0)
        )
        session.commit()
    return secret


def begun(engine: Engine, user: int, now: float) -> bool:
    """Return whether somebody has a secret that they may still confirm."""
    with ScopedSession(engine, Scope.everything()) as session:
        held = session.get(SecondFactor, user)
    return held is not None and held.confirmed is None and held.created > now - ENROL_SECONDS


def confirm(engine: Engine, user: int, code: str, seal: Seal, now: float) -> list[str] | None:
    """Take the first code of a new second factor: return the recovery codes, ``None`` where it is wrong or came too late.

    What was open before, sessions and tokens of apps, ends: it was opened without.
    """
    with writing(engine) as session:
        held, owner = session.get(SecondFactor, user), session.get_one(User, user)
        if held is None or held.confirmed is not None or held.created <= now - ENROL_SECONDS:
            return None
        try:
            step = _step_of(seal.open(held.secret, _owner(user)), code, now)
        except SealError:
            step = None
        if step is None:
            return None
        held.confirmed, held.step = int(now), step
        codes = _new_codes(session, user)
        end_all(session, owner)
        note(session, owner, "factor.enrolled", now)
        session.commit()
    return codes


def prove(engine: Engine, user: int, code: str, seal: Seal, now: float) -> bool:
    """Return whether a code is right: one of the app's that was not used yet, or a recovery code, which is used up.

    Raises
    ------
    LockedError
        after too many wrong ones, as with passwords; the code is not looked at
    """
    key = f"code:{user}"
    wait = attempts.locked_for(engine, key, now)
    if wait > 0:
        raise LockedError(wait)
    with writing(engine) as session:
        owner, verdict = session.get_one(User, user), _checked(session, user, code, seal, now)
        if verdict is Verdict.RECOVERY:
            left = session.scalar(select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user))
            note(session, owner, "factor.recovery_used", now, left=left)
        elif verdict is Verdict.REPLAYED:
            note(session, owner, "factor.replayed", now)
        session.commit()
    if verdict in {Verdict.RIGHT, Verdict.RECOVERY}:
        attempts.clear(engine, key)
        return True
    locked = attempts.failed(engine, key, now)
    if verdict is Verdict.WRONG or locked:
        with writing(engine) as session:
            note(session, session.get_one(User, user), "factor.locked" if locked else "factor.failed", now)
            session.commit()
    return False


def renew_codes(engine: Engine, user: int, now: float) -> list[str]:
    """Return new recovery codes in place of those before."""
    with writing(engine) as session:
        owner = session.get_one(User, user)
        if not enrolled(session, user):
            raise FactorError("there is no second factor")
        codes = _new_codes(session, user)
        note(session, owner, "factor.codes_renewed", now)
        session.commit()
    return codes


def remove(engine: Engine, user: int, now: float, *, actor: str | None = None) -> bool:
    """Take somebody's second factor away and return whether they had one; all sessions and tokens end.

    Parameters
    ----------
    engine : the store
    user : whose
    now : UTC seconds
    actor : who does it for them, such as the operator after a phone was lost; themselves without
    """
    with writing(engine) as session:
        owner = session.get_one(User, user)
        had = enrolled(session, user)
        forget(session, user)
        end_all(session, owner)
        note(session, owner, "factor.removed" if actor is None else "factor.reset", now, actor=actor)
        session.commit()
    attempts.clear(engine, f"code:{user}")
    return had


def forget(session: ScopedSession, user: int) -> None:
    """Delete what is held of somebody's second factor."""
    for table in (SecondFactor, RecoveryCode):
        session.execute(delete(table).where(table.user_id == user))


def reseal(engine: Engine, seal: Seal) -> int:
    """Seal all secrets under the key in force and return how many: after this the keys before it can be thrown away.

    Raises
    ------
    SealError
        if one opens with none of the keys; nothing is changed
    """
    with writing(engine) as session:
        held = list(session.scalars(select(SecondFactor).order_by(SecondFactor.user_id)))
        for factor in held:
            factor.secret = seal.renew(factor.secret)
        session.commit()
    return len(held)


def _owner(user: int) -> str:
    return f"user:{user}"


def _digits(code: str) -> str:
    return "".join(code.split()).replace("-", "")


def _step_of(secret: str, code: str, now: float) -> int | None:
    """Return the time step whose code this is, ``None`` where it is none of those around `now`."""
    made, present, given = pyotp.TOTP(secret, digits=_DIGITS), int(now) // STEP_SECONDS, _digits(code)
    found = None
    for step in range(present - DRIFT, present + DRIFT + 1):
        if pyotp.utils.strings_equal(made.generate_otp(step), given):
            found = step
    return found


def _checked(session: ScopedSession, user: int, code: str, seal: Seal, now: float) -> Verdict:
    held, given = session.get(SecondFactor, user), _digits(code).upper()
    if held is None or held.confirmed is None:
        return Verdict.WRONG
    if len(given) > _DIGITS:
        used = session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user, RecoveryCode.digest == digest(given)))
        return Verdict.RECOVERY if used.rowcount == 1 else Verdict.WRONG  # type: ignore[attr-defined]
    try:
        secret = seal.open(held.secret, _owner(user))
    except SealError as error:  # recovery codes still work, and the operator can reset
        _log.exception("second factor cannot be read", user=user, why=str(error))
        return Verdict.WRONG
    step = _step_of(secret, code, now)
    if step is None:
        return Verdict.WRONG
    # One statement: of two who send the same code at the same moment one comes in.
    taken = session.execute(
        update(SecondFactor).where(SecondFactor.user_id == user, SecondFactor.step < step).values(step=step),
        execution_options={"synchronize_session": False},
    )
    return Verdict.RIGHT if taken.rowcount == 1 else Verdict.REPLAYED  # type: ignore[attr-defined]


def _new_codes(session: ScopedSession, user: int) -> list[str]:
    # 120 random bits each: nobody goes through them, so that they need no slow hash (ASVS 2.6.2).
    codes = [base64.b32encode(secrets.token_bytes(15)).decode() for _ in range(RECOVERY_CODES)]
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user))
    session.add_all([RecoveryCode(digest=digest(code), user_id=user) for code in codes])
    session.flush()
    return [grouped(code) for code in codes]
