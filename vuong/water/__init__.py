"""Water chemistry. Both interpreters run it: only ``math``, and no more digits than a 32-bit float holds."""


def within(name: str, value: float, low: float, high: float, unit: str) -> None:
    """Refuse what a formula was not made for.

    Raises
    ------
    ValueError
        naming the argument, its value and its range; also for NaN
    """
    if not low <= value <= high:
        raise ValueError(f"{name} is {value} {unit}; the formula holds from {low} to {high}")
