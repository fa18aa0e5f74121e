"""What happens in the demo, when, and to whom; written into one file that the nodes' process reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from demo.farm import Farm

Kind = Literal["offline", "salt", "fouled", "crash"]

_START_HOUR: Final = 0  # local hour at which the clock starts: a few minutes before things begin to happen
_MINUTE: Final = 60
# kind → number of the pond, minutes after the beginning at which it begins and (of the Wi-Fi) ends
_STORY: Final[tuple[tuple[Kind, int, int, int | None], ...]] = (
    ("offline", 3, 15, 150),
    ("salt", 4, 20, None),
    ("fouled", 2, 15, None),
    ("crash", 1, 60, None),
)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens; times are UTC seconds of the demo's clock."""

    kind: Kind
    node: str
    pond: str
    time: int
    until: int | None


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One simulated node: who it is, and which row of a recorded series it starts at (by `number`)."""

    node: str
    number: int
    name: str
    longitude: float
    latitude: float


@dataclass(frozen=True, slots=True)
class Spec:
    """All that the nodes' process is told.

    Attributes
    ----------
    clock : see `vuong.clock.parse`
    begin : UTC seconds of the demo's clock at which the story begins
    history : seconds of water before that which nodes hold already, as though the gateways came up just now
    interval : seconds between samples; a recorded series brings its own
    broker : port on this machine
    folder : where the nodes' flash lies
    replay : recorded series to play, ``None`` for the pond model
    """

    clock: str
    begin: int
    history: int
    interval: int
    broker: int
    folder: str
    replay: str | None
    nodes: tuple[NodeSpec, ...]
    events: tuple[Event, ...]


def begin(now: datetime) -> float:
    """Return the UTC seconds at which the demo's clock starts: the last local midnight."""
    return now.replace(hour=_START_HOUR, minute=0, second=0, microsecond=0).timestamp()


def events(farm: Farm, start: float) -> list[Event]:
    """Return what will happen to the ponds that there are, in order of time."""
    by_number = {pond.number: pond for pond in farm.ponds}
    return [
        Event(
            kind,
            by_number[number].node,
            by_number[number].name,
            round(start) + at * _MINUTE,
            None if until is None else round(start) + until * _MINUTE,
        )
        for kind, number, at, until in _STORY
        if number in by_number
    ]


def nodes(farm: Farm) -> tuple[NodeSpec, ...]:
    """Return the nodes of a farm."""
    return tuple(NodeSpec(p.node, p.number, p.name, p.longitude, p.latitude) for p in farm.ponds)


def write(spec: Spec, path: Path) -> Path:
    """Write the file for ``python -m demo.nodes``; return its path."""
    path.write_text(json.dumps(asdict(spec), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> Spec:
    """Return what `write` wrote."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["nodes"] = tuple(NodeSpec(**node) for node in raw["nodes"])
    raw["events"] = tuple(Event(**event) for event in raw["events"])
    return Spec(**raw)


def flash(directory: Path) -> Path:
    """Return the folder under which each node has its flash."""
    return directory / "flash"
