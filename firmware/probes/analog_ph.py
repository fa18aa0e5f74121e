"""A glass electrode behind an amplifier and an ADS1115, compensated for temperature as vendors' code often is not (`vuong.water.ph`)."""

from firmware.probes import OK
from firmware.probes.ads1115 import Ads1115, ConverterError, calibrated
from vuong.water import ph

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.assembly import Buses, Spec
    from firmware.ledger import Ledger


class AnalogPh:
    """A glass electrode behind an amplifier.

    Parameters
    ----------
    zero, gain : the amplifier: output in mV at 0 mV of the electrode, and mV out per mV in (negative where it inverts)
    slope, offset : the newest calibration (`firmware.calibration`): percent of Nernst's, and mV at pH 7
    """

    quantity = "ph"
    names = ("slope", "offset")

    def __init__(
        self, adc: Ads1115, channel: int, *, zero: float = 1500.0, gain: float = 3.0, slope: float = 100.0, offset: float = 0.0
    ) -> None:
        self._adc, self._channel, self._zero, self._gain = adc, channel, zero, gain
        self.numbers = [slope, offset]

    async def raw(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":  # noqa: ARG002 (no compensation yet)
        """Return the electrode's voltage, mV."""
        try:
            return (await self._adc.millivolts(self._channel) - self._zero) / self._gain, "mV", OK
        except ConverterError as error:
            return None, "mV", str(error)

    def value(self, raw: float, water: "dict[str, float]") -> float:
        """Return the pH of a voltage at the water's temperature, 25 °C where that is not known."""
        return ph.from_millivolts(raw, water.get("temperature", 25.0), self.numbers[0], self.numbers[1])

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":
        """Take one reading; see `firmware.probes`."""
        return await calibrated(self, water, 0.0)


def make(spec: "Spec", buses: "Buses", ledger: "Ledger") -> AnalogPh:
    """Return the probe of a description: see `firmware.assembly`."""
    slope, offset = ledger.numbers("ph", 2) or (100.0, 0.0)
    adc = Ads1115(buses.i2c(), spec.get("address", 0x48))
    return AnalogPh(adc, spec["channel"], zero=spec.get("zero", 1500.0), gain=spec.get("gain", 3.0), slope=slope, offset=offset)
