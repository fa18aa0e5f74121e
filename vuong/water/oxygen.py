"""Solubility of oxygen from moist air.

Sources: Garcia & Gordon 1992, Limnol. Oceanogr. 37(6), equation 8 and table 1 with the coefficients fitted to Benson & Krause (1984), in mL/L;
pressure correction of Benson & Krause 1984, Limnol. Oceanogr. 29(3), equation 24 and its vapour pressure and theta.
"""

from math import exp, log

from vuong.water import within

ATMOSPHERE = 1013.25  # hPa
# mass of a millilitre of O2 at 0 °C and 1 atm: 31.9988 g/mol over 22.3916 L/mol
MG_PER_ML = 1.42905

_A = (3.88767, -0.256847, 4.94457, 4.05010, 3.22014, 2.00907)  # of Ts, highest power first
_B = (-8.17083e-3, -1.03410e-2, -7.37614e-3, -6.24523e-3)
_C0 = -4.88682e-7


def _horner(coefficients: tuple[float, ...], x: float) -> float:
    total = 0.0
    for c in coefficients:
        total = total * x + c
    return total


def pressure_factor(temperature: float, pressure: float) -> float:
    """Return saturation at `pressure` (hPa) as a multiple of that at one atmosphere, at `temperature` (°C).

    Raises
    ------
    ValueError
        outside 0–40 °C or 500–1200 hPa
    """
    within("temperature", temperature, 0.0, 40.0, "°C")
    within("pressure", pressure, 500.0, 1200.0, "hPa")
    kelvin, p = temperature + 273.15, pressure / ATMOSPHERE
    vapour = exp(11.8571 - 3840.70 / kelvin - 216961.0 / (kelvin * kelvin))
    theta = 9.75e-4 - 1.426e-5 * temperature + 6.436e-8 * temperature * temperature
    return p * (1.0 - vapour / p) * (1.0 - theta * p) / ((1.0 - vapour) * (1.0 - theta))


def saturation(temperature: float, salinity: float, pressure: float = ATMOSPHERE) -> float:
    """Return dissolved oxygen in equilibrium with moist air, mg/L.

    Parameters
    ----------
    temperature : °C, 0 to 40
    salinity : PSS-78, 0 to 42
    pressure : hPa, 500 to 1200

    Raises
    ------
    ValueError
        naming what is out of range
    """
    within("temperature", temperature, 0.0, 40.0, "°C")
    within("salinity", salinity, 0.0, 42.0, "‰")
    ts = log((298.15 - temperature) / (273.15 + temperature))
    ml = exp(_horner(_A, ts) + salinity * (_horner(_B, ts) + _C0 * salinity))
    at_one_atmosphere = ml * MG_PER_ML
    return at_one_atmosphere if pressure == ATMOSPHERE else at_one_atmosphere * pressure_factor(temperature, pressure)


def percent(do: float, temperature: float, salinity: float, pressure: float = ATMOSPHERE) -> float:
    """Return dissolved oxygen `do` (mg/L) in percent of saturation; arguments and errors as in `saturation`."""
    return 100.0 * do / saturation(temperature, salinity, pressure)
