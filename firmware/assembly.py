"""From a node's description (``config.json``) to its probes: adding a kind of probe is adding a row to `KINDS`.

``{"kind": "ezo", "quantity": "do"}`` and so on; ``spread`` wraps a probe in a median of five, ``in_water`` in the check against conductivity. The
driver of a kind has ``make(spec, buses, ledger)``, which returns the probe of a description; what a node has no probe of is never loaded.
"""

import sys

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.boundaries import Module, Probe
    from firmware.ledger import Ledger

    Spec = dict[str, Any]

__all__ = ["KINDS", "Buses", "probes"]
# kind: module in `firmware.probes`
KINDS = {
    "ezo": "ezo",
    "analog_ph": "analog_ph",
    "galvanic_do": "galvanic",
    "ds18b20": "ds18b20",
    "modbus": "modbus",
    "salinity": "salinity",
    "level": "level",
    "motor_current": "adc",
    "solar": "adc",
}


class Buses:
    """The board's buses, made when the first probe asks for one.

    Parameters
    ----------
    machine : the board's module
    pins : ``sda``, ``scl``, ``onewire``, ``tx``, ``rx``, and ``baud`` of the RS485 line
    """

    def __init__(self, machine: "Module", pins: "dict[str, int]") -> None:
        self.machine, self.pins = machine, pins
        self._made: "dict[str, Any]" = {}

    def shared(self, name: str, make: "Callable[[], Any]") -> "Any":  # noqa: ANN401 (a driver's own kind of bus)
        """Return what all probes on the bus `name` share; `make` makes it for the first."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def i2c(self) -> "Module":
        """Return the I2C bus."""
        pin, pins = self.machine.Pin, self.pins
        return self.shared("i2c", lambda: self.machine.I2C(0, sda=pin(pins["sda"]), scl=pin(pins["scl"]), freq=100000))


# quantity: how many numbers the calibration of a digital probe has (`firmware.probes.corrected`)
_CORRECTED = {"ph": 2, "do": 2, "conductivity": 2, "temperature": 1}


def probes(specs: "list[Spec]", buses: Buses, ledger: "Ledger", *, raw: bool = False) -> "list[Probe]":
    """Return the probes in the order in which they are read.

    Parameters
    ----------
    raw : without median and check for water, and every probe that can be calibrated with its ``raw``: for a technician

    Raises
    ------
    ValueError
        naming the kind that is not known, or the field that is missing
    """
    made: "list[Probe]" = []
    for spec in specs:
        if spec.get("kind") not in KINDS:
            raise ValueError(f"probe kind {spec.get('kind')!r} is not known; known are {', '.join(sorted(KINDS))}")
        try:
            driver = "firmware.probes." + KINDS[spec["kind"]]
            __import__(driver)
            probe: "Probe" = sys.modules[driver].make(spec, buses, ledger)
        except KeyError as error:
            raise ValueError(f"probe {spec['kind']!r} lacks the field {error}")  # noqa: B904 (MicroPython does not chain)
        if probe.quantity in _CORRECTED and not hasattr(probe, "raw"):
            numbers = ledger.numbers(probe.quantity, _CORRECTED[probe.quantity])
            if numbers or raw:
                from firmware.probes.corrected import NEUTRAL, Corrected  # noqa: PLC0415

                probe = Corrected(probe, numbers or list(NEUTRAL[probe.quantity][0]))
        if not raw:
            probe = _wrapped(probe, spec)
        made.append(probe)
    return made


def _wrapped(probe: "Probe", spec: "Spec") -> "Probe":
    if "spread" in spec:
        from firmware.probes.combined import Median  # noqa: PLC0415

        probe = Median(probe, spread=spec["spread"])
    if spec.get("in_water"):
        from firmware.probes.combined import InWater  # noqa: PLC0415

        probe = InWater(probe)
    return probe
