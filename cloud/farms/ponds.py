"""Creating ponds and gateways and changing them."""

from __future__ import annotations

import math
import re
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from cloud.accounts.access import Work
from cloud.farms.outline import OutlineError, outline
from cloud.farms.tables import Cooperative, Gateway, Pond
from vuong.limits import SPECIES, limits_of

_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_RANGES: Final = {"area": (1, 1e7, "m²"), "depth": (0.1, 20, "m"), "longitude": (-180, 180, "°"), "latitude": (-90, 90, "°")}


class FieldError(ValueError):
    """A field cannot be used; the text names it, its value and the remedy."""


def _identity(value: object) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise FieldError(f"id is {value!r:.60}; give lower-case letters, digits and . _ -")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value.strip()) <= 120:
        raise FieldError("name is not usable; give a text of up to 120 letters on one line")
    return value.strip()


def change(work: Work, pond: Pond, given: dict[str, Any]) -> None:
    """Change what is given of a pond: name, species, area (m²), depth (m), longitude, latitude, limits, polygon.

    An outline without an area brings its own, and its middle.

    Raises
    ------
    FieldError
        naming the field that cannot be used; nothing is changed then
    """
    _set(pond, given)
    work.done("pond.changed", f"pond:{pond.id}", pond.cooperative_id, fields=sorted(given))


def _set(pond: Pond, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if name == "name":
            pond.name = _name(value)
        elif name == "species":
            if value not in SPECIES:
                raise FieldError(f"species is {value!r:.60}; give one of {', '.join(SPECIES)}")
            pond.species = value
        elif name in _RANGES:
            low, high, unit = _RANGES[name]
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if value is not None and not (number and low <= value <= high):
                raise FieldError(f"{name} is {value!r:.60}; give {low:g} to {high:g} {unit}")
            setattr(pond, name, value)
        elif name == "limits":
            try:
                limits_of(given.get("species", pond.species), value)
            except (ValueError, TypeError, AttributeError) as error:
                raise FieldError(f"limits is not usable: {error}") from None
            pond.limits = value
        elif name != "polygon":
            known = ("name", "species", *_RANGES, "limits", "polygon")
            raise FieldError(f"{name!r:.60} is not known; known are {', '.join(known)}")
    if "polygon" in given:
        _outline(pond, given)


def _outline(pond: Pond, given: dict[str, Any]) -> None:
    if given["polygon"] is None:
        pond.polygon = None
        return
    try:
        pond.polygon, area = outline(given["polygon"])
    except OutlineError as error:
        raise FieldError(str(error)) from None
    if given.get("area") is None:
        pond.area = round(area, 1)
    if given.get("longitude") is None or given.get("latitude") is None:
        corners = pond.polygon["coordinates"][0][:-1]
        pond.longitude, pond.latitude = (round(sum(c[i] for c in corners) / len(corners), 6) for i in (0, 1))


def create(work: Work, given: dict[str, Any]) -> Pond:
    """Create a pond; `given` has ``id``, ``cooperative``, ``name``, ``species`` and what `change` takes.

    Raises
    ------
    FieldError
        naming the field that cannot be used
    """
    rest = dict(given)
    identity, coop = _identity(rest.pop("id", None)), rest.pop("cooperative", None)
    cooperative = work.session.scalar(select(Cooperative).where(Cooperative.id == coop)) if isinstance(coop, str) else None
    if cooperative is None:
        raise FieldError(f"cooperative is {coop!r:.60}; give the id of one of yours")
    missing = [name for name in ("name", "species") if name not in rest]
    if missing:
        raise FieldError(f"{missing[0]} is missing; give it")
    pond = Pond(id=identity, name="", species="", limits={}, cooperative_id=cooperative.id)
    _set(pond, rest)
    work.session.add(pond)
    try:
        work.session.flush()
    except IntegrityError:
        work.session.rollback()
        raise FieldError(f"id is {identity!r}, which a pond has already; give another") from None
    work.done("pond.created", f"pond:{pond.id}", pond.cooperative_id)
    return pond


def add_gateway(work: Work, identity: object, name: object, cooperative: object) -> Gateway:
    """Create a gateway; it has no token yet.

    Raises
    ------
    FieldError
        naming the field that cannot be used
    """
    own = _identity(identity)
    coop = work.session.scalar(select(Cooperative).where(Cooperative.id == cooperative)) if isinstance(cooperative, str) else None
    if coop is None:
        raise FieldError(f"cooperative is {cooperative!r:.60}; give the id of one of yours")
    gateway = Gateway(id=own, name=_name(name), cooperative_id=coop.id)
    work.session.add(gateway)
    try:
        work.session.flush()
    except IntegrityError:
        work.session.rollback()
        raise FieldError(f"id is {own!r}, which a gateway has already; give another") from None
    work.done("gateway.created", f"gateway:{own}", coop.id)
    return gateway
