"""The driver boundary: a probe measures one quantity and says how sure it is.

A probe is an object with

- ``quantity``: its row in `vuong.quantities`,
- ``async read(water)`` returning ``(value, unit, status)``: the value in the quantity's own unit, or ``None`` with the reason in `status`;
  `status` is `OK` for a value that may be used. `water` maps quantity name to value of the probes read before it in the same sample, for
  compensation (temperature before conductivity before dissolved oxygen and pH). It never raises.

A probe that can be calibrated also has

- ``async raw(water)``: like ``read``, before calibration, in the unit that `firmware.calibration` wants,
- ``value(raw, water)``: the calibrated value, ValueError where there is none,
- ``numbers`` and their ``names``: the calibration in force.
"""

# Brackish water conducts more than 1 mS/cm; a probe in the air, or one whose cap dries, reads far less.
IN_AIR_BELOW = 0.2  # mS/cm

OK = "ok"
NO_ANSWER = "no answer"
NOT_IN_WATER = "not in water"
OUT_OF_RANGE = "out of range"
DISCONNECTED = "disconnected"
NOISY = "noisy"
GARBLED = "garbled"
