"""What stands at the ponds, ready to be shown: nodes with their last state and calibrations, gateways with when they last spoke."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from cloud.alerts import service as alerts
from cloud.alerts.tables import NodeStatus
from cloud.entries import service as entries
from cloud.farms.tables import Gateway, Node
from cloud.tenancy import ScopedSession
from cloud.web.texts import moment_text, quantity_text
from vuong import calibration, i18n
from vuong.contract import api

_DAY: Final = 86_400
# A gateway sends at least every few minutes, also where nothing new was measured.
QUIET: Final = 15 * 60
# What a probe that is calibrated gives beside itself.
_GIVES: Final = {"conductivity": ("conductivity", "salinity")}


@dataclass(frozen=True, slots=True)
class ProbeView:
    """A probe of a node: `state` is ``never``, ``fine``, ``due`` or ``overdue`` by its last calibration."""

    name: str
    state: str
    calibrated: str | None
    age: str
    by: str | None


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as it stands; `state` is ``online``, ``offline``, ``revoked`` or ``unknown`` (nobody heard of it yet)."""

    node: Node
    state: str
    heard: str | None
    since: str | None
    firmware: str | None
    battery: str | None
    signal: int | None
    detail: dict[str, Any]
    probes: list[ProbeView]
    due: int


@dataclass(frozen=True, slots=True)
class GatewayView:
    """A gateway and when it last spoke."""

    gateway: Gateway
    state: str
    heard: str | None
    since: str | None


def gateway_view(gateway: Gateway, wall: float, language: str) -> GatewayView:
    """Return a gateway ready to be shown; `wall` is the machine's time."""
    if gateway.heard is None:
        return GatewayView(gateway, "unknown", None, None)
    quiet = wall - gateway.heard
    state = "online" if quiet < QUIET else "offline"
    return GatewayView(gateway, state, i18n.age(max(0.0, quiet), language), moment_text(gateway.heard, wall))


def _probes(node: Node, calibrations: list[api.Entry], now: float, language: str) -> list[ProbeView]:
    newest: dict[str, api.Entry] = {}
    for entry in calibrations:  # the newest first
        if entry["content"]["node"] == node.eui:
            newest.setdefault(entry["content"]["quantity"], entry)
    fitted = set(node.probes or ())
    views = []
    for quantity in calibration.DUE:
        last = newest.get(quantity)
        if last is None and not fitted & {*_GIVES.get(quantity, (quantity,))}:
            continue
        name = quantity_text(quantity, language)
        if last is None:
            views.append(ProbeView(name, "never", None, "", None))
            continue
        age = max(0.0, now - last["at"])
        state = calibration.state(quantity, age / _DAY)
        views.append(ProbeView(name, state, moment_text(last["at"], now), i18n.age(age, language), last["by"]))
    return views


def _view(node: Node, status: NodeStatus | None, calibrations: list[api.Entry], now: float, language: str) -> NodeView:
    detail = {} if status is None else status.detail
    if node.revoked is not None:
        state = "revoked"
    elif status is None:
        state = "unknown"
    else:
        state = "online" if status.state == "online" else "offline"
    battery: Any = detail.get("battery")
    known = isinstance(battery, int | float) and not isinstance(battery, bool)
    probes = _probes(node, calibrations, now, language)
    signal = detail.get("rssi")
    return NodeView(
        node=node,
        state=state,
        heard=None if status is None else i18n.age(max(0.0, now - status.time), language),
        since=None if status is None else moment_text(status.time, now),
        firmware=str(detail["firmware"]) if isinstance(detail.get("firmware"), str) else node.firmware,
        battery=i18n.number(float(battery), 2, language) if known else None,
        signal=signal if isinstance(signal, int) else None,
        detail=detail,
        probes=probes,
        due=sum(probe.state != "fine" for probe in probes),
    )


def node_views(session: ScopedSession, nodes: list[Node], now: float, language: str) -> list[NodeView]:
    """Return nodes ready to be shown; `now` is the time of the ponds."""
    states = alerts.newest_states(session, [node.id for node in nodes])
    calibrations = entries.calibrations(session, {node.pond_id for node in nodes})
    return [_view(node, states.get(node.id), calibrations, now, language) for node in nodes]
