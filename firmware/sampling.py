"""One sample: every probe read once, in order, each knowing what the earlier ones said of the water."""

from firmware.probes import OK
from vuong.quantities import QUANTITIES

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Iterable

    from firmware.boundaries import Probe, Values


async def read(probes: "Iterable[Probe]") -> "tuple[Values, dict[str, float], dict[str, str]]":
    """Return the scaled values by quantity, what tells of the installation by name, and name → reason of the probes that gave no value."""
    installation: "dict[str, float]" = {}
    values: "Values" = {}
    water: "dict[str, float]" = {}
    faults: "dict[str, str]" = {}
    for probe in probes:
        name = probe.quantity
        try:
            value, unit, status = await probe.read(water)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 (a mistake in one driver must not stop the other probes)
            value, unit, status = None, "", f"driver: {error!r}"
        if name not in QUANTITIES:  # not of the water: `firmware.probes.adc`
            if status == OK and value is not None:
                installation[name] = round(value, 2)
            else:
                faults[name] = status
        elif status == OK and value is not None and unit == QUANTITIES[name].unit:
            water[name] = value
            values[name] = QUANTITIES[name].scaled(value)
        else:
            faults[name] = status if status != OK else f"unit {unit!r} is not {QUANTITIES[name].unit!r}"
    return values, installation, faults
