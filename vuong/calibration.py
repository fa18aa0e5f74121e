"""When a probe's calibration is due; both interpreters run this module, so that node, pages and technician say the same."""

# Days after which a calibration is due, and overdue: our defaults for brackish, warm, fouling water; makers print 30 to 90 for clean water.
DUE = {"ph": (30, 45), "do": (30, 45), "conductivity": (60, 90), "temperature": (180, 365)}


def state(quantity: str, days: float) -> str:
    """Return ``fine``, ``due`` or ``overdue`` for a calibration that is `days` old."""
    due, overdue = DUE[quantity]
    return "overdue" if days >= overdue else "due" if days >= due else "fine"
