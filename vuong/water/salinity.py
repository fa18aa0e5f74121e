"""Practical salinity from conductivity.

Sources: PSS-78 (UNESCO technical papers in marine science 44, 1983), valid from 2 to 42; below 2 the extension of Hill, Dauphinee & Woods 1986,
IEEE J. Oceanic Eng. OE-11(1). Temperatures are ITS-90; PSS-78's own are IPTS-68, 1.00024 times as high (Saunders 1990).
"""

from math import sqrt

from vuong.water import within

STANDARD = 42.914  # mS/cm: C(35, 15 °C, 0 dbar), Culkin & Smith 1980

_A = (2.7081, -7.0261, 14.0941, 25.3851, -0.1692, 0.0080)  # of sqrt(Rt), highest power first
_B = (-0.0144, 0.0636, -0.0375, -0.0066, -0.0056, 0.0005)


def from_conductivity(conductivity: float, temperature: float, pressure: float = 0.0) -> float:
    """Return practical salinity.

    Parameters
    ----------
    conductivity : mS/cm at the water's own temperature (not reduced to 25 °C), 0 to 100
    temperature : °C (ITS-90), -2 to 40
    pressure : of the water above the probe, dbar (about metres), 0 to 100

    Raises
    ------
    ValueError
        naming what is out of range, also a result above 42
    """
    within("conductivity", conductivity, 0.0, 100.0, "mS/cm")
    within("temperature", temperature, -2.0, 40.0, "°C")
    within("pressure", pressure, 0.0, 100.0, "dbar")
    t = temperature * 1.00024
    r = conductivity / STANDARD
    rt35 = (((1.0031e-9 * t - 6.9698e-7) * t + 1.104259e-4) * t + 2.00564e-2) * t + 0.6766097
    rp = 1.0
    if pressure:
        numerator = pressure * (2.070e-5 + pressure * (-6.370e-10 + 3.989e-15 * pressure))
        rp += numerator / (1.0 + 3.426e-2 * t + 4.464e-4 * t * t + (4.215e-1 - 3.107e-3 * t) * r)
    rt = r / (rt35 * rp)
    root = sqrt(rt)
    bend = (t - 15.0) / (1.0 + 0.0162 * (t - 15.0))
    base = warm = 0.0
    for i in range(6):
        base = base * root + _A[i]
        warm = warm * root + _B[i]
    salinity = base + bend * warm
    if salinity < 2.0:
        x, y = 400.0 * rt, 100.0 * rt
        salinity -= 0.0080 / (1.0 + 1.5 * x + x * x) + 0.0005 * bend / (1.0 + sqrt(y) + y + y * sqrt(y))
    within("salinity", salinity, -0.001, 42.0, "‰")
    return max(0.0, salinity)
