"""What every request needs: settings, store, clocks; and who asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Final

from fastapi import Depends, HTTPException, Request
from sqlalchemy import Engine

from cloud.accounts.oidc import Provider
from cloud.accounts.policy import Policy
from cloud.accounts.roles import GATEWAY_RIGHTS, Right
from cloud.accounts.secrets import Seal
from cloud.accounts.service import Principal, person, person_of_token, sender
from cloud.telemetry.ingest import Sender
from cloud.tenancy import Scope, ScopedSession
from vuong.clock import Clock, SystemClock
from vuong.contract import api as contract

COOKIE: Final = "vuong_session"
# What a page asks by itself to stay up to date: nobody need be there for it, so it keeps no session alive.
REFRESH_HEADER: Final = "X-Vuong-Refresh"
_BY_ITSELF: Final = frozenset({contract.ROOT + "/live", contract.EVENTS})


@dataclass(frozen=True, slots=True)
class Context:
    """What one running cloud has.

    Attributes
    ----------
    engine : the store
    key : signs form tokens, seals the secrets of second factors
    older_keys : those before it, which only open what they sealed
    clock : the time of readings and alarms; a demo's runs fast
    wall : the machine's time, by which sign-ins end
    policy : who needs a second factor, when a quiet session ends
    oidc : the OpenID provider through which people may sign in
    mirrored : new samples also go to the mirror's outbox
    hosts : names by which it may be asked for, all where there are none
    """

    engine: Engine
    key: bytes = field(repr=False)
    clock: Clock = field(default_factory=SystemClock)
    wall: Clock = field(default_factory=SystemClock)
    policy: Policy = field(default_factory=Policy)
    oidc: Provider | None = None
    mirrored: bool = False
    hosts: tuple[str, ...] = ()
    older_keys: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def seal(self) -> Seal:
        """What closes and opens secrets that must be read again."""
        return Seal(self.key, *self.older_keys)


class NotSignedInError(Exception):
    """A page was asked for by nobody in particular: they are sent to sign in."""


def context(request: Request) -> Context:
    """Return the running cloud's context."""
    found: Context = request.app.state.context
    return found


Cloud = Annotated[Context, Depends(context)]


def cookie_name(request: Request, name: str = COOKIE) -> str:
    """Return what a cookie is called: over https with the prefix by which browsers bind it to this very host (RFC 6265bis)."""
    return f"__Host-{name}" if request.url.scheme == "https" else name


def session_cookie(request: Request) -> str:
    """Return the cookie of the browser's session, empty where there is none."""
    return request.cookies.get(cookie_name(request), "")


def signed_in(request: Request, cloud: Context) -> Principal | None:
    """Return the person whose browser asks, ``None`` where nobody is signed in."""
    cookie = session_cookie(request)
    by_itself = request.url.path in _BY_ITSELF or REFRESH_HEADER in request.headers
    found = person(cloud.engine, cookie, cloud.wall.now(), cloud.policy, active=not by_itself) if cookie else None
    return None if found is None else _known(request, found)


def _known(request: Request, principal: Principal) -> Principal:
    """Tell the log who asks (`cloud.operations.logs`)."""
    request.state.who = principal.actor
    return principal


def bearer(request: Request) -> str | None:
    """Return the token of an Authorization header, ``None`` where there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def require_sender(request: Request, cloud: Cloud) -> Sender:
    """Return the gateway that asks; 401 for anybody else."""
    token = bearer(request)
    found = sender(cloud.engine, token, cloud.wall.now()) if token else None
    if found is None:
        raise HTTPException(401, "send a gateway's token: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})
    return found


def require_principal(request: Request, cloud: Cloud) -> Principal:
    """Return who asks: by bearer token a gateway or a person's app, by cookie a person; 401 for anybody else."""
    token = bearer(request)
    if token is not None:
        owner = person_of_token(cloud.engine, token, cloud.wall.now())
        if owner:
            return _known(request, owner)
        gateway = sender(cloud.engine, token, cloud.wall.now())
        if gateway:
            own = Scope.of(gateway.cooperative)
            return _known(request, Principal(gateway.gateway, "gateway", own, None, gateway.cooperative, GATEWAY_RIGHTS))
    else:
        somebody = signed_in(request, cloud)
        if somebody:
            return somebody
    raise HTTPException(401, "sign in, or send a token: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})


Asker = Annotated[Principal, Depends(require_principal)]


def demand(principal: Principal, right: Right) -> None:
    """Answer 403 to who may not do something."""
    if not principal.may(right):
        raise HTTPException(403, f"this needs the right {right.value!r}, which {principal.role} or this token does not have")


def records(cloud: Cloud, principal: Asker) -> Iterator[ScopedSession]:
    """Give the asker's view of the store: every statement in it is narrowed to their scope; 403 for a token that does not carry ``read``."""
    demand(principal, Right.READ)
    with ScopedSession(cloud.engine, principal.scope) as session:
        yield session


Records = Annotated[ScopedSession, Depends(records)]


def require_visitor(request: Request, cloud: Cloud) -> Principal:
    """Return the signed-in person who looks at a page; others are sent to sign in."""
    somebody = signed_in(request, cloud)
    if somebody is None:
        raise NotSignedInError
    return somebody


Visitor = Annotated[Principal, Depends(require_visitor)]


def visible(cloud: Cloud, visitor: Visitor) -> Iterator[ScopedSession]:
    """Give the visitor's view of the store, for pages."""
    with ScopedSession(cloud.engine, visitor.scope) as session:
        yield session


Visible = Annotated[ScopedSession, Depends(visible)]
