"""What stands around another probe: the median of repeated readings, and the check that it is in water."""

from firmware.probes import IN_AIR_BELOW, NOISY, NOT_IN_WATER, OK

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.boundaries import Probe


class Median:
    """The median of repeated readings, which one wild value does not move.

    Parameters
    ----------
    probe : read `times` times, at least half of them with success
    spread : the most that the middle half may differ, in the quantity's unit; beyond it the probe is `NOISY`
    """

    def __init__(self, probe: "Probe", *, times: int = 5, spread: float) -> None:
        self._probe, self._times, self._spread = probe, times, spread
        self.quantity = probe.quantity

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":
        """Return the median; see `firmware.probes`."""
        values: "list[float]" = []
        unit, reason = "", OK
        for _ in range(self._times):
            value, unit, status = await self._probe.read(water)
            if value is not None and status == OK:
                values.append(value)
            else:
                reason = status
        if 2 * len(values) < self._times:
            return None, unit, reason
        values.sort()
        n = len(values)
        if values[n - 1 - n // 4] - values[n // 4] > self._spread:
            return None, unit, NOISY
        return (values[n // 2] if n % 2 else (values[n // 2 - 1] + values[n // 2]) / 2), unit, OK


class InWater:
    """A probe that is believed only while the node's conductivity probe, read before it, is in water."""

    def __init__(self, probe: "Probe") -> None:
        self._probe = probe
        self.quantity = probe.quantity

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":
        """Read the probe; see `firmware.probes`."""
        value, unit, status = await self._probe.read(water)
        if status == OK and water.get("conductivity", IN_AIR_BELOW) < IN_AIR_BELOW:
            return None, unit, NOT_IN_WATER
        return value, unit, status
