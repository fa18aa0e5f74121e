"""Calibration of the node's probes: what is accepted, what is refused and why.

Points are given as (true value, what the probe said). Refusals are `CalibrationError` with the reason in words that a technician can act on. The
record is `firmware.ledger`'s.

Limits: vuong.water.ph (slope below 85 % means a worn electrode); EN ISO 10523 asks for two buffers that bracket the sample.
"""

from firmware.probes import IN_AIR_BELOW
from vuong.water import oxygen, ph

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    Point = tuple[float, float]

# The most by which the newest readings may differ before a point counts as settled, and how many of them.
SETTLED = {"ph": 0.5, "do": 0.3, "conductivity": 0.05, "temperature": 0.05}  # mV, mV or mg/L, mS/cm, °C
SETTLED_READINGS = 6
_WORST_SLOPE, _BEST_SLOPE = 85.0, 105.0
_WORST_OFFSET = 60.0  # mV: more than one pH unit


class CalibrationError(Exception):
    """A calibration that must not be used; the text says why and what to do."""


def settled(quantity: str, readings: "list[float]") -> bool:
    """Return whether the newest readings agree well enough for a point to be taken."""
    newest = readings[-SETTLED_READINGS:]
    return len(newest) == SETTLED_READINGS and max(newest) - min(newest) <= SETTLED[quantity]


def check_medium(wanted: str, conductivity: "float | None") -> None:
    """Refuse a point taken in the wrong medium.

    Parameters
    ----------
    wanted : ``water`` or ``air``
    conductivity : what the node's own probe says, mS/cm; ``None`` where it has none, and then nothing is refused

    Raises
    ------
    CalibrationError
        if the probe is in the other one
    """
    if conductivity is None:
        return
    found = "air" if conductivity < IN_AIR_BELOW else "water"
    if found != wanted:
        raise CalibrationError(f"the probe is in {found} (conductivity {conductivity:.2f} mS/cm); this point needs {wanted}")


def ph_electrode(points: "list[Point]", temperature: float, slope: float = 100.0) -> "tuple[float, float]":
    """Return ``(slope %, offset mV)`` of a pH electrode from one to three buffers.

    Parameters
    ----------
    points : (pH of the buffer at this temperature, mV of the electrode)
    temperature : of the buffers, °C
    slope : percent, kept where there is only one buffer

    Raises
    ------
    CalibrationError
        with the reason: buffers swapped or too close, electrode worn or coated, points off a straight line
    """
    if not 1 <= len(points) <= 3:
        raise CalibrationError(f"{len(points)} buffers; take one, two or three")
    if len(points) > 1:
        points = sorted(points)
        if min(b[0] - a[0] for a, b in zip(points, points[1:])) < 1.0:  # noqa: B905, RUF007 (MicroPython has neither)
            raise CalibrationError("two buffers lie less than 1 pH apart; take 4.01, 6.86 or 7.00, 9.18 or 10.01")
        n = len(points)
        mean_ph, mean_mv = sum(p for p, _ in points) / n, sum(v for _, v in points) / n
        per_ph = -sum((p - mean_ph) * (v - mean_mv) for p, v in points) / sum((p - mean_ph) ** 2 for p, _ in points)
        slope, offset = 100.0 * per_ph / ph.slope(temperature), mean_mv + (mean_ph - ph.ZERO_POINT) * per_ph
        if slope < 0:
            raise CalibrationError(
                "the voltage rises with pH: the buffers are swapped, or the electrode is wired the wrong way round"
            )
        worst = max(abs(v - (offset - (p - ph.ZERO_POINT) * per_ph)) for p, v in points)
        if worst > 6.0:  # a tenth of a pH
            raise CalibrationError(f"the three points miss a straight line by {worst:.0f} mV: one buffer is old or mixed up")
    else:
        buffer, mv = points[0]
        offset = mv + (buffer - ph.ZERO_POINT) * ph.slope(temperature) * slope / 100.0
    if slope < _WORST_SLOPE:
        raise CalibrationError(
            f"the slope is {slope:.0f} %, below {_WORST_SLOPE:.0f} %: clean the electrode and try again, else replace it"
        )
    if slope > _BEST_SLOPE:
        raise CalibrationError(f"the slope is {slope:.0f} %, above {_BEST_SLOPE:.0f} %: a buffer is not what its label says")
    if abs(offset) > _WORST_OFFSET:
        raise CalibrationError(
            f"the offset is {offset:.0f} mV, beyond {_WORST_OFFSET:.0f}: wrong buffer, or a poisoned reference"
        )
    return slope, offset


def oxygen_cell(air: float, zero: float, temperature: float) -> "tuple[float, float, float]":
    """Return ``(mV in air, its °C, mV at zero)`` of a galvanic cell; 0 for `zero` where only air was taken.

    Raises
    ------
    CalibrationError
        if the cell gives too little, or the two points are swapped
    """
    if zero >= air:
        raise CalibrationError(f"zero gives {zero:.1f} mV and air {air:.1f} mV: the points are swapped, or the sulphite is spent")
    if air < 10.0:
        raise CalibrationError(f"air gives {air:.1f} mV, below 10: renew electrolyte and membrane")
    if zero > 0.1 * air:
        raise CalibrationError(
            f"zero gives {zero:.1f} mV, over a tenth of air: wait longer in fresh sulphite solution, or renew the membrane"
        )
    return air, temperature, zero


def oxygen_meter(reading: float, temperature: float, salinity: float, pressure: float = oxygen.ATMOSPHERE) -> float:
    """Return the factor by which a meter's mg/L must be multiplied, from air-saturated water.

    Raises
    ------
    CalibrationError
        if it is off by more than a third
    """
    true = oxygen.saturation(temperature, salinity, pressure)
    if not 0.67 <= reading / true <= 1.5:
        raise CalibrationError(
            f"the meter says {reading:.2f} mg/L where saturation is {true:.2f}: clean it, check its cap, wait longer"
        )
    return true / reading


def conductivity_cell(points: "list[Point]") -> "tuple[float, float]":
    """Return ``(factor, offset mS/cm)`` so that true = factor × reading + offset, from one or two standards.

    Raises
    ------
    CalibrationError
        if the standards are swapped or too close, or the cell is off by more than a third
    """
    if len(points) == 1:
        true, said = points[0]
        factor, offset = (true / said if said > 0 else 0.0), 0.0
    elif len(points) == 2:
        (true1, said1), (true2, said2) = sorted(points)
        if true2 < 2 * true1:
            raise CalibrationError(
                f"the standards {true1} and {true2} mS/cm lie too close; take two that differ by more than twice"
            )
        if said2 <= said1:
            raise CalibrationError("the stronger standard gave the lower reading: the standards are swapped")
        factor = (true2 - true1) / (said2 - said1)
        offset = true1 - factor * said1
    else:
        raise CalibrationError(f"{len(points)} standards; take one or two")
    if not 0.67 <= factor <= 1.5:
        raise CalibrationError(
            f"the cell is off by a factor of {factor:.2f}: clean it, check for air bubbles, check the standard"
        )
    return factor, offset


def temperature_offset(true: float, said: float) -> float:
    """Return what must be added to the thermometer's °C.

    Raises
    ------
    CalibrationError
        if it is more than 2 °C
    """
    if abs(true - said) > 2.0:
        raise CalibrationError(f"the thermometer is off by {said - true:.1f} °C: it is broken, or the reference is elsewhere")
    return true - said
