"""The relays of the aerators: asks the interlock, switches, and confirms by the motors' current that they run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import gpiozero

from gateway.aerators.config import Aerator
from gateway.aerators.interlock import Decision, Override, decide
from gateway.derived.oxygen import Oxygen
from gateway.observation import Pond
from gateway.relay import Relay

_LOG = logging.getLogger(__name__)

STARTING: Final = 15  # s that a motor may take until its current is looked at
Ammeter = Callable[[], float | None]


def ammeter(aerator: Aerator) -> Ammeter | None:
    """Return what reads a motor's current in A through an MCP3008; ``None`` where no sensor is configured or none answers."""
    if aerator.current_channel is None:
        return None
    try:
        converter = gpiozero.MCP3008(channel=aerator.current_channel)
    except Exception as error:  # noqa: BLE001 - as in gateway.relay: each back end has errors of its own
        _LOG.error("the current sensor of %s cannot be used (%s); check SPI and the converter", aerator.id, error)
        return lambda: None

    def read() -> float | None:
        try:
            return float(converter.value) * aerator.amperes
        except OSError:
            return None

    return read


@dataclass(frozen=True, slots=True)
class Running:
    """Whether an aerator that is switched on runs: ``None`` where nobody can say yet."""

    aerator: Aerator
    runs: bool | None
    current: float | None


@dataclass(slots=True)
class _Line:
    aerator: Aerator
    relay: Relay
    current: Ammeter | None
    switched: int
    override: Override | None = None
    why: str = ""


class Switchboard:
    """All relays of a gateway's aerators.

    Parameters
    ----------
    aerators : what is configured
    ponds : pond id → pond
    now : UTC seconds; the least times begin here, so that a restart loop cannot hammer a motor
    ammeters : aerator id → reads its current, A; made from the configuration where left out
    """

    def __init__(
        self, aerators: tuple[Aerator, ...], ponds: Mapping[str, Pond], now: int, ammeters: Mapping[str, Ammeter] | None = None
    ) -> None:
        self._ponds = ponds
        self._lines = {
            a.id: _Line(
                a,
                Relay(a.pin, active_high=a.active_high, what=f"aerator {a.id}"),
                ammeters.get(a.id) if ammeters is not None else ammeter(a),
                now,
            )
            for a in aerators
        }

    def override(self, wanted: Mapping[str, Override | None]) -> None:
        """Take what people want, by aerator; those left out are automatic."""
        for name, line in self._lines.items():
            line.override = wanted.get(name)

    def update(self, now: int, oxygen: Mapping[str, Oxygen]) -> list[Decision]:
        """Switch what is to be switched; return the decisions in the order of the configuration.

        Parameters
        ----------
        now : UTC seconds
        oxygen : pond id → its last reading
        """
        decisions = []
        for line in self._lines.values():
            decision = decide(
                line.aerator,
                now,
                on=line.relay.on,
                switched=line.switched,
                oxygen=oxygen.get(line.aerator.pond),
                override=line.override,
                pond=self._ponds[line.aerator.pond],
            )
            if decision.why == "clock":
                line.switched = now
            if line.relay.usable and decision.on != line.relay.on:
                line.relay.set(decision.on)
                line.switched = now
                _LOG.info("aerator %s is %s (%s)", line.aerator.id, "on" if decision.on else "off", decision.why)
            line.why = decision.why
            decisions.append(decision)
        return decisions

    def running(self, now: int) -> list[Running]:
        """Return of each aerator with a current sensor whether it runs as it should."""
        found = []
        for line in self._lines.values():
            if line.current is None:
                continue
            if not line.relay.on or now - line.switched < STARTING:
                found.append(Running(line.aerator, None if line.relay.on else True, None))
                continue
            current = line.current()
            found.append(Running(line.aerator, None if current is None else current >= line.aerator.least_current, current))
        return found

    def on(self, aerator: str) -> bool:
        """Return whether an aerator's relay is on."""
        return self._lines[aerator].relay.on

    def close(self) -> None:
        """Give the pins back; the relays fall off."""
        for line in self._lines.values():
            line.relay.close()
