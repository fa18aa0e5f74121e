"""The aerators that the gateway may switch, out of its TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.fields import ConfigError, Table

MODES: Final = ("auto", "on", "off")


@dataclass(frozen=True, slots=True)
class Aerator:
    """One aerator on a relay.

    Attributes
    ----------
    id, pond : its name on the switch, and the pond that it stands in
    pin, active_high : the relay's GPIO pin by Broadcom number
    min_on, min_off : s that it runs, and rests, at least: motors die of being switched often
    start_below, stop_above : oxygen at which it starts, and may stop, mg/L
    current_channel : input of an MCP3008 converter with a current sensor; ``None`` where there is none
    amperes : of the sensor at the converter's full scale
    least_current : A that a running motor draws at least
    """

    id: str
    pond: str
    pin: int
    active_high: bool = True
    min_on: int = 900
    min_off: int = 300
    start_below: float = 4.0
    stop_above: float = 5.5
    current_channel: int | None = None
    amperes: float = 30.0
    least_current: float = 1.0


def parse(top: Table, ponds: Mapping[str, Any], taken: tuple[int, ...] = ()) -> tuple[Aerator, ...]:
    """Return the ``[[aerators]]`` of a configuration.

    Parameters
    ----------
    top : the file's top table
    ponds : known ponds, by id
    taken : pins that something else has

    Raises
    ------
    ConfigError
        naming field, value and remedy
    """
    found: list[Aerator] = []
    pins = list(taken)
    for number, values in enumerate(top.tables("aerators"), 1):
        path = f"aerators[{number}]"
        table = Table(values, path, tuple(Aerator.__dataclass_fields__))
        channel = table.number("current_channel", 0, 7, None) if table.raw("current_channel", None) is not None else None
        aerator = Aerator(
            id=table.text("id"),
            pond=table.text("pond"),
            pin=int(table.number("pin", 0, 27)),
            active_high=table.yes("active_high", default=True),
            min_on=int(table.number("min_on", 0, 86_400, 900)),
            min_off=int(table.number("min_off", 0, 86_400, 300)),
            start_below=float(table.number("start_below", 0, 15, 4.0)),
            stop_above=float(table.number("stop_above", 0, 15, 5.5)),
            current_channel=None if channel is None else int(channel),
            amperes=float(table.number("amperes", 0.1, 1000, 30.0)),
            least_current=float(table.number("least_current", 0.01, 1000, 1.0)),
        )
        if aerator.pond not in ponds:
            raise ConfigError(f"{path}.pond is {aerator.pond!r}; known ponds are {', '.join(ponds) or 'none: add [[ponds]]'}")
        if aerator.pin in pins:
            raise ConfigError(f"{path}.pin is {aerator.pin}, which another relay has; give each relay a pin of its own")
        if any(a.id == aerator.id for a in found):
            raise ConfigError(f"{path}.id is {aerator.id!r}, which an earlier aerator has; give each an id of its own")
        if aerator.start_below >= aerator.stop_above:
            raise ConfigError(
                f"{path}.stop_above is {aerator.stop_above:g}; give more than start_below, which is {aerator.start_below:g}"
            )
        pins.append(aerator.pin)
        found.append(aerator)
    return tuple(found)
