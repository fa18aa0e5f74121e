"""A galvanic oxygen cell behind an ADS1115, compensated for temperature, salinity and pressure (`vuong.water.oxygen`)."""

from firmware.probes import OK
from firmware.probes.ads1115 import Ads1115, ConverterError, calibrated
from vuong.quantities import QUANTITIES
from vuong.water import oxygen

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.assembly import Buses, Spec
    from firmware.ledger import Ledger


class GalvanicOxygen:
    """A galvanic oxygen cell: its voltage follows the oxygen's partial pressure and, through the membrane, temperature.

    Parameters
    ----------
    air, air_temperature : the newest calibration: mV in air-saturated water or moist air, and °C there
    zero : mV without oxygen
    membrane : relative change of the voltage per °C at equal partial pressure (makers print it as mV/°C over the mV at saturation)
    """

    quantity = "do"
    names = ("air", "air_temperature", "zero")

    def __init__(
        self,
        adc: Ads1115,
        channel: int,
        *,
        air: float,
        air_temperature: float,
        zero: float = 0.0,
        membrane: float = 0.03,
        pressure: float = oxygen.ATMOSPHERE,
    ) -> None:
        self._adc, self._channel, self._membrane, self._pressure = adc, channel, membrane, pressure
        self.numbers = [air, air_temperature, zero]

    async def raw(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":  # noqa: ARG002 (no compensation yet)
        """Return the cell's voltage, mV."""
        try:
            return await self._adc.millivolts(self._channel), "mV", OK
        except ConverterError as error:
            return None, "mV", str(error)

    def value(self, raw: float, water: "dict[str, float]") -> float:
        """Return mg/L of a voltage; salinity counts as 0 where it is not known."""
        air, air_temperature, zero = self.numbers
        temperature = water["temperature"]
        full = (air - zero) * (1.0 + self._membrane * (temperature - air_temperature))
        return (raw - zero) / full * oxygen.saturation(temperature, water.get("salinity", 0.0), self._pressure)

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":
        """Take one reading; without a temperature there is none. See `firmware.probes`."""
        if "temperature" not in water:
            return None, QUANTITIES["do"].unit, "no temperature"
        return await calibrated(self, water, 0.2)


def make(spec: "Spec", buses: "Buses", ledger: "Ledger") -> GalvanicOxygen:
    """Return the probe of a description: see `firmware.assembly`."""
    air, temperature, zero = ledger.numbers("do", 3) or (spec["air"], spec["air_temperature"], 0.0)
    adc = Ads1115(buses.i2c(), spec.get("address", 0x48))
    return GalvanicOxygen(adc, spec["channel"], air=air, air_temperature=temperature, zero=zero)
