"""Un-ionised ammonia, the part of total ammonia that poisons.

Source: Clegg & Whitfield 1995, Geochim. Cosmochim. Acta 59(12): pK of ammonium in sea water for 0–40 of salinity and -2–40 °C, on the total
hydrogen-ion scale. A pond's electrode reads the NBS scale, which lies about 0.1 above it in brackish water: the fraction comes out on the safe side.
Fractions hold for any basis; `NH3_PER_N` turns mg/L as nitrogen into mg/L as NH3.
"""

from math import log10, sqrt

from vuong.water import within

NH3_PER_N = 17.0305 / 14.0067


def pk(temperature: float, salinity: float) -> float:
    """Return the pK of ammonium on the total scale, mol/kg of water (per kg of solution it would be -log10(1 - 0.001005 S) higher).

    Parameters
    ----------
    temperature : °C, -2 to 40
    salinity : PSS-78, 0 to 42

    Raises
    ------
    ValueError
        naming what is out of range
    """
    within("temperature", temperature, -2.0, 40.0, "°C")
    within("salinity", salinity, 0.0, 42.0, "‰")
    t, s = temperature + 273.15, salinity
    root = sqrt(t)
    found = 9.244605 - 2729.33 * (1.0 / 298.15 - 1.0 / t)
    found += (0.04203362 - 11.24742 / t) * sqrt(sqrt(s))
    found += (-13.6416 + 1.176949 * root - 0.02860785 * t + 545.4834 / t) * sqrt(s)
    found += (-0.1462507 + 0.0090226468 * root - 0.0001471361 * t + 10.5425 / t) * s * sqrt(s)
    found += (0.004669309 - 0.0001691742 * root - 0.5677934 / t) * s * s
    return found + (-2.354039e-05 + 0.009698623 / t) * s * s * sqrt(s)


def fraction(ph: float, temperature: float, salinity: float) -> float:
    """Return the share of total ammonia that is NH3, 0 to 1; `ph` 4 to 11, others and errors as in `pk`."""
    within("ph", ph, 4.0, 11.0, "")
    return float(1.0 / (1.0 + 10.0 ** (pk(temperature, salinity) - ph)))


def safe_ph(total: float, limit: float, temperature: float, salinity: float) -> "float | None":
    """Return the pH at which NH3 reaches `limit`, or ``None`` where there is less ammonia than that in all.

    Parameters
    ----------
    total : total ammonia, mg/L on the basis of `limit` (both as NH3, or both as nitrogen)
    limit : un-ionised ammonia that must not be reached, mg/L, above 0
    temperature, salinity : as in `pk`

    Raises
    ------
    ValueError
        naming what is out of range
    """
    within("total", total, 0.0, 1000.0, "mg/L")
    within("limit", limit, 1e-6, 1000.0, "mg/L")
    if total <= limit:
        return None
    return pk(temperature, salinity) - log10(total / limit - 1.0)
