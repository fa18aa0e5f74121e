"""The board's probes, made anew from their description for each sample and dropped after it: their drivers take memory that sending needs."""

from firmware.modules import drop

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from firmware.boundaries import Module, Probe
    from firmware.ledger import Ledger

# Everything that only reading probes needs.
DRIVERS = ("firmware.assembly", "firmware.probes", "firmware.sampling", "vuong.water")


class Shelf:
    """Goes through the probes, as often as asked; errors as of `firmware.assembly.probes`.

    Parameters
    ----------
    machine : the board's module
    config : the node's (`firmware.main`)
    """

    def __init__(self, machine: "Module", config: "dict[str, Any]", ledger: "Ledger") -> None:
        self._machine, self._config, self._ledger = machine, config, ledger

    def __iter__(self) -> "Iterator[Probe]":
        """Make the probes, hand them out, drop them."""
        yield from self.take()
        drop(*DRIVERS)

    def take(self, *, raw: bool = False) -> "list[Probe]":
        """Return the probes, to be dropped by the caller; `raw` as of `firmware.assembly.probes`."""
        from firmware import assembly  # noqa: PLC0415

        buses = assembly.Buses(self._machine, self._config.get("pins", {}))
        return assembly.probes(self._config.get("probes", []), buses, self._ledger, raw=raw)
