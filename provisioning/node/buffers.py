"""The pH of calibration buffers at the buffer's own temperature.

Sources: 4.01, 6.86, 9.18 (phthalate, phosphate, borax): R. P. Buck et al., "Measurement of pH. Definition, standards, and procedures (IUPAC
Recommendations 2002)", Pure and Applied Chemistry 74 (2002) 2169, table 2. 7.00 and 10.01 are technical buffers (phosphate 0.041/0.026 mol/L,
carbonate 0.025/0.025 mol/L): table of American buffers in Invensys MI 611-211 (2005), page 23, a secondary source; the table on the bottle wins.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

# °C, and each buffer's pH there
_AT: Final = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 50.0)
TABLES: Final[dict[str, tuple[float, ...]]] = {
    "4.01": (4.000, 3.998, 3.997, 3.998, 4.000, 4.005, 4.011, 4.018, 4.027, 4.050),
    "6.86": (6.984, 6.951, 6.923, 6.900, 6.881, 6.865, 6.853, 6.844, 6.838, 6.833),
    "7.00": (7.12, 7.09, 7.06, 7.04, 7.02, 7.00, 6.99, 6.99, 6.98, 6.97),
    "9.18": (9.464, 9.395, 9.332, 9.276, 9.225, 9.180, 9.139, 9.102, 9.068, 9.011),
    "10.01": (10.32, 10.25, 10.18, 10.12, 10.06, 10.01, 9.97, 9.93, 9.89, 9.83),
}
LABELS: Final = {float(name): name for name in TABLES} | {4.0: "4.01", 7.0: "7.00", 7.01: "7.00", 10.0: "10.01"}


def at(label: str, temperature: float) -> float:
    """Return the pH of a buffer at its temperature (0 to 50 °C), between the table's rows by straight lines.

    Parameters
    ----------
    label : key of `TABLES`
    temperature : °C

    Raises
    ------
    ValueError
        outside the table
    """
    for (low, below), (high, above) in pairwise(zip(_AT, TABLES[label], strict=True)):
        if low <= temperature <= high:
            return below + (above - below) * (temperature - low) / (high - low)
    raise ValueError(f"temperature is {temperature:g} °C; the tables go from {_AT[0]:g} to {_AT[-1]:g} °C")
