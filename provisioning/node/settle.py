"""Wait until a probe stands still, and show it doing so."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from provisioning.failure import Failure
from provisioning.link.line import Line
from provisioning.session import Session
from vuong.i18n import number
from vuong.quantities import QUANTITIES

_WIDTH: Final = 24
_EVERY: Final = 0.5  # s between two readings, besides what the probe itself takes
NEEDED: Final = 6  # firmware.calibration.SETTLED_READINGS


@dataclass(frozen=True, slots=True)
class Point:
    """A settled reading: what the probe said (the median of its newest readings) and the water's temperature, °C."""

    raw: float
    unit: str
    temperature: float | None


def bar(reply: dict[str, Any]) -> tuple[str, str]:
    """Return the stability bar and its colour: full and green where the point may be taken.

    Readings still missing hold it back; after that it is how near the spread has come to its limit.
    """
    readings, spread, limit = int(reply["readings"]), reply.get("spread"), float(reply["limit"])
    share = min(1.0, readings / NEEDED)
    if spread:
        share *= min(1.0, limit / float(spread))
    full = _WIDTH if reply["settled"] else min(_WIDTH - 1, int(share * _WIDTH))
    return "█" * full + "░" * (_WIDTH - full), "green" if reply["settled"] else "yellow"


def shown(reply: dict[str, Any], session: Session) -> Text:
    """Return the live line: value, raw reading, temperature, stability."""
    language, quantity = session.language, QUANTITIES[reply["quantity"]]

    def figure(value: float | None, digits: int, unit: str) -> str:
        return "·" if value is None else f"{number(value, digits, language)} {unit}"

    drawn, colour = bar(reply)
    line = Text(f"  {figure(reply.get('value'), 2, quantity.unit):>12} {figure(reply['raw'], 2, reply['unit']):>14}")
    if reply["quantity"] != "temperature":
        line.append(f" {figure(reply.get('temperature'), 1, '°C'):>9}")
    line.append(f"  {drawn} ", colour)
    spread = reply.get("spread")
    line.append(
        f"±{number(spread / 2, 2, language) if spread is not None else '·'} {min(int(reply['readings']), NEEDED)}/{NEEDED}"
    )
    return line


async def settled(line: Line, quantity: str, session: Session, longest: float) -> Point:
    """Read the probe until its newest readings agree, and return them as one point.

    Raises
    ------
    Failure
        ``unsettled`` after `longest` seconds; whatever keeps the probe from being read
    """
    deadline, newest = time.monotonic() + longest, list[dict[str, Any]]()
    console = Console(stderr=True, highlight=False)
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while time.monotonic() < deadline:
            reply = await line.ask("probe", quantity=quantity)
            newest = [*newest, reply][-NEEDED:] if reply["readings"] > 1 else [reply]
            if not session.as_json:
                live.update(shown(reply, session), refresh=True)
            if reply["settled"] and len(newest) == NEEDED:
                return Point(median(r["raw"] for r in newest), str(reply["unit"]), reply.get("temperature"))
            await asyncio.sleep(_EVERY)
    spread = newest[-1].get("spread") if newest else None
    raise Failure(
        "unsettled",
        seconds=int(longest),
        spread=number(spread, 2, session.language) if spread is not None else "-",
        limit=number(newest[-1]["limit"], 2, session.language) if newest else "-",
    )
