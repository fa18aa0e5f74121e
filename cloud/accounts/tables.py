"""Users, their sessions, and the tokens of gateways."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import BigInteger, ColumnElement, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base
from cloud.tenancy import Owned
from vuong.i18n import DEFAULT


class Role(StrEnum):
    """What somebody is here for; the first three belong to one co-operative, the last two see all."""

    FARMER = "farmer"
    MANAGER = "manager"
    TECHNICIAN = "technician"
    OFFICIAL = "official"
    ADMINISTRATOR = "administrator"

    @property
    def sees_all(self) -> bool:
        """Whether the role is not bound to one co-operative."""
        return self in {Role.OFFICIAL, Role.ADMINISTRATOR}


class User(Base, Owned):
    """Somebody who can sign in; `password` is an argon2id hash."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[str]
    cooperative_id: Mapped[str | None] = mapped_column(ForeignKey("cooperatives.id"))
    password: Mapped[str]
    language: Mapped[str] = mapped_column(default=DEFAULT)

    @classmethod
    def within(cls, cooperatives: frozenset[str]) -> ColumnElement[bool]:
        """Return the condition that a user belongs to one of `cooperatives`."""
        return cls.cooperative_id.in_(cooperatives)


class SignIn(Base):
    """A session of a browser, known by the SHA-256 of its cookie; times are the machine's own."""

    __tablename__ = "sign_ins"

    digest: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    expires: Mapped[int] = mapped_column(BigInteger)


class GatewayToken(Base):
    """A gateway's token, known by its SHA-256: a random token needs no slow hash."""

    __tablename__ = "gateway_tokens"

    digest: Mapped[str] = mapped_column(primary_key=True)
    gateway_id: Mapped[str] = mapped_column(ForeignKey("gateways.id"), index=True)
