"""Salinity, computed from conductivity and temperature."""

from firmware.probes import OK, OUT_OF_RANGE
from vuong.water import salinity

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.assembly import Buses, Spec
    from firmware.ledger import Ledger


class Salinity:
    """Practical salinity of the sample's conductivity and temperature (PSS-78)."""

    quantity = "salinity"

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":
        """Compute it from the readings before; see `firmware.probes`."""
        if "conductivity" not in water or "temperature" not in water:
            return None, "‰", "no conductivity or temperature"
        try:
            return salinity.from_conductivity(water["conductivity"], water["temperature"]), "‰", OK
        except ValueError:
            return None, "‰", OUT_OF_RANGE


def make(spec: "Spec", buses: "Buses", ledger: "Ledger") -> Salinity:  # noqa: ARG001
    """Return the probe of a description: see `firmware.assembly`."""
    return Salinity()
