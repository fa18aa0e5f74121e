"""The ladder of a pond: steps in time, people and ways to reach them; read out of the gateway's TOML file.

Addresses hold tokens and telephone numbers: they lie in files of their own, read at each sending, never in the configuration or a log.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.fields import ConfigError, Table
from vuong.alarms import Priority
from vuong.i18n import LANGUAGES, VIETNAM, moment

LONGEST: Final = 24 * 60  # minutes after an alarm at which a last step may come
SIREN: Final = "siren"  # ways that need no person
LAN: Final = "lan"


@dataclass(frozen=True, slots=True)
class Via:
    """One way to reach a person: an address of apprise's (`url_file`) or of a plain HTTP hook (`hook_file`)."""

    name: str
    url_file: Path | None
    hook_file: Path | None


@dataclass(frozen=True, slots=True)
class Contact:
    """A person, a neighbour or the co-op's office."""

    id: str
    name: str
    language: str
    via: tuple[Via, ...]


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of the day (minutes after midnight at the pond) in which priorities from `silences` on wait; never the siren's."""

    begin: int
    end: int
    silences: Priority

    def holds(self, now: float, priority: Priority) -> bool:
        """Return whether an alarm of this priority waits now."""
        if priority is Priority.SIREN or priority < self.silences:
            return False
        hour, minute = moment(now, "%H:%M", VIETNAM).split(":")
        at = 60 * int(hour) + int(minute)
        return self.begin <= at < self.end if self.begin <= self.end else at >= self.begin or at < self.end


@dataclass(frozen=True, slots=True)
class Step:
    """What happens `after` seconds without an acknowledgement, to alarms at least as urgent as `least`."""

    after: int
    least: Priority
    siren: bool
    lan: bool
    contacts: tuple[str, ...]
    via: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ladder:
    """Steps in order of time, for the ponds named; for all others where it names none."""

    id: str
    ponds: tuple[str, ...]
    steps: tuple[Step, ...]
    quiet: Quiet | None


@dataclass(frozen=True, slots=True)
class SirenRelay:
    """The relay of the siren or light: a GPIO pin by Broadcom number; it sounds for `longest` seconds at a stretch."""

    pin: int
    active_high: bool
    longest: int


@dataclass(frozen=True, slots=True)
class Escalation:
    """All ladders of a gateway."""

    ladders: tuple[Ladder, ...] = ()
    contacts: dict[str, Contact] | None = None
    siren: SirenRelay | None = None

    def of(self, pond: str) -> Ladder | None:
        """Return the ladder of a pond."""
        named = next((ladder for ladder in self.ladders if pond in ladder.ponds), None)
        return named or next((ladder for ladder in self.ladders if not ladder.ponds), None)

    def contact(self, name: str) -> Contact | None:
        """Return a contact by id."""
        return (self.contacts or {}).get(name)


def _priority(table: Table, name: str, default: Priority) -> Priority:
    said = table.text(name, default.name.lower())
    if said.upper() not in Priority.__members__:
        raise ConfigError(f"{table.path}.{name} is {said!r}; give one of {', '.join(p.name.lower() for p in Priority)}")
    return Priority[said.upper()]


def _minute(table: Table, name: str) -> int:
    said = table.text(name)
    hour, colon, minute = said.partition(":")
    if not (colon and hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60):
        raise ConfigError(f"{table.path}.{name} is {said!r}; give a time of the day like 21:00")
    return 60 * int(hour) + int(minute)


def _contact(values: Any, path: str, base: Path) -> Contact:  # noqa: ANN401 - whatever TOML held
    table = Table(values, path, ("id", "name", "language", "via"))
    name, language, via = table.text("id"), table.text("language", "vi"), list[Via]()
    if language not in LANGUAGES:
        raise ConfigError(f"{path}.language is {language!r}; give one of {', '.join(LANGUAGES)}")
    for number, row in enumerate(table.tables("via"), 1):
        way = Table(row, f"{path}.via[{number}]", ("name", "url_file", "hook_file"))
        found = Via(way.text("name"), way.file("url_file", base, None), way.file("hook_file", base, None))
        if (found.url_file is None) == (found.hook_file is None):
            raise ConfigError(
                f"{way.path} needs either url_file (an address of apprise's) or hook_file (an HTTP address); give one"
            )
        if found.name in {SIREN, LAN} or any(found.name == v.name for v in via):
            raise ConfigError(
                f"{way.path}.name is {found.name!r}; give each way of a contact a name of its own, other than siren, lan"
            )
        via.append(found)
    if not via:
        raise ConfigError(f"{path} has no way to be reached; add [[contacts.via]] with name and url_file or hook_file")
    return Contact(name, table.text("name", name), language, tuple(via))


def _step(values: Any, path: str, contacts: dict[str, Contact], siren: SirenRelay | None) -> Step:  # noqa: ANN401
    table = Table(values, path, ("after", "least", "siren", "lan", "contacts", "via"))
    step = Step(
        after=round(60 * table.number("after", 0, LONGEST)),
        least=_priority(table, "least", Priority.WARNING),
        siren=table.yes("siren", default=False),
        lan=table.yes("lan", default=False),
        contacts=table.texts("contacts"),
        via=table.texts("via"),
    )
    for name in step.contacts:
        if name not in contacts:
            raise ConfigError(
                f"{path}.contacts has {name!r}; known contacts are {', '.join(contacts) or 'none: add [[contacts]]'}"
            )
        if step.via and not any(v.name in step.via for v in contacts[name].via):
            raise ConfigError(
                f"{path}.via is {', '.join(step.via)}, by none of which {name!r} can be reached; correct one of them"
            )
    if step.siren and siren is None:
        raise ConfigError(f"{path}.siren is true, but there is no [siren] table; add one with the relay's pin")
    if not (step.siren or step.lan or step.contacts):
        raise ConfigError(f"{path} does nothing; give siren, lan or contacts")
    return step


def _ladder(values: Any, path: str, contacts: dict[str, Contact], siren: SirenRelay | None) -> Ladder:  # noqa: ANN401
    table = Table(values, path, ("id", "ponds", "steps", "quiet"))
    quiet = None
    if table.raw("quiet", None) is not None:
        hours = Table(table.raw("quiet", None), f"{path}.quiet", ("from", "to", "silences"))
        quiet = Quiet(_minute(hours, "from"), _minute(hours, "to"), _priority(hours, "silences", Priority.WARNING))
        if quiet.silences is Priority.SIREN:
            raise ConfigError(
                f"{path}.quiet.silences is 'siren'; what kills shrimp within hours is never silenced: give critical or milder"
            )
    steps = [_step(row, f"{path}.steps[{number}]", contacts, siren) for number, row in enumerate(table.tables("steps"), 1)]
    if not steps:
        raise ConfigError(f"{path} has no steps; add [[ladders.steps]]")
    if [s.after for s in steps] != sorted(s.after for s in steps):
        raise ConfigError(f"{path}.steps are out of order; sort them by after")
    return Ladder(table.text("id"), table.texts("ponds"), tuple(steps), quiet)


def parse(top: Table, ponds: dict[str, Any], base: Path) -> Escalation:
    """Return the ladders of a configuration: its tables ``contacts``, ``ladders`` and ``siren``.

    Raises
    ------
    ConfigError
        naming field, value and remedy
    """
    contacts: dict[str, Contact] = {}
    for number, values in enumerate(top.tables("contacts"), 1):
        contact = _contact(values, f"contacts[{number}]", base)
        if contact.id in contacts:
            raise ConfigError(
                f"contacts[{number}].id is {contact.id!r}, which an earlier contact has; give each an id of its own"
            )
        contacts[contact.id] = contact
    siren = None
    if top.raw("siren", None) is not None:
        table = Table(top.raw("siren", None), "siren", ("pin", "active_high", "longest"))
        siren = SirenRelay(
            int(table.number("pin", 0, 27)),
            table.yes("active_high", default=True),
            round(60 * table.number("longest", 0.1, 60, 10)),
        )
    ladders = [_ladder(values, f"ladders[{n}]", contacts, siren) for n, values in enumerate(top.tables("ladders"), 1)]
    seen = set[str]()
    for ladder in ladders:
        for pond in ladder.ponds:
            if pond not in ponds:
                raise ConfigError(f"ladder {ladder.id!r} names pond {pond!r}, which is no pond of this file; correct the id")
            if pond in seen:
                raise ConfigError(f"ladder {ladder.id!r} names pond {pond!r}, which another ladder has; leave it to one")
            seen.add(pond)
    if sum(not ladder.ponds for ladder in ladders) > 1:
        raise ConfigError("several ladders name no ponds; only one can be for all the others: give the rest their ponds")
    return Escalation(tuple(ladders), contacts, siren)
