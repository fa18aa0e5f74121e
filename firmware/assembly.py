"""From a node's description (``config.json``) to its probes: adding a kind of probe is adding a row to `KINDS`.

``{"kind": "ezo", "quantity": "do"}`` and so on; ``spread`` wraps a probe in a median of five, ``in_water`` in the check against conductivity.
"""

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.boundaries import Module, Probe
    from firmware.ledger import Ledger

    Spec = dict[str, Any]


class Buses:
    """The board's buses, made when the first probe asks for one.

    Parameters
    ----------
    machine : the board's module
    pins : ``sda``, ``scl``, ``onewire``, ``tx``, ``rx``, and ``baud`` of the RS485 line
    """

    def __init__(self, machine: "Module", pins: "dict[str, int]") -> None:
        self._machine, self._pins = machine, pins
        self._made: "dict[str, Any]" = {}

    def i2c(self) -> "Module":
        """Return the I2C bus."""
        if "i2c" not in self._made:
            pin = self._machine.Pin
            self._made["i2c"] = self._machine.I2C(0, sda=pin(self._pins["sda"]), scl=pin(self._pins["scl"]), freq=100000)
        return self._made["i2c"]

    def adc(self, pin: int) -> "Module":
        """Return an input of the chip's own converter, at its widest range."""
        adc = self._machine.ADC
        return adc(self._machine.Pin(pin), atten=adc.ATTN_11DB)

    def onewire(self) -> "Module":
        """Return the 1-Wire bus."""
        if "onewire" not in self._made:
            from onewire import OneWire  # type: ignore[import-not-found]  # noqa: PLC0415 (only the board has it)

            self._made["onewire"] = OneWire(self._machine.Pin(self._pins["onewire"]))
        return self._made["onewire"]

    def modbus(self) -> "Module":
        """Return the RS485 line."""
        if "modbus" not in self._made:
            from firmware.probes.modbus import Bus  # noqa: PLC0415 (what is not used is not loaded)

            uart = self._machine.UART(1, self._pins.get("baud", 9600), tx=self._pins["tx"], rx=self._pins["rx"])
            self._made["modbus"] = Bus(uart)
        return self._made["modbus"]


def _ezo(spec: "Spec", buses: Buses, ledger: "Ledger") -> "Probe":  # noqa: ARG001 (EZO circuits keep their own calibration)
    from firmware.probes.ezo import Ezo  # noqa: PLC0415

    return Ezo(buses.i2c(), spec["quantity"], pressure=spec.get("pressure", 101.3), salinity=spec.get("salinity", 0.0))


def _analog_ph(spec: "Spec", buses: Buses, ledger: "Ledger") -> "Probe":
    from firmware.probes.ads1115 import Ads1115  # noqa: PLC0415
    from firmware.probes.analog_ph import AnalogPh  # noqa: PLC0415

    slope, offset = ledger.numbers("ph", 2) or (100.0, 0.0)
    return AnalogPh(
        Ads1115(buses.i2c(), spec.get("address", 0x48)),
        spec["channel"],
        zero=spec.get("zero", 1500.0),
        gain=spec.get("gain", 3.0),
        slope=slope,
        offset=offset,
    )


def _galvanic_oxygen(spec: "Spec", buses: Buses, ledger: "Ledger") -> "Probe":
    from firmware.probes.ads1115 import Ads1115  # noqa: PLC0415
    from firmware.probes.galvanic import GalvanicOxygen  # noqa: PLC0415

    air, temperature, zero = ledger.numbers("do", 3) or (spec["air"], spec["air_temperature"], 0.0)
    return GalvanicOxygen(
        Ads1115(buses.i2c(), spec.get("address", 0x48)), spec["channel"], air=air, air_temperature=temperature, zero=zero
    )


def _ds18b20(spec: "Spec", buses: Buses, ledger: "Ledger") -> "Probe":  # noqa: ARG001
    from firmware.probes.ds18b20 import Ds18b20  # noqa: PLC0415

    return Ds18b20(buses.onewire())


def _modbus(spec: "Spec", buses: Buses, ledger: "Ledger") -> "Probe":  # noqa: ARG001
    from firmware.probes.modbus import ModbusProbe  # noqa: PLC0415

    return ModbusProbe(buses.modbus(), spec["unit"], spec["probe"], spec["quantity"])


def _level(spec: "Spec", buses: Buses, ledger: "Ledger") -> "Probe":  # noqa: ARG001 (its zero is in the description)
    from firmware.probes.ads1115 import Ads1115  # noqa: PLC0415
    from firmware.probes.level import Level  # noqa: PLC0415

    adc = Ads1115(buses.i2c(), spec.get("address", 0x48))
    return Level(adc, spec["channel"], span=spec["span"], height=spec.get("height", 0.0), shunt=spec.get("shunt", 100.0))


def _motor_current(spec: "Spec", buses: Buses, ledger: "Ledger") -> "Probe":  # noqa: ARG001
    from firmware.probes.adc import MotorCurrent  # noqa: PLC0415

    return MotorCurrent(buses.adc(spec["pin"]), ampere_per_volt=spec.get("ampere_per_volt", 30.0), hertz=spec.get("hertz", 50))


def _solar(spec: "Spec", buses: Buses, ledger: "Ledger") -> "Probe":  # noqa: ARG001
    from firmware.probes.adc import Voltage  # noqa: PLC0415

    return Voltage(buses.adc(spec["pin"]), "solar", spec.get("ratio", 4.0))


def _salinity(spec: "Spec", buses: Buses, ledger: "Ledger") -> "Probe":  # noqa: ARG001
    from firmware.probes.salinity import Salinity  # noqa: PLC0415

    return Salinity()


KINDS: "dict[str, Callable[[Spec, Buses, Ledger], Probe]]" = {
    "ezo": _ezo,
    "analog_ph": _analog_ph,
    "galvanic_do": _galvanic_oxygen,
    "ds18b20": _ds18b20,
    "modbus": _modbus,
    "salinity": _salinity,
    "level": _level,
    "motor_current": _motor_current,
    "solar": _solar,
}


# quantity: how many numbers the calibration of a digital probe has (`firmware.probes.corrected`)
CORRECTED = {"ph": 2, "do": 2, "conductivity": 2, "temperature": 1}


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
            probe = KINDS[spec["kind"]](spec, buses, ledger)
        except KeyError as error:
            raise ValueError(f"probe {spec['kind']!r} lacks the field {error}")  # noqa: B904 (MicroPython does not chain)
        if probe.quantity in CORRECTED and not hasattr(probe, "raw"):
            numbers = ledger.numbers(probe.quantity, CORRECTED[probe.quantity])
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
