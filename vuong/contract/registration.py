"""A node's registration: what a technician's laptop tells the cloud, ``PUT /api/v1/nodes/<node>``, and what the cloud tells of it.

``DELETE /api/v1/nodes/<node>?reason=…`` takes a node out of service: it stays known, with its readings, and may be registered again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from vuong.contract.api import CLOCK_TOLERANCE, ROOT
from vuong.quantities import QUANTITIES

if TYPE_CHECKING:
    from typing import NotRequired, TypedDict
else:
    # See `vuong.contract.api`.
    try:
        from typing import NotRequired

        from typing_extensions import TypedDict
    except ModuleNotFoundError:
        from typing import NotRequired, TypedDict

NODES: Final = ROOT + "/nodes"
GATEWAYS: Final = ROOT + "/gateways"
LONGEST_REASON: Final = 200
_NODE: Final = re.compile(r"[0-9a-f]{16}")
# RFC 5280: a serial number has at most 20 octets.
_SERIAL: Final = re.compile(r"[0-9a-f]{1,40}")


class NodeRegistration(TypedDict):
    """What is known of a node when it is installed.

    `gateway` is its gateway's id, `probes` are quantities, `certificate` is its client certificate's serial number in
    lower-case hex (``format(serial, "x")``), `installed` UTC seconds.
    """

    pond: str
    gateway: NotRequired[str | None]
    probes: NotRequired[list[str]]
    firmware: NotRequired[str | None]
    certificate: NotRequired[str | None]
    installed: NotRequired[int | None]


class NodeRecord(TypedDict):
    """A node as the cloud knows it; `revoked_by` is a person's number (``user:5``), for names are told to managers only."""

    node: str
    pond: str
    cooperative: str
    gateway: str | None
    probes: list[str]
    firmware: str | None
    certificate: str | None
    installed: int | None
    revoked: int | None
    revoked_by: str | None
    revoked_reason: str | None


def _text(value: object, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= longest and value.isprintable()


def node_fault(node: object) -> str | None:
    """Return what is wrong with a node's identity, ``None`` where nothing is."""
    right = isinstance(node, str) and _NODE.fullmatch(node)
    return None if right else f"node is {node!r:.60}; send an EUI-64: 16 lower-case hex digits"


def registration_fault(row: object, now: float) -> str | None:  # noqa: PLR0911 - one a fault
    """Return what is wrong with a registration (field, value, remedy), ``None`` where nothing is.

    Parameters
    ----------
    row : what came in, as `NodeRegistration`
    now : our UTC seconds; what was installed in the future has a wrong clock
    """
    if not isinstance(row, dict):
        return f"registration is {type(row).__name__}; send an object"
    unknown = sorted(set(row) - set(NodeRegistration.__annotations__))
    if unknown:
        return f"{unknown[0]!r:.60} is not known; known are {', '.join(NodeRegistration.__annotations__)}"
    if not _text(row.get("pond"), 63):
        return f"pond is {row.get('pond')!r:.60}; send a pond's id"
    for name, longest in (("gateway", 63), ("firmware", 60)):
        if row.get(name) is not None and not _text(row[name], longest):
            return f"{name} is {row[name]!r:.60}; send a text of up to {longest} letters, or null"
    probes: Any = row.get("probes", [])
    if not isinstance(probes, list) or len(probes) > len(QUANTITIES) or any(probe not in tuple(QUANTITIES) for probe in probes):
        return f"probes is {probes!r:.60}; send a list of some of {', '.join(QUANTITIES)}"
    serial = row.get("certificate")
    if serial is not None and not (isinstance(serial, str) and _SERIAL.fullmatch(serial)):
        return f"certificate is {serial!r:.60}; send the serial number as up to 40 lower-case hex digits, or null"
    installed = row.get("installed")
    if installed is not None and (type(installed) is not int or not 0 <= installed <= now + CLOCK_TOLERANCE):
        return f"installed is {installed!r:.60}; send UTC seconds that are not in the future, or null"
    return None


def reason_fault(reason: object) -> str | None:
    """Return what is wrong with the reason of a revocation, ``None`` where nothing is."""
    right = _text(reason, LONGEST_REASON)
    return None if right else f"reason is {reason!r:.60}; say why in up to {LONGEST_REASON} letters on one line"
