"""Calibration of the node's probes: what is accepted, what is refused and why.

Points are given as (true value, what the probe said). Refusals are `CalibrationError` with the reason in words that a technician can act on. The
record is `firmware.ledger`'s.

Limits: vuong.water.ph (slope below 85 % means a worn electrode); EN ISO 10523 asks for two buffers that bracket the sample.
"""

from firmware.probes import IN_AIR_BELOW
from firmware.settling import SETTLED, SETTLED_READINGS, settled
from vuong.water import oxygen, ph

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any

    Point = tuple[float, float]

__all__ = ["CalibrationError", "check_settled", "judge"]
_WORST_SLOPE, _BEST_SLOPE = 85.0, 105.0
_WORST_OFFSET = 60.0  # mV: more than one pH unit


class CalibrationError(Exception):
    """A calibration that must not be used; the text says why and what to do.

    Attributes
    ----------
    key, numbers : the reason for who says it in another language, and the numbers in it
    """

    def __init__(self, key: str, text: str, **numbers: "float | str") -> None:
        super().__init__(text)
        self.key, self.numbers = key, numbers


def check_settled(quantity: str, readings: "list[float]") -> None:
    """Refuse a point that was taken before the newest readings agreed.

    Raises
    ------
    CalibrationError
        if there are too few or they differ too much
    """
    newest, limit = readings[-SETTLED_READINGS:], SETTLED[quantity]
    if len(newest) < SETTLED_READINGS:
        text = f"only {len(newest)} readings here yet; take {SETTLED_READINGS} before the point"
        raise CalibrationError("unsettled", text, readings=len(newest), needed=SETTLED_READINGS)
    if not settled(quantity, newest):
        spread = max(newest) - min(newest)
        text = f"the last {SETTLED_READINGS} readings differ by {spread:.2f}, more than {limit}: wait longer"
        raise CalibrationError("unsettled", text, spread=spread, limit=limit, readings=SETTLED_READINGS)


# quantity: methods of calibrating it
METHODS = {"ph": ("buffers",), "do": ("air", "zero"), "conductivity": ("standard",), "temperature": ("reference",)}


def judge(message: "dict[str, Any]", before: "list[float]", names: "list[str]", medium: "str | None") -> "list[float]":
    """Return the numbers that a technician's points give a probe.

    Parameters
    ----------
    message : ``quantity``, ``method``, ``points`` (list of [true value, raw reading]; dissolved oxygen: 0 is the zero point, any other air),
        ``temperature`` (°C, for pH and oxygen), ``salinity`` (‰) and ``pressure`` (hPa) of what the oxygen probe is in
    before, names : the numbers in force, and what they are
    medium : what the node's conductivity says that it is in: ``water``, ``air`` or ``None``

    Raises
    ------
    CalibrationError
        if they must not be used
    ValueError
        if the call is wrong
    """
    quantity, method = str(message["quantity"]), message["method"]
    if method not in METHODS[quantity]:
        raise ValueError(f"method {method!r} does not calibrate {quantity}; known are {', '.join(METHODS[quantity])}")
    points: "list[Point]" = [(1.0 if true is None else float(true), float(said)) for true, said in message["points"]]
    if quantity == "ph":
        found: "tuple[float, ...]" = ph_electrode(points, float(message["temperature"]), before[0])
    elif quantity == "conductivity":
        check_medium("water", points[0][1] if len(points) == 1 else None)
        found = conductivity_cell(points)
    elif quantity == "temperature":
        if len(points) != 1:
            raise ValueError(f"{len(points)} points; give one: the reference's temperature and the probe's")
        found = (temperature_offset(points[0][0], points[0][1]),)
    else:
        found = _oxygen(message, points, before, cell=len(names) == 3, medium=medium)
    return [round(number, 4) for number in found]


def _oxygen(
    message: "dict[str, Any]", points: "list[Point]", before: "list[float]", *, cell: bool, medium: "str | None"
) -> "tuple[float, ...]":
    """Return the numbers of an oxygen probe; the point that was not taken stays as it is."""
    air, zero, temperature = None, before[-1], float(message["temperature"])
    for true, said in points:
        if true == 0.0:
            zero = said
        else:
            air = said
    if message["method"] == "air":
        if air is None:
            raise ValueError("no point in air is given")
        if medium == "water":
            text = "the conductivity probe is in water: this point is taken in moist air"
            raise CalibrationError("medium", text, found=medium, wanted="air")
    if cell:
        return oxygen_cell(air, zero, temperature) if air is not None else oxygen_cell(before[0], zero, before[1])
    salinity, pressure = float(message.get("salinity", 0.0)), float(message.get("pressure", oxygen.ATMOSPHERE))
    if air is None:
        _check_zero(oxygen.saturation(temperature, salinity, pressure) / before[0], zero, "mg/L")
        return before[0], zero
    return oxygen_meter(air, temperature, salinity, pressure, zero)


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
        text = f"the probe is in {found} (conductivity {conductivity:.2f} mS/cm); this point needs {wanted}"
        raise CalibrationError("medium", text, found=found, wanted=wanted)


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
        raise CalibrationError("buffers_count", f"{len(points)} buffers; take one, two or three", count=len(points))
    if len(points) > 1:
        points = sorted(points)
        if min(b[0] - a[0] for a, b in zip(points, points[1:])) < 1.0:  # noqa: B905, RUF007 (MicroPython has neither)
            raise CalibrationError(
                "buffers_close", "two buffers lie less than 1 pH apart; take 4.01, 6.86 or 7.00, 9.18 or 10.01"
            )
        n = len(points)
        mean_ph, mean_mv = sum(p for p, _ in points) / n, sum(v for _, v in points) / n
        per_ph = -sum((p - mean_ph) * (v - mean_mv) for p, v in points) / sum((p - mean_ph) ** 2 for p, _ in points)
        slope, offset = 100.0 * per_ph / ph.slope(temperature), mean_mv + (mean_ph - ph.ZERO_POINT) * per_ph
        if slope < 0:
            text = "the voltage rises with pH: the buffers are swapped, or the electrode is wired the wrong way round"
            raise CalibrationError("buffers_swapped", text)
        worst = max(abs(v - (offset - (p - ph.ZERO_POINT) * per_ph)) for p, v in points)
        if worst > 6.0:  # a tenth of a pH
            text = f"the three points miss a straight line by {worst:.0f} mV: one buffer is old or mixed up"
            raise CalibrationError("line", text, miss=worst)
    else:
        buffer, mv = points[0]
        offset = mv + (buffer - ph.ZERO_POINT) * ph.slope(temperature) * slope / 100.0
    if slope < _WORST_SLOPE:
        text = f"the slope is {slope:.0f} %, below {_WORST_SLOPE:.0f} %: clean the electrode and try again, else replace it"
        raise CalibrationError("slope_low", text, slope=slope, limit=_WORST_SLOPE)
    if slope > _BEST_SLOPE:
        text = f"the slope is {slope:.0f} %, above {_BEST_SLOPE:.0f} %: a buffer is not what its label says"
        raise CalibrationError("slope_high", text, slope=slope, limit=_BEST_SLOPE)
    if abs(offset) > _WORST_OFFSET:
        text = f"the offset is {offset:.0f} mV, beyond {_WORST_OFFSET:.0f}: wrong buffer, or a poisoned reference"
        raise CalibrationError("offset", text, offset=offset, limit=_WORST_OFFSET)
    return slope, offset


def oxygen_cell(air: float, zero: float, temperature: float) -> "tuple[float, float, float]":
    """Return ``(mV in air, its °C, mV at zero)`` of a galvanic cell; 0 for `zero` where only air was taken.

    Raises
    ------
    CalibrationError
        if the cell gives too little, or the two points are swapped
    """
    _check_zero(air, zero, "mV")
    if air < 10.0:
        raise CalibrationError("oxygen_low", f"air gives {air:.1f} mV, below 10: renew electrolyte and membrane", air=air)
    return air, temperature, zero


def oxygen_meter(
    reading: float, temperature: float, salinity: float, pressure: float = oxygen.ATMOSPHERE, zero: float = 0.0
) -> "tuple[float, float]":
    """Return ``(factor, zero)`` of a meter: true mg/L = factor × (reading - zero), from air-saturated water or moist air.

    Raises
    ------
    CalibrationError
        if it is off by more than a third, or the two points are swapped
    """
    true = oxygen.saturation(temperature, salinity, pressure)
    _check_zero(reading, zero, "mg/L")
    said = reading - zero
    if not 0.67 <= said / true <= 1.5:
        text = f"the meter says {said:.2f} mg/L where saturation is {true:.2f}: clean it, check its cap, wait longer"
        raise CalibrationError("oxygen_off", text, said=said, true=true)
    return true / said, zero


def _check_zero(air: float, zero: float, unit: str) -> None:
    if zero >= air:
        text = f"zero gives {zero:.1f} {unit} and air {air:.1f} {unit}: the points are swapped, or the sulphite is spent"
        raise CalibrationError("oxygen_swapped", text, zero=zero, air=air)
    if zero > 0.1 * air:
        text = f"zero gives {zero:.1f} {unit}, over a tenth of air: wait longer in fresh sulphite solution, or renew the membrane"
        raise CalibrationError("oxygen_zero", text, zero=zero, air=air)


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
            text = f"the standards {true1} and {true2} mS/cm lie too close; take two that differ by more than twice"
            raise CalibrationError("standards_close", text, low=true1, high=true2)
        if said2 <= said1:
            raise CalibrationError("standards_swapped", "the stronger standard gave the lower reading: the standards are swapped")
        factor = (true2 - true1) / (said2 - said1)
        offset = true1 - factor * said1
    else:
        raise CalibrationError("standards_count", f"{len(points)} standards; take one or two", count=len(points))
    if not 0.67 <= factor <= 1.5:
        text = f"the cell is off by a factor of {factor:.2f}: clean it, check for air bubbles, check the standard"
        raise CalibrationError("standard_off", text, factor=factor)
    return factor, offset


def temperature_offset(true: float, said: float) -> float:
    """Return what must be added to the thermometer's °C.

    Raises
    ------
    CalibrationError
        if it is more than 2 °C
    """
    if abs(true - said) > 2.0:
        text = f"the thermometer is off by {said - true:.1f} °C: it is broken, or the reference is elsewhere"
        raise CalibrationError("reference_off", text, off=said - true)
    return true - said
