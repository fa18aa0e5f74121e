"""When a reading counts as settled, so that a calibration point may be taken."""

# The most by which the newest readings may differ, and how many of them.
SETTLED = {"ph": 0.5, "do": 0.3, "conductivity": 0.05, "temperature": 0.05}  # mV, mV or mg/L, mS/cm, °C
SETTLED_READINGS = 6


def settled(quantity: str, readings: "list[float]") -> bool:
    """Return whether the newest readings agree well enough."""
    newest = readings[-SETTLED_READINGS:]
    return len(newest) == SETTLED_READINGS and max(newest) - min(newest) <= SETTLED[quantity]
