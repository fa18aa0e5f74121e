"""Tokens of apps and gateways: issued, listed, rotated, revoked. The store knows them by SHA-256; they are shown once."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, delete, or_, select, update

from cloud.accounts import audit
from cloud.accounts.roles import RIGHTS, Right, Role
from cloud.accounts.secrets import digest
from cloud.accounts.service import writing
from cloud.accounts.tables import GatewayToken, User, UserToken
from cloud.farms.tables import Gateway
from cloud.tenancy import Scope, ScopedSession

DAYS: Final = 90
_DAY: Final = 86_400
# How long the token before still works: the reply with the new one may be lost on the way.
OVERLAP_OF_APP: Final = 300
OVERLAP_OF_GATEWAY: Final = _DAY


class TokenError(ValueError):
    """What was asked for cannot be; the text names the field, the value and the remedy."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token, shown this once; `expires` in UTC seconds."""

    id: int
    token: str
    scopes: list[str]
    expires: int


def issue(
    engine: Engine, user: int, *, name: str, scopes: Collection[str] | None, now: float, days: int = DAYS, actor: str
) -> Issued:
    """Return a new token of a person's app.

    Parameters
    ----------
    engine : the store
    user : whose
    name : what the person knows it by, such as the phone's name
    scopes : rights that it carries, ``None`` for all of theirs
    now : UTC seconds
    days : how long it lasts
    actor : who does it

    Raises
    ------
    TokenError
        if there is no such person, or they do not have such a right
    """
    token = "vu_" + secrets.token_urlsafe(32)
    with writing(engine) as session:
        owner = session.get(User, user)
        if owner is None or owner.disabled is not None:
            raise TokenError(f"user is {user}, who cannot sign in; give somebody who can")
        have = RIGHTS[Role(owner.role)]
        wanted = sorted(have) if scopes is None else sorted(set(scopes))
        beyond = [name for name in wanted if name not in {right.value for right in have}]
        if beyond:
            raise TokenError(
                f"scopes has {beyond[0]!r:.40}, which this role does not have; give some of {', '.join(sorted(have))}"
            )
        row = UserToken(
            digest=digest(token),
            user_id=user,
            name=name[:80],
            scopes=[str(Right(name)) for name in wanted],
            created=int(now),
            expires=int(now) + days * _DAY,
        )
        session.add(row)
        session.execute(delete(UserToken).where(UserToken.expires <= int(now)))
        session.flush()
        audit.append(
            session.connection(),
            now=now,
            actor=actor,
            action="token.issued",
            subject=f"user:{user}",
            cooperative=owner.cooperative_id,
            token=row.id,
            scopes=row.scopes,
        )
        session.commit()
        return Issued(row.id, token, row.scopes, row.expires)


def rotate(engine: Engine, token: str, now: float) -> Issued | None:
    """Return a new token in place of an app's, which ends in `OVERLAP_OF_APP` seconds; ``None`` if it is no token in force."""
    with ScopedSession(engine, Scope.everything()) as session:
        held = session.scalar(select(UserToken).where(UserToken.digest == digest(token), UserToken.expires > int(now)))
    if held is None:
        return None
    days = max(1, (held.expires - held.created) // _DAY)
    issued = issue(engine, held.user_id, name=held.name, scopes=held.scopes, now=now, days=days, actor=f"user:{held.user_id}")
    with writing(engine) as session:
        ends = min(held.expires, int(now) + OVERLAP_OF_APP)
        session.execute(update(UserToken).where(UserToken.id == held.id).values(expires=ends))
        session.commit()
    return issued


def of_user(engine: Engine, user: int, now: float) -> list[UserToken]:
    """Return a person's tokens that are in force, the newest first."""
    statement = select(UserToken).where(UserToken.user_id == user, UserToken.expires > int(now)).order_by(UserToken.id.desc())
    with ScopedSession(engine, Scope.everything()) as session:
        return list(session.scalars(statement))


def revoke(engine: Engine, user: int, token: int, *, now: float, actor: str) -> bool:
    """End one of a person's tokens; return whether it was theirs."""
    with writing(engine) as session:
        held = session.get(UserToken, token)
        if held is None or held.user_id != user:
            return False
        owner = session.get_one(User, user)
        session.delete(held)
        audit.append(
            session.connection(),
            now=now,
            actor=actor,
            action="token.revoked",
            subject=f"user:{user}",
            cooperative=owner.cooperative_id,
            token=token,
        )
        session.commit()
        return True


def rotate_gateway(
    engine: Engine, gateway: str, *, now: float, actor: str, scope: Scope, overlap: int = OVERLAP_OF_GATEWAY
) -> str:
    """Return a gateway's new token; those before end in `overlap` seconds, at once with 0.

    Raises
    ------
    TokenError
        if there is no such gateway in `scope`
    """
    with ScopedSession(engine, scope) as session:
        found = session.scalar(select(Gateway).where(Gateway.id == gateway))
    if found is None:
        raise TokenError(f"gateway is {gateway!r:.60}, which is none here; give the id of one")
    token = "vg_" + secrets.token_urlsafe(32)
    with writing(engine) as session:
        ends = int(now) + overlap
        in_force = or_(GatewayToken.expires.is_(None), GatewayToken.expires > ends)
        session.execute(update(GatewayToken).where(GatewayToken.gateway_id == gateway, in_force).values(expires=ends))
        session.execute(delete(GatewayToken).where(GatewayToken.gateway_id == gateway, GatewayToken.expires <= int(now)))
        session.add(GatewayToken(digest=digest(token), gateway_id=gateway, expires=None))
        session.flush()
        audit.append(
            session.connection(),
            now=now,
            actor=actor,
            action="gateway_token.rotated",
            subject=f"gateway:{gateway}",
            cooperative=found.cooperative_id,
            overlap=overlap,
        )
        session.commit()
    return token
