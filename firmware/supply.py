"""The node's battery: how it is read, and what a low one means.

Stages, for one lithium iron phosphate cell (3.2 V nominal; flat from 3.35 to 3.2 V, then falling fast):
normal above 3.2 V; ``saving`` above 3.0 V, with a quarter of the samples; ``silent`` below, with the radio off after that was announced.
Below 2.9 V nothing is written to flash: an ESP32 browns out at 2.43 V or more, and the radio's 0.4 A pulls a weak cell down in the middle of a write.
"""

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.boundaries import Adc

NORMAL, SAVING, SILENT = "normal", "saving", "silent"
_SAVING_BELOW, _SILENT_BELOW, _NO_WRITE_BELOW = 3.2, 3.0, 2.9
_BACK = 0.1  # V above a limit before the better stage counts again
_STRETCH = {NORMAL: 1, SAVING: 4, SILENT: 8}


class Supply:
    """The battery behind a voltage divider.

    Parameters
    ----------
    adc : ``machine.ADC``
    ratio : battery voltage over pin voltage
    """

    def __init__(self, adc: "Adc", ratio: float = 2.0) -> None:
        self._adc, self._ratio = adc, ratio
        self._stage = NORMAL

    def volts(self) -> float:
        """Return the battery's voltage, the median of five readings."""
        return sorted([self._adc.read_uv() for _ in range(5)])[2] * self._ratio / 1000000

    def stage(self) -> str:
        """Return `NORMAL`, `SAVING` or `SILENT`, with a deadband so that it does not flutter."""
        volts = self.volts()
        back = _BACK if self._stage != NORMAL else 0.0
        if volts < _SILENT_BELOW + (back if self._stage == SILENT else 0.0):
            self._stage = SILENT
        elif volts < _SAVING_BELOW + back:
            self._stage = SAVING
        else:
            self._stage = NORMAL
        return self._stage

    def stretch(self) -> int:
        """Return the factor by which the interval grows in the stage last read."""
        return _STRETCH[self._stage]

    def may_write(self) -> bool:
        """Return whether the supply is good enough for the flash."""
        return self.volts() >= _NO_WRITE_BELOW
