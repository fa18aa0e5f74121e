"""``vuong cloud import FARM.toml``: co-ops, ponds, nodes, gateways and people out of one file; any number of times, with one effect."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, delete, select

from cloud.accounts.people import INITIAL_DAYS, LONGEST, PersonError, check_password, shortest
from cloud.accounts.secrets import digest, hash_password, password_fits
from cloud.accounts.tables import GatewayToken, Role, User
from cloud.farms.stays import place
from cloud.farms.tables import Cooperative, Gateway, Pond
from cloud.tenancy import Scope, ScopedSession
from vuong.clock import Clock, SystemClock
from vuong.i18n import DEFAULT, LANGUAGES
from vuong.limits import SPECIES, limits_of

_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_EUI: Final = re.compile(r"[0-9a-f]{16}")
_SECTIONS: Final = ("cooperatives", "gateways", "ponds", "nodes", "users")


class FarmError(ValueError):
    """All mistakes of a farm file, a line each: field, value, remedy."""


@dataclass(slots=True)
class Entry:
    """One table of the file, read field by field; what is wrong is noted and the reading goes on."""

    where: str
    fields: dict[str, Any]
    mistakes: list[str]
    read: set[str] = field(default_factory=set)

    def note(self, name: str, text: str) -> None:
        """Note a mistake."""
        self.mistakes.append(f"{self.where}.{name} {text}")

    def take(self, name: str, fits: Callable[[Any], bool], expected: str, default: object = ..., *, secret: bool = False) -> Any:  # noqa: ANN401
        """Return a field's value; a missing or unfit one is noted (a secret one without its value)."""
        self.read.add(name)
        if name not in self.fields:
            if default is ...:
                self.note(name, f"is missing; give {expected}")
            return None if default is ... else default
        value = self.fields[name]
        if not fits(value):
            self.note(name, f"is not usable; give {expected}" if secret else f"is {value!r}; give {expected}")
            return None if default is ... else default
        return value

    def id(self, name: str = "id") -> str:
        """Return an identity."""
        return str(
            self.take(name, lambda v: isinstance(v, str) and _ID.fullmatch(v) is not None, "lower-case letters, digits and . _ -")
        )

    def text(self, name: str, default: object = ...) -> str:
        """Return a text for people."""
        return str(
            self.take(name, lambda v: isinstance(v, str) and 0 < len(v.strip()) <= 120, "a text of up to 120 letters", default)
        )

    def number(self, name: str, low: float, high: float) -> float | None:
        """Return an optional number."""

        def fits(value: object) -> bool:
            return (
                isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and low <= value <= high
            )

        value = self.take(name, fits, f"a number from {low:g} to {high:g}", None)
        return None if value is None else float(value)

    def choice(self, name: str, choices: tuple[str, ...], default: object = ...) -> str:
        """Return one of some words."""
        return str(self.take(name, lambda v: v in choices, "one of " + ", ".join(choices), default))

    def done(self) -> None:
        """Note the fields that nobody asked for."""
        for name in self.fields.keys() - self.read:
            self.note(name, f"is not known; known are {', '.join(sorted(self.read))}")


def load(path: Path) -> dict[str, Any]:
    """Return the document of a farm file.

    Raises
    ------
    FarmError
        if it cannot be read or is no TOML
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FarmError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FarmError(f"{path} is not TOML: {error}") from None


def import_farm(engine: Engine, document: dict[str, Any], base: Path, clock: Clock | None = None) -> dict[str, int]:
    """Store what a farm file says and return how many of each; all of it or, with any mistake, nothing.

    Parameters
    ----------
    engine : a migrated store
    document : the file's content
    base : folder from which ``token_file`` is looked up
    clock : the time of readings, from which on a node that the file moves is at its new pond; the machine's where it is left out

    Raises
    ------
    FarmError
        with every mistake of the file
    """
    mistakes = [f"{name} is not known; known are {', '.join(_SECTIONS)}" for name in document.keys() - set(_SECTIONS)]
    now = (clock or SystemClock()).now()
    entries = {section: _entries(document, section, mistakes) for section in _SECTIONS}
    with ScopedSession(engine.execution_options(writes=True), Scope.everything()) as session:
        for entry in entries["cooperatives"]:
            session.merge(Cooperative(id=entry.id(), name=entry.text("name")))
        _check(mistakes, entries["cooperatives"])
        session.flush()
        coops = set(session.scalars(select(Cooperative.id)))
        for entry in entries["gateways"]:
            _gateway(session, entry, coops, base)
        for entry in entries["ponds"]:
            _pond(session, entry, coops)
        session.flush()
        for entry in entries["nodes"]:
            _node(session, entry, now)
        for entry in entries["users"]:
            _user(session, entry, coops, now)
        _check(mistakes, *(entries[section] for section in _SECTIONS[1:]))
        session.commit()
    return {section: len(found) for section, found in entries.items()}


def _entries(document: dict[str, Any], section: str, mistakes: list[str]) -> list[Entry]:
    rows = document.get(section, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        mistakes.append(f"{section} is not a list of tables; write [[{section}]]")
        return []
    return [Entry(f"{section}[{index}]", row, mistakes) for index, row in enumerate(rows, 1)]


def _check(mistakes: list[str], *groups: list[Entry]) -> None:
    for group in groups:
        for entry in group:
            entry.done()
    if mistakes:
        raise FarmError("\n".join(mistakes))


def _gateway(session: ScopedSession, entry: Entry, coops: set[str], base: Path) -> None:
    gateway, coop = entry.id(), entry.choice("cooperative", tuple(sorted(coops)))
    name = entry.text("name", gateway)
    if "token_file" in entry.fields:
        file = base / entry.text("token_file")
        try:
            entry.fields["token"] = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            entry.note("token_file", f"is {str(file)!r}, which cannot be read ({error.strerror})")
    token = entry.take(
        "token",
        lambda v: isinstance(v, str) and len(v) >= 24,
        "a random token of 24 characters or more, or token_file",
        secret=True,
    )
    if entry.mistakes:
        return
    session.merge(Gateway(id=gateway, name=name, cooperative_id=coop))
    session.flush()
    session.execute(delete(GatewayToken).where(GatewayToken.gateway_id == gateway))
    session.merge(GatewayToken(digest=digest(token), gateway_id=gateway))


def _pond(session: ScopedSession, entry: Entry, coops: set[str]) -> None:
    pond = Pond(
        id=entry.id(),
        cooperative_id=entry.choice("cooperative", tuple(sorted(coops))),
        name=entry.text("name"),
        species=entry.choice("species", SPECIES),
        area=entry.number("area", 1, 1e7),
        depth=entry.number("depth", 0.1, 20),
        longitude=entry.number("longitude", -180, 180),
        latitude=entry.number("latitude", -90, 90),
        limits=entry.take("limits", lambda v: isinstance(v, dict), "a table of limits", {}),
    )
    if pond.species in SPECIES:
        try:
            limits_of(pond.species, pond.limits)
        except (ValueError, TypeError) as error:
            entry.note("limits", f"is not usable: {error}")
    if not entry.mistakes:
        session.merge(pond)


def _node(session: ScopedSession, entry: Entry, now: float) -> None:
    eui = entry.take("id", lambda v: isinstance(v, str) and _EUI.fullmatch(v) is not None, "an EUI-64: 16 lower-case hex digits")
    pond_id = entry.id("pond")
    if entry.mistakes:
        return
    pond = session.get(Pond, pond_id)
    if pond is None:
        entry.note("pond", f"is {pond_id!r}, which is no pond here; give the id of one")
        return
    place(session, eui, pond, now)
    session.flush()


def _usable(password: str, login: str, role: str) -> bool:
    try:
        check_password(password, login, role)
    except PersonError:
        return False
    return True


def _user(session: ScopedSession, entry: Entry, coops: set[str], now: float) -> None:
    login = entry.id("login")
    name, role = entry.text("name"), entry.choice("role", tuple(Role))
    language = entry.choice("language", LANGUAGES, DEFAULT)
    # A first password lets its owner in once, to choose their own, which later imports leave alone.
    first = "first_password" in entry.fields
    password = entry.take(
        "first_password" if first else "password",
        lambda v: isinstance(v, str) and _usable(v, login, role),
        f"{shortest(role)} to {LONGEST} characters that are not among those tried first",
        secret=True,
    )
    coop = entry.take("cooperative", lambda v: v in coops, "one of " + ", ".join(sorted(coops)), None)
    if role in set(Role) and Role(role).sees_all is (coop is not None):
        bound = "sees all co-ops; leave it out" if coop is not None else "belongs to one co-op; name it"
        entry.note("cooperative", f"is {coop!r}, but the role {role} {bound}")
    if entry.mistakes:
        return
    user = session.scalar(select(User).where(User.login == login)) or User(login=login, password="")
    user.name, user.role, user.cooperative_id, user.language = name, role, coop, language
    if not user.password or (not first and not password_fits(user.password, password)):
        user.password = hash_password(password)
        user.initial_until = int(now) + INITIAL_DAYS * 86_400 if first else None
    session.add(user)
    session.flush()
