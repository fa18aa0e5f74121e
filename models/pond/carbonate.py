"""The carbonate system of brackish water: from dissolved inorganic carbon and alkalinity to pH and CO2.

Sources: K1, K2 of Millero 2010 (Mar. Freshwater Res. 61, 139; salinity 1–50, total scale); CO2 solubility of Weiss 1974; boric acid of Dickson 1990
with boron of Uppström 1974; water of Millero 1995. Litres are taken for kilograms: an error of at most 2.5 %, within the parameters' own.
"""

from __future__ import annotations

import math


class Constants:
    """Equilibrium constants at one temperature (°C) and salinity, mol/L; `k0` is mol/L/atm."""

    __slots__ = ("boron", "k0", "k1", "k2", "kb", "kw")
    k1: float
    k2: float

    def __init__(self, temperature: float, salinity: float) -> None:
        t, s = temperature + 273.15, max(salinity, 0.5)
        root, log_t = math.sqrt(s), math.log(t)
        pk1 = -126.34048 + 6320.813 / t + 19.568224 * log_t
        pk1 += 13.4038 * root + 0.03206 * s - 5.242e-5 * s * s + (-530.659 * root - 5.8210 * s) / t - 2.0664 * root * log_t
        pk2 = -90.18333 + 5143.692 / t + 14.613358 * log_t
        pk2 += 21.3728 * root + 0.1218 * s - 3.688e-4 * s * s + (-788.289 * root - 19.189 * s) / t - 3.374 * root * log_t
        self.k1, self.k2 = 10.0**-pk1, 10.0**-pk2
        hundredth = t / 100.0
        self.k0 = math.exp(
            -60.2409
            + 93.4517 / hundredth
            + 23.3585 * math.log(hundredth)
            + s * (0.023517 - 0.023656 * hundredth + 0.0047036 * hundredth * hundredth)
        )
        self.kb = math.exp(
            (-8966.90 - 2890.53 * root - 77.942 * s + 1.728 * s * root - 0.0996 * s * s) / t
            + 148.0248
            + 137.1942 * root
            + 1.62142 * s
            - (24.4344 + 25.085 * root + 0.2474 * s) * log_t
            + 0.053105 * root * t
        )
        self.kw = math.exp(
            148.9802 - 13847.26 / t - 23.6521 * log_t + (-5.977 + 118.67 / t + 1.0495 * log_t) * root - 0.01615 * s
        )
        self.boron = 4.157e-4 * s / 35.0

    def alkalinity(self, dic: float, h: float) -> float:
        """Return alkalinity of `dic` (both mol/L) at `h` mol/L of hydrogen ions."""
        carbon = dic * self.k1 * (h + 2.0 * self.k2) / (h * h + self.k1 * h + self.k1 * self.k2)
        return carbon + self.boron * self.kb / (self.kb + h) + self.kw / h - h

    def ph(self, dic: float, alkalinity: float, guess: float = 8.0) -> float:
        """Return pH on the total scale from carbon and alkalinity (mol/L), by Newton's rule on pH from `guess`; within 4 and 11."""
        ph = guess
        h: float
        for _ in range(12):
            h = 10.0**-ph
            found = self.alkalinity(dic, h)
            slope = (self.alkalinity(dic, h * 0.9977) - found) / 0.001
            change = max(-0.5, min(0.5, (alkalinity - found) / max(slope, 1e-7)))
            ph = max(4.0, min(11.0, ph + change))
            if abs(change) < 1e-5:
                break
        return ph

    def co2(self, dic: float, ph: float) -> float:
        """Return dissolved CO2 of `dic`, mol/L."""
        h: float = 10.0**-ph
        return dic * h * h / (h * h + self.k1 * h + self.k1 * self.k2)
