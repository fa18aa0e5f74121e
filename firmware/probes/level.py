"""Water level from a submersible pressure transmitter with a 4–20 mA loop, through a shunt at an ADS1115.

Sources: NAMUR NE 43 (3.8–20.5 mA measures; below 3.6 or above 21 mA the transmitter or its wire has failed). Salt water is denser and pushes
harder: 0.00075 for each ‰ (haline contraction of sea water at 25–30 °C, UNESCO EOS-80).
"""

from firmware.probes import DISCONNECTED, OK, OUT_OF_RANGE
from firmware.probes.ads1115 import Ads1115, ConverterError

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.assembly import Buses, Spec
    from firmware.ledger import Ledger

_BROKEN_BELOW, _LOWEST, _HIGHEST, _FAILED_ABOVE = 3.6, 3.8, 20.5, 21.0
_PER_SALINITY = 0.00075


class Level:
    """One transmitter.

    Parameters
    ----------
    span : m of fresh water at 20 mA
    height : m of the transmitter above the pond's floor
    shunt : Ω; 100 gives 0.4 to 2 V
    """

    quantity = "depth"

    def __init__(self, adc: Ads1115, channel: int, *, span: float, height: float = 0.0, shunt: float = 100.0) -> None:
        self._adc, self._channel, self._span, self._height, self._shunt = adc, channel, span, height, shunt

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":
        """Take one reading; salinity counts as 0 where it is not known; see `firmware.probes`."""
        try:
            current = await self._adc.millivolts(self._channel) / self._shunt
        except ConverterError as error:
            return None, "m", str(error)
        if current < _BROKEN_BELOW:
            return None, "m", DISCONNECTED
        if current > _FAILED_ABOVE:
            return None, "m", "short"
        if not _LOWEST <= current <= _HIGHEST:
            return None, "m", OUT_OF_RANGE
        above = max(0.0, (current - 4.0) / 16.0 * self._span) / (1.0 + _PER_SALINITY * water.get("salinity", 0.0))
        return above + self._height, "m", OK


def make(spec: "Spec", buses: "Buses", ledger: "Ledger") -> Level:  # noqa: ARG001 (its zero is in the description)
    """Return the probe of a description: see `firmware.assembly`."""
    adc = Ads1115(buses.i2c(), spec.get("address", 0x48))
    return Level(adc, spec["channel"], span=spec["span"], height=spec.get("height", 0.0), shunt=spec.get("shunt", 100.0))
