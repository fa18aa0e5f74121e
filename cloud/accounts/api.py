"""``/api/v1/me``, tokens of apps, a gateway's own token, people and the audit log."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import select

from cloud.accounts import factors, people, personal, service, steps, tokens
from cloud.accounts.access import ApiWriter, Work
from cloud.accounts.roles import Right
from cloud.accounts.secrets import digest
from cloud.accounts.tables import AuditEntry, User
from cloud.context import Asker, Cloud, Context, Records, bearer, demand, require_sender
from cloud.telemetry.ingest import Sender
from cloud.tenancy import Scope
from vuong.contract import api as contract

router = APIRouter(tags=["accounts"])


class Me(BaseModel):
    """Who asks; `cooperative` is ``null`` for those who see all."""

    name: str
    role: str
    cooperative: str | None
    language: str | None
    rights: list[str]


class Credentials(BaseModel):
    """What an app sends once.

    `name` is the device's, `scopes` the rights that its token shall carry (all of the person's without), `code` the second factor's of who has one.
    """

    login: str = Field(max_length=200)
    password: str = Field(max_length=1000)
    name: str = Field("app", min_length=1, max_length=60)
    scopes: list[str] | None = Field(None, max_length=40)
    code: str | None = Field(None, max_length=100)


class Token(BaseModel):
    """A token, told this once; `expires` in UTC seconds."""

    token: str
    role: str
    scopes: list[str]
    expires: int


class TokenSummary(BaseModel):
    """A token that is in force."""

    id: int
    name: str
    scopes: list[str]
    created: int
    expires: int


class GatewayTokenReply(BaseModel):
    """A gateway's new token; the old one works for `overlap` more seconds."""

    token: str
    overlap: int


class Confirmation(BaseModel):
    """The password again, before something that cannot be undone."""

    password: str = Field(max_length=1000)


class Kept(BaseModel):
    """What is kept after a deletion, and why."""

    kept: dict[str, str]


class Person(BaseModel):
    """Somebody of a co-op."""

    login: str
    name: str
    role: str
    cooperative: str | None
    disabled: bool


class NewPerson(BaseModel):
    """Somebody to be created."""

    login: str = Field(max_length=63)
    name: str = Field(max_length=120)
    role: str = Field(max_length=20)
    cooperative: str | None = Field(None, max_length=63)
    password: str = Field(max_length=1000)
    language: str = Field("vi", max_length=2)


class AuditRow(BaseModel):
    """An entry of the audit log."""

    id: int
    time: int
    actor: str
    action: str
    subject: str
    cooperative: str | None
    detail: dict[str, Any]
    hash: str


@router.get(contract.ME)
def get_me(asker: Asker) -> Me:
    """Return who asks."""
    rights = sorted(right.value for right in asker.rights)
    return Me(name=asker.name, role=asker.role, cooperative=asker.cooperative, language=asker.language, rights=rights)


def _own(asker: service.Principal) -> int:
    if asker.user is None:
        raise HTTPException(403, "a gateway has no account; sign in as a person")
    return asker.user


def _require_all_steps(cloud: Context, user: User, code: str | None, now: float) -> None:
    """Refuse who owes more than a password: an app is asked for what a browser is (OWASP ASVS 1.2.4)."""
    step = steps.needed(cloud.engine, user, cloud.policy, steps.BY_PASSWORD, proved=False)
    if step is steps.Step.CODE:
        if code is None:
            raise HTTPException(401, "code is missing; send the present code of your second factor")
        if not factors.prove(cloud.engine, user.id, code, cloud.seal, now):
            raise HTTPException(401, "code is wrong or was used; send the next one")
        step = steps.needed(cloud.engine, user, cloud.policy, steps.BY_PASSWORD, proved=True)
    if step is not None:
        what = "choose your own password" if step is steps.Step.PASSWORD else "set up your second factor"
        raise HTTPException(403, f"sign in with a browser first and {what}")


@router.post(contract.DEVICES, status_code=201)
def post_device(wanted: Credentials, request: Request, cloud: Cloud) -> Token:
    """Sign an app in by login and password (and the second factor's code, where there is one): give it a token."""
    now, address = cloud.wall.now(), request.client.host if request.client else ""
    try:
        user = service.authenticate(cloud.engine, wanted.login, wanted.password, address, now)
        if user is None:
            raise HTTPException(401, "login or password is wrong")
        _require_all_steps(cloud, user, wanted.code, now)
    except service.LockedError as error:
        raise HTTPException(429, str(error), {"Retry-After": str(int(error.seconds) + 1)}) from None
    try:
        issued = tokens.issue(cloud.engine, user.id, name=wanted.name, scopes=wanted.scopes, now=now, actor=f"user:{user.id}")
    except tokens.TokenError as error:
        raise HTTPException(422, str(error)) from None
    return Token(token=issued.token, role=user.role, scopes=issued.scopes, expires=issued.expires)


@router.get(contract.DEVICES)
def get_devices(asker: Asker, cloud: Cloud) -> list[TokenSummary]:
    """Return the asker's own tokens."""
    return [
        TokenSummary(id=t.id, name=t.name, scopes=t.scopes, created=t.created, expires=t.expires)
        for t in tokens.of_user(cloud.engine, _own(asker), cloud.wall.now())
    ]


@router.post(contract.DEVICES + "/rotate", status_code=201)
def rotate_device(request: Request, asker: Asker, cloud: Cloud) -> Token:
    """Give the asking app a new token; the one that it asked with works for five more minutes."""
    issued = tokens.rotate(cloud.engine, bearer(request) or "", cloud.wall.now())
    if issued is None:
        raise HTTPException(403, "ask with the token that is to be rotated: Authorization: Bearer …")
    return Token(token=issued.token, role=asker.role, scopes=issued.scopes, expires=issued.expires)


@router.delete(contract.DEVICES + "/me", status_code=204)
def sign_out_device(request: Request, asker: Asker, cloud: Cloud) -> None:
    """End the token that the asking app asks with."""
    asked, now = digest(bearer(request) or ""), cloud.wall.now()
    own = next((token.id for token in tokens.of_user(cloud.engine, _own(asker), now) if token.digest == asked), None)
    if own is None:
        raise HTTPException(403, "ask with the token that is to end: Authorization: Bearer …")
    tokens.revoke(cloud.engine, _own(asker), own, now=now, actor=asker.actor)


@router.delete(contract.DEVICES + "/{token}", status_code=204)
def delete_device(token: int, work: Annotated[Work, Depends(ApiWriter(Right.READ))]) -> None:
    """End one of the asker's own tokens."""
    me, cloud = work.principal, work.cloud
    work.session.rollback()
    if not 0 <= token < 2**31 or not tokens.revoke(cloud.engine, _own(me), token, now=cloud.wall.now(), actor=me.actor):
        raise HTTPException(404, f"token {token} is not one of yours")


@router.post(contract.ROOT + "/gateway/token", status_code=201)
def rotate_gateway_token(sender: Annotated[Sender, Depends(require_sender)], cloud: Cloud) -> GatewayTokenReply:
    """Give the asking gateway a new token; the one that it asked with works for one more day."""
    token = tokens.rotate_gateway(
        cloud.engine,
        sender.gateway,
        now=cloud.wall.now(),
        actor=f"gateway:{sender.gateway}",
        scope=Scope.of(sender.cooperative),
    )
    return GatewayTokenReply(token=token, overlap=tokens.OVERLAP_OF_GATEWAY)


@router.get(contract.ME + "/data")
def get_my_data(asker: Asker, cloud: Cloud) -> dict[str, Any]:
    """Return everything that is held about the asker."""
    return personal.export(cloud.engine, _own(asker), now=cloud.wall.now(), actor=asker.actor)


@router.post(contract.ME + "/delete")
def delete_me(confirmed: Confirmation, request: Request, work: Annotated[Work, Depends(ApiWriter(Right.READ))]) -> Kept:
    """Delete what names the asker, who confirms it with the password; tell what is kept and why."""
    cloud, user = work.cloud, _own(work.principal)
    work.session.rollback()
    own = people.login_of(cloud.engine, user)
    address = request.client.host if request.client else ""
    try:
        found = service.authenticate(cloud.engine, own, confirmed.password, address, cloud.wall.now())
    except service.LockedError as error:
        raise HTTPException(429, str(error), {"Retry-After": str(int(error.seconds) + 1)}) from None
    if found is None:
        raise HTTPException(403, "the password is wrong; nothing was deleted")
    return Kept(kept=personal.delete(cloud.engine, user, now=cloud.wall.now(), actor=work.principal.actor))


@router.get(contract.ROOT + "/people")
def get_people(asker: Asker, records: Records) -> list[Person]:
    """Return the people of the asker's scope; needs the right ``people``."""
    demand(asker, Right.PEOPLE)
    return [
        Person(login=u.login, name=u.name, role=u.role, cooperative=u.cooperative_id, disabled=u.disabled is not None)
        for u in people.everybody(records)
    ]


@router.post(contract.ROOT + "/people", status_code=201)
def post_person(person: NewPerson, work: Annotated[Work, Depends(ApiWriter(Right.PEOPLE))]) -> Person:
    """Create somebody, whose password is to be changed at the first sign-in; who is bound to a co-op creates people of that co-op only."""
    asker, cloud = work.principal, work.cloud
    work.session.rollback()
    within = asker.scope.cooperatives
    if within is not None and person.cooperative not in within:
        raise HTTPException(403, f"cooperative is {person.cooperative!r:.60}; you may create people of {', '.join(within)} only")
    try:
        people.add(cloud.engine, **person.model_dump(), now=cloud.wall.now(), actor=asker.actor, initial=True)
    except people.PersonError as error:
        raise HTTPException(422, str(error)) from None
    return Person(
        login=person.login.strip().lower(),
        name=person.name.strip(),
        role=person.role,
        cooperative=person.cooperative,
        disabled=False,
    )


@router.get(contract.ROOT + "/audit")
def get_audit(
    asker: Asker,
    records: Records,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="entries with a greater id")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[AuditRow]:
    """Return the entries that concern the asker's scope, the oldest first; needs the right ``audit``."""
    demand(asker, Right.AUDIT)
    found = records.scalars(select(AuditEntry).where(AuditEntry.id > after).order_by(AuditEntry.id).limit(limit))
    return [
        AuditRow(
            id=row.id,
            time=row.time,
            actor=row.actor,
            action=row.action,
            subject=row.subject,
            cooperative=row.cooperative_id,
            detail=row.detail,
            hash=row.hash,
        )
        for row in found
    ]
