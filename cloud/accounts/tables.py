"""People, how they come in, gateways' tokens, failed attempts, and the audit log."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, ColumnElement, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.accounts.roles import Role
from cloud.database import Base
from cloud.tenancy import Owned
from vuong.i18n import DEFAULT

__all__ = [
    "Attempt",
    "AuditEntry",
    "GatewayToken",
    "Identity",
    "OidcFlow",
    "RecoveryCode",
    "Role",
    "SecondFactor",
    "SignIn",
    "SignInStep",
    "User",
    "UserToken",
]


class User(Base, Owned):
    """Somebody who can sign in; `password` is an argon2id hash, `disabled` when they were shut out (UTC seconds).

    `initial_until`: somebody else chose the password; until then it lets its owner in once, to choose their own. ``None`` for one's own.
    """

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[str]
    cooperative_id: Mapped[str | None] = mapped_column(ForeignKey("cooperatives.id"))
    password: Mapped[str]
    language: Mapped[str] = mapped_column(default=DEFAULT)
    disabled: Mapped[int | None] = mapped_column(BigInteger)
    initial_until: Mapped[int | None] = mapped_column(BigInteger)

    @classmethod
    def within(cls, cooperatives: frozenset[str]) -> ColumnElement[bool]:
        """Return the condition that a user belongs to one of `cooperatives`."""
        return cls.cooperative_id.in_(cooperatives)


class SignIn(Base):
    """A session of a browser, known by the SHA-256 of its cookie; times are the machine's own, `seen` is when its person last did something."""

    __tablename__ = "sign_ins"

    digest: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    expires: Mapped[int] = mapped_column(BigInteger)
    seen: Mapped[int] = mapped_column(BigInteger)


class SignInStep(Base):
    """A sign-in that is under way: who has proved something, but not yet all; known by the SHA-256 of its cookie, never a session."""

    __tablename__ = "sign_in_steps"

    digest: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    how: Mapped[str]
    proved: Mapped[bool]
    target: Mapped[str]
    expires: Mapped[int] = mapped_column(BigInteger)


class SecondFactor(Base):
    """What makes somebody's one-time codes (RFC 6238): the secret, sealed; `confirmed` when they first gave a code of it.

    `step` is the newest time step whose code was taken: it and those before it are taken no more.
    """

    __tablename__ = "second_factors"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    secret: Mapped[str]
    created: Mapped[int] = mapped_column(BigInteger)
    confirmed: Mapped[int | None] = mapped_column(BigInteger)
    step: Mapped[int] = mapped_column(BigInteger, default=0)


class RecoveryCode(Base):
    """A code that stands in once for a lost second factor, known by its SHA-256."""

    __tablename__ = "recovery_codes"

    digest: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)


class UserToken(Base):
    """A person's token for an app, known by its SHA-256; `scopes` are the rights that it carries of theirs."""

    __tablename__ = "user_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created: Mapped[int] = mapped_column(BigInteger)
    expires: Mapped[int] = mapped_column(BigInteger)


class GatewayToken(Base):
    """A gateway's token, known by its SHA-256: a random token needs no slow hash. `expires` is ``None`` for the one in force."""

    __tablename__ = "gateway_tokens"

    digest: Mapped[str] = mapped_column(primary_key=True)
    gateway_id: Mapped[str] = mapped_column(ForeignKey("gateways.id"), index=True)
    expires: Mapped[int | None] = mapped_column(BigInteger)


class Attempt(Base):
    """How often a key (a hashed login or address) was tried since `since`, and until when it is shut out."""

    __tablename__ = "attempts"

    key: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    since: Mapped[int] = mapped_column(BigInteger)
    locked_until: Mapped[int] = mapped_column(BigInteger)


class Identity(Base):
    """Who somebody is at an OpenID provider: its issuer and the subject that it gave them."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    issuer: Mapped[str]
    subject: Mapped[str]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)


class OidcFlow(Base):
    """A sign-in that is under way at an OpenID provider; used once."""

    __tablename__ = "oidc_flows"

    state: Mapped[str] = mapped_column(primary_key=True)
    browser: Mapped[str]
    nonce: Mapped[str]
    verifier: Mapped[str]
    target: Mapped[str]
    expires: Mapped[int] = mapped_column(BigInteger)


class AuditEntry(Base, Owned):
    """Who did what: only ever added to (triggers refuse the rest), each entry chained to the one before (`cloud.chain`).

    People stand in it by number, never by name, so that a name can be forgotten and the chain stays whole.
    """

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    time: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(index=True)
    action: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    cooperative_id: Mapped[str | None] = mapped_column(index=True)
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
    previous: Mapped[str]
    hash: Mapped[str]

    @classmethod
    def within(cls, cooperatives: frozenset[str]) -> ColumnElement[bool]:
        """Return the condition that an entry concerns one of `cooperatives`."""
        return cls.cooperative_id.in_(cooperatives)
