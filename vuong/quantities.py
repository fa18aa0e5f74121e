"""The table of quantities: one row makes a quantity known to node, gateway, cloud and pages.

Names for people are in the catalogues under ``quantity.<name>``. MicroPython runs this module too, so it uses no ``typing`` and no ``dataclasses``.
"""


class Quantity:
    """One measurable quantity of the water.

    Attributes
    ----------
    name : column and wire name
    unit : unit shown to people, in which all values are held
    senml_unit, senml_exponent : IANA SenML unit, and the power of ten from ``unit`` to it (1 mg/L = 10^-3 kg/m3)
    digits : decimal digits kept on the wire; a node stores ``round(value * 10**digits)`` as an integer
    low, high : physical range; a value outside it was not measured in water
    resolution : smallest step that a usual probe resolves, in ``unit``
    """

    def __init__(
        self,
        name: str,
        unit: str,
        senml_unit: str,
        senml_exponent: int,
        digits: int,
        low: float,
        high: float,
        resolution: float,
    ) -> None:
        self.name = name
        self.unit = unit
        self.senml_unit = senml_unit
        self.senml_exponent = senml_exponent
        self.digits = digits
        self.low = low
        self.high = high
        self.resolution = resolution
        self._scale = float(10**digits)

    def __repr__(self) -> str:
        return f"Quantity({self.name})"

    def scaled(self, value: float) -> int:
        """Return `value` as the integer that node and wire carry."""
        return round(value * self._scale)

    def unscaled(self, integer: int) -> float:
        """Return the value in `unit` of a scaled integer."""
        return integer / self._scale


# There is no mg/L in SenML: dissolved oxygen travels as kg/m3, which is exact in decimal (domain decision, RFC 8428 section 12.1).
# Salinity is PSS-78, shown as ‰ as people in Vietnam write it; "/1000" is RFC 8798's secondary unit.
QUANTITIES = {
    q.name: q
    for q in (
        Quantity("temperature", "°C", "Cel", 0, 2, -5.0, 50.0, 0.1),
        Quantity("do", "mg/L", "kg/m3", -3, 2, 0.0, 30.0, 0.05),
        Quantity("ph", "pH", "pH", 0, 2, 0.0, 14.0, 0.02),
        Quantity("salinity", "‰", "/1000", 0, 2, 0.0, 60.0, 0.1),
        Quantity("conductivity", "mS/cm", "S/m", -1, 3, 0.0, 100.0, 0.01),
        Quantity("turbidity", "NTU", "NTU", 0, 1, 0.0, 4000.0, 1.0),
        Quantity("depth", "m", "m", 0, 3, -2.0, 50.0, 0.01),
    )
}
