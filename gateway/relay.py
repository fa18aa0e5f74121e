"""A relay on a GPIO pin of the Raspberry Pi, through gpiozero; tests put its mock pins in (`gpiozero.Device.pin_factory`)."""

from __future__ import annotations

import logging

import gpiozero

_LOG = logging.getLogger(__name__)


class Relay:
    """One relay; off until told otherwise, and off again when the process ends.

    A machine with no GPIO, or a pin that is taken, is told once; the rest of the gateway goes on.

    Parameters
    ----------
    pin : Broadcom number
    active_high : whether the relay's coil is on at a high level
    what : what hangs on it, for the log
    """

    def __init__(self, pin: int, *, active_high: bool, what: str) -> None:
        self._device: gpiozero.OutputDevice | None = None
        try:
            self._device = gpiozero.OutputDevice(pin, active_high=active_high, initial_value=False)
        except Exception as error:  # noqa: BLE001 - each of gpiozero's back ends raises errors of its own; the alarms must go on without
            _LOG.error("the relay of %s on GPIO %d cannot be used (%s); check wiring, pin and the gpio group", what, pin, error)

    @property
    def usable(self) -> bool:
        """Whether there is such a pin."""
        return self._device is not None

    @property
    def on(self) -> bool:
        """Whether the relay is on."""
        return self._device is not None and bool(self._device.value)

    def set(self, on: bool) -> None:
        """Switch."""
        if self._device is not None and on != self.on:
            self._device.on() if on else self._device.off()

    def close(self) -> None:
        """Switch off and give the pin back."""
        if self._device is not None:
            self._device.off()
            self._device.close()
            self._device = None
