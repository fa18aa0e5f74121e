"""Who may see what, by construction: a session carries a scope, and every statement that it runs is narrowed to that scope.

A statement that is not made of mapped classes cannot be narrowed, so a session refuses it. Work that has no reader (ingest, import, sign-in)
uses `Scope.everything` and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from sqlalchemy import ColumnElement, Engine, event
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria


class UnscopedError(RuntimeError):
    """A statement that no scope can narrow: a mistake of ours."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The co-operatives whose records somebody may see; ``None`` is all of them."""

    cooperatives: frozenset[str] | None

    @classmethod
    def everything(cls) -> Self:
        """Return the scope of officials, administrators and the system itself."""
        return cls(None)

    @classmethod
    def of(cls, *cooperatives: str) -> Self:
        """Return the scope of some co-operatives."""
        return cls(frozenset(cooperatives))


class Owned:
    """A table whose rows belong to a co-operative."""

    __abstract__ = True
    owned: ClassVar[list[type[Owned]]] = []

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if "__abstract__" not in cls.__dict__:
            Owned.owned.append(cls)

    @classmethod
    def within(cls, cooperatives: frozenset[str]) -> ColumnElement[bool]:
        """Return the condition that a row belongs to one of `cooperatives`."""
        raise NotImplementedError

    def owner(self) -> str | None:
        """Return the co-operative that a row belongs to."""
        found: str | None = getattr(self, "cooperative_id", None)
        return found


class Common:
    """A table that everybody may read and only `Scope.everything` may change, such as the administrative units."""

    __abstract__ = True


class ScopedSession(Session):
    """A session that sees only its scope."""

    def __init__(self, engine: Engine, scope: Scope) -> None:
        super().__init__(engine, expire_on_commit=False)
        self.scope = scope


@event.listens_for(ScopedSession, "do_orm_execute")
def _narrow(state: ORMExecuteState) -> None:
    session = state.session
    assert isinstance(session, ScopedSession)  # noqa: S101
    cooperatives = session.scope.cooperatives
    if cooperatives is None:
        return
    if not state.is_orm_statement:
        raise UnscopedError("a scoped session runs statements of mapped classes only; this one cannot be narrowed to a co-op")
    unowned = [
        mapper.class_.__name__
        for mapper in state.all_mappers
        if not issubclass(mapper.class_, (Owned, Common) if state.is_select else Owned)
    ]
    if unowned:
        raise UnscopedError(f"{', '.join(unowned)} belongs to no co-op, so a session of one cannot read or change it")
    if state.is_insert:
        raise UnscopedError("a scoped session adds objects, which are checked one by one; it runs no INSERT of its own")
    if not state.is_column_load and not state.is_relationship_load:
        criteria = [with_loader_criteria(table, table.within(cooperatives), include_aliases=True) for table in Owned.owned]
        state.statement = state.statement.options(*criteria)


@event.listens_for(ScopedSession, "before_flush")
def _guard(session: ScopedSession, context: object, instances: object) -> None:  # noqa: ARG001 - SQLAlchemy's signature
    """Refuse to write a row into, or take one from, a co-op outside the scope."""
    cooperatives = session.scope.cooperatives
    if cooperatives is None:
        return
    for row in (*session.new, *session.dirty, *session.deleted):
        if not isinstance(row, Owned) or row.owner() not in cooperatives:
            raise UnscopedError(f"{type(row).__name__} is not in the scope of this session, so it cannot be written here")
