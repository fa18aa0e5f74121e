"""What a technician looks at: the nodes and what they tell of themselves, calibrations, and which alarms are a nuisance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.lan import texts
from gateway.lan.api import desk_of
from gateway.lan.desk import Desk
from gateway.lan.page import language_of, page, visitor
from vuong import i18n
from vuong.contract.api import EntryKind, Right

_DAYS: Final = 7
_MOST_ROWS: Final = 20
# Which of a node's own words stand on the page, in this order; those in the second line want somebody to act.
_FACTS: Final = ("firmware", "battery", "solar", "motor_current", "rssi", "heap", "held", "power", "mode", "reset", "config")
_TROUBLES: Final = ("safe_mode", "crash", "faults", "dropped", "refused")


@dataclass(frozen=True, slots=True)
class ShownNode:
    """A node as it was last heard; `state` is ``ok``, ``warning`` (it has troubles), ``silent`` or ``empty``."""

    id: str
    pond: str
    state: str
    heard: str | None
    told: str | None
    facts: list[tuple[str, str]]
    troubles: list[tuple[str, str]]


def _said(name: str, value: Any, language: str) -> str:  # noqa: ANN401 - a number or a text
    if name in {"battery", "solar"} and isinstance(value, int | float):
        return f"{i18n.number(value, 2, language)} V"
    if name == "motor_current" and isinstance(value, int | float):
        return f"{i18n.number(value, 1, language)} A"
    if name == "rssi":
        return f"{value} dBm"
    if name == "heap" and isinstance(value, int):
        return f"{i18n.number(value / 1024, 0, language)} KB"
    return str(value)


def _nodes(desk: Desk, language: str) -> dict[str, Any]:
    now, shown = desk.clock.now(), []
    for node, pond, heard, stated, state, detail in desk.records.nodes():
        last = max((t for t in (heard, stated if state == "online" else None) if t is not None), default=None)
        silent = last is None or state == "offline" or now - last > desk.config.offline_after

        def those(names: tuple[str, ...], detail: dict[str, Any] = detail) -> list[tuple[str, str]]:
            return [
                (texts.ui(f"node.{n}", language), _said(n, detail[n], language))
                for n in names
                if detail.get(n) not in (None, 0, "")
            ]

        troubles = those(_TROUBLES)
        shown.append(
            ShownNode(
                node,
                desk.config.ponds[pond].name,
                "empty" if last is None else "silent" if silent else "warning" if troubles else "ok",
                None if last is None else i18n.age(now - last, language),
                None if stated is None else i18n.age(now - stated, language),
                those(_FACTS),
                troubles,
            )
        )
    calibrations = [
        entry for pond in desk.config.ponds for entry in desk.entries.of_pond(pond, EntryKind.CALIBRATION, 0, 2**40, _MOST_ROWS)
    ]
    calibrations.sort(key=lambda entry: -entry["at"])
    return {
        "nodes": shown,
        "calibrations": [
            (
                i18n.moment(entry["at"], "%H:%M · %d/%m/%Y"),
                desk.config.ponds[entry["pond"]].name,
                entry["content"]["node"],
                texts.quantity_text(entry["content"]["quantity"], language),
                _numbers(entry["content"], language),
                entry["content"].get("lot") or entry["content"].get("note", ""),
                entry["by"],
            )
            for entry in calibrations[:_MOST_ROWS]
        ],
    }


def _numbers(content: dict[str, Any], language: str) -> str:
    def row(numbers: list[float]) -> str:
        return " / ".join(i18n.number(n, 2, language) for n in numbers)

    if content.get("after"):
        return f"{row(content['before'])} → {row(content['after'])}" if content.get("before") else row(content["after"])
    return "; ".join(row(point) for point in content["points"])


async def nodes(request: Request) -> Response:
    """Show every node and the last calibrations."""
    device = await visitor(request)
    if device is None:
        return RedirectResponse("/sign-in", 303)
    desk = desk_of(request)
    return page(request, "nodes.html", device=device, **await desk.ask(_nodes, desk, language_of(request)))


def _statistics(desk: Desk, language: str) -> dict[str, Any]:
    now = int(desk.clock.now())
    found = desk.records.statistics(now - _DAYS * 86_400, now + 1)

    def pond(name: str) -> str:
        known = desk.config.ponds.get(name)
        return known.name if known else name

    def kind(name: str) -> str:
        return texts.kind_text(name, language)

    aside = [a for a in desk.records.alarms(language) if a["state"] in {"shelved", "suppressed"}]
    return {
        "days": _DAYS,
        "calls": found.calls,
        "a_day": i18n.number(found.calls / _DAYS, 1, language),
        "frequent": [(kind(s[2]), pond(s[0]), s[1], n) for s, n in found.frequent],
        "chattering": [(kind(s[2]), pond(s[0]), s[1], n) for s, n in found.chattering.items()],
        "stale": [(kind(s[2]), pond(s[1]), s[0], texts.duration_text(n // 60, language)) for s, n in found.stale.items()],
        "floods": [i18n.moment(time, "%H:%M · %d/%m/%Y") for time in found.floods],
        "aside": [
            (
                a["id"], a["title"], pond(a["pond"]), texts.moment_text(until, now) if (until := a.get("shelved_until")) else "",
                a.get("shelved_by") or texts.suppressor_text(a.get("suppressed_by") or "", language), a.get("shelved_reason") or "",
            )
            for a in aside
        ],
    }  # fmt: skip


async def statistics(request: Request) -> Response:
    """Show which alarms call most, chatter, stand for too long or come in floods, and what is put aside."""
    device = await visitor(request)
    if device is None:
        return RedirectResponse("/sign-in", 303)
    if not device.may(Right.CALIBRATE):
        return page(request, "gone.html", status=403, device=device, fault="fault.technician")
    desk = desk_of(request)
    return page(request, "statistics.html", device=device, **await desk.ask(_statistics, desk, language_of(request)))


def routes() -> list[Route]:
    """Return the pages."""
    return [Route("/nodes", nodes), Route("/statistics", statistics)]
