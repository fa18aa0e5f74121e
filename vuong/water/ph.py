"""The pH electrode: Nernst's slope, what a two-point calibration says of the glass, and temperature.

Source: Nernst equation with CODATA 2018 constants; zero point at pH 7 (isopotential point of common combined electrodes).
"""

from vuong.water import within

# R * ln(10) / F, mV per kelvin
MV_PER_KELVIN = 0.1984159
ZERO_POINT = 7.0
COATED = 30.0  # mV: an offset beyond it suggests a coated bulb


def slope(temperature: float) -> float:
    """Return Nernst's slope at `temperature` (°C, 0 to 100), mV/pH: 59.16 at 25 °C.

    Raises
    ------
    ValueError
        outside that range
    """
    within("temperature", temperature, 0.0, 100.0, "°C")
    return MV_PER_KELVIN * (temperature + 273.15)


def calibrate(ph1: float, mv1: float, ph2: float, mv2: float, temperature: float) -> tuple[float, float]:
    """Return ``(slope percent, offset in mV at pH 7)`` of an electrode that gave `mv1` and `mv2` in buffers `ph1` and `ph2`.

    Raises
    ------
    ValueError
        if the buffers lie less than 1 pH apart, or the temperature is out of range
    """
    if abs(ph1 - ph2) < 1.0:
        raise ValueError("buffers are pH " + str(ph1) + " and " + str(ph2) + "; take two that lie at least 1 apart")
    per_ph = (mv1 - mv2) / (ph2 - ph1)
    return 100.0 * per_ph / slope(temperature), mv1 + (ph1 - ZERO_POINT) * per_ph


def condition(slope_percent: float, offset: float) -> str:
    """Return ``fine``, ``clean``, ``maintain``, ``replace`` or ``recalibrate`` (buffers mixed up or wrong) for a calibration's result."""
    if slope_percent > 105.0:
        return "recalibrate"
    if slope_percent < 85.0:
        return "replace"
    if abs(offset) > COATED:
        return "clean"
    return "fine" if slope_percent >= 95.0 else "maintain"


def from_millivolts(mv: float, temperature: float, slope_percent: float = 100.0, offset: float = 0.0) -> float:
    """Return the pH of a calibrated electrode's voltage at the water's own temperature.

    Raises
    ------
    ValueError
        if temperature or slope (50 to 110 %) is out of range
    """
    within("slope_percent", slope_percent, 50.0, 110.0, "%")
    return ZERO_POINT - (mv - offset) / (slope(temperature) * slope_percent / 100.0)


def compensate(ph: float, assumed: float, temperature: float) -> float:
    """Return the pH at `temperature` that an instrument showed as `ph` while it took the water for `assumed` °C.

    Raises
    ------
    ValueError
        if a temperature is out of range
    """
    return ZERO_POINT + (ph - ZERO_POINT) * slope(assumed) / slope(temperature)
