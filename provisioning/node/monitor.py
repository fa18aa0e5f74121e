"""``vuong node monitor``: what every node of a gateway says, live."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from provisioning.failure import Exit
from provisioning.link.choose import gateway_of
from provisioning.link.gateway import Gateway, Heard, connected, heard_next
from provisioning.link.line import run_loop
from provisioning.registry import Registry, check_node
from provisioning.session import Session
from vuong.clock import SystemClock
from vuong.contract import topics
from vuong.contract.decode import ContractError, decode
from vuong.flags import Flag
from vuong.i18n import number
from vuong.limits import Limits
from vuong.quantities import QUANTITIES, Quantity

_LIMITS: Final = Limits()
_EVERY: Final = 1.0  # s between two drawings: ages grow
_WEAK: Final = -85  # dBm
_EMPTY: Final = 3.5  # V of one lithium cell


@dataclass(slots=True)
class Seen:
    """What was heard of one node: status, newest values with their time, and when."""

    status: dict[str, Any] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    time: int | None = None
    lately: bool = False


def flag(quantity: Quantity, value: float) -> Flag:
    """Return QARTOD's gross-range flag by what the water can be; all other tests are the gateway's, so nothing is called good here."""
    return Flag.NOT_EVALUATED if quantity.low <= value <= quantity.high else Flag.FAIL


def take(seen: dict[str, Seen], heard: Heard, now: int) -> dict[str, Any] | None:
    """Note a message; return the line that machines are told of it, ``None`` where it says nothing of the kind."""
    if heard.channel == topics.STATUS and (status := heard.json()):
        seen.setdefault(heard.node, Seen()).status = status
        return {"node": heard.node, "retained": heard.retained, "status": status}
    if heard.channel not in {topics.DATA, topics.BACKLOG} or heard.retained:
        return None
    try:
        found = decode(heard.payload, form="json" if heard.channel == topics.DATA else "cbor", node=heard.node, now=now)
    except ContractError as error:
        return {"node": heard.node, "problem": str(error)}
    row = seen.setdefault(heard.node, Seen())
    for sample in found.samples:
        if row.time is None or sample.time >= row.time:
            row.values, row.time, row.lately = dict(sample.values), sample.time, True
    return {
        "node": heard.node,
        "channel": heard.channel,
        "samples": [
            {
                "boot": sample.boot,
                "seq": sample.seq,
                "time": sample.time,
                "values": {
                    name: {"value": value, "unit": QUANTITIES[name].unit, "flag": int(flag(QUANTITIES[name], value))}
                    for name, value in sample.values.items()
                },
            }
            for sample in found.samples
        ],
        "problems": len(found.problems),
    }


def _value(name: str, value: float | None, language: str) -> Text:
    if value is None:
        return Text("·", style="dim")
    quantity = QUANTITIES[name]
    shown = number(value, min(2 if name in {"do", "ph"} else 1, quantity.digits), language)
    if flag(quantity, value) is Flag.FAIL:
        return Text(f"✗{shown}", style="bold magenta")
    band = _LIMITS.band(name)
    if band is not None:
        if (band.low_critical is not None and value < band.low_critical) or (
            band.high_critical is not None and value > band.high_critical
        ):
            return Text(f"!{shown}", style="bold red")
        if (band.low_warning is not None and value < band.low_warning) or (
            band.high_warning is not None and value > band.high_warning
        ):
            return Text(f"?{shown}", style="yellow")
    return Text(shown)


def age(seconds: float) -> str:
    """Return an age as ``12s``, ``5m``, ``3h``, ``2d``."""
    for size, letter in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{letter}"
    return f"{max(0, int(seconds))}s"


def _figure(status: dict[str, Any], name: str, digits: int, low: float, language: str) -> Text:
    value = status.get(name)
    if not isinstance(value, int | float):
        return Text("·", style="dim")
    return Text(number(value, digits, language), style="yellow" if value < low else "")


def faults(status: dict[str, Any], session: Session) -> str:
    """Return what a status says is wrong, in one line; a dash where nothing is."""
    found = [] if status.get("state") == "online" else [session.text("monitor.offline")] if status else []
    found += [f"{name}: {why}" for name, why in dict(status.get("probes") or {}).items()]
    if status.get("refused"):
        found.append(str(status["refused"]))
    if status.get("dropped"):
        found.append(session.text("monitor.dropped", count=status["dropped"]))
    return "; ".join(found) or "-"


def table(seen: dict[str, Seen], ponds: dict[str, str], session: Session, now: float) -> Table:
    """Return the live view; it fits 80 columns."""
    language = session.language
    shown = [name for name in QUANTITIES if name != "conductivity" and any(name in row.values for row in seen.values())]
    drawn = Table(
        expand=False, pad_edge=False, padding=(0, 1, 0, 0), caption=session.text("monitor.legend"), caption_justify="left"
    )
    for key in ("node", "pond"):
        drawn.add_column(session.text(f"monitor.{key}"), no_wrap=True, overflow="ellipsis", max_width=10)
    for name in shown:
        drawn.add_column(f"{session.text(f'monitor.{name}')}\n{QUANTITIES[name].unit}", justify="right", no_wrap=True)
    for key in ("age", "battery", "rssi", "held"):
        drawn.add_column(session.text(f"monitor.{key}"), justify="right", no_wrap=True)
    drawn.add_column(session.text("monitor.faults"), overflow="fold", min_width=8)
    for node, row in sorted(seen.items(), key=lambda item: (ponds.get(item[0], "~"), item[0])):
        drawn.add_row(
            f"…{node[-6:]}",
            ponds.get(node, "-"),
            *(_value(name, row.values.get(name), language) for name in shown),
            age(now - row.time) if row.time is not None else "·",
            _figure(row.status, "battery", 2, _EMPTY, language),
            _figure(row.status, "rssi", 0, _WEAK, language),
            str(row.status.get("held", "·")),
            Text(faults(row.status, session), style="" if faults(row.status, session) == "-" else "yellow"),
        )
    return drawn


async def _watch(arguments: argparse.Namespace, session: Session, gateway: Gateway, live: Live | None) -> dict[str, Seen]:
    wanted = {check_node(node) for node in arguments.node.split(",")} if arguments.node else None
    ponds = {node: str(row["pond"]) for node, row in Registry(session.workspace).nodes.items()}
    end = time.monotonic() + arguments.seconds if arguments.seconds else float("inf")
    seen: dict[str, Seen] = {}
    async with gateway.listening() as ear:
        for node, status in gateway.statuses.items():  # what came before we listened
            if wanted is None or node in wanted:
                seen[node] = Seen(status=status)
        while (left := end - time.monotonic()) > 0:
            heard = await heard_next(ear, min(_EVERY, left))
            line = take(seen, heard, int(SystemClock().now())) if heard and (wanted is None or heard.node in wanted) else None
            if live is not None:
                live.update(
                    table(seen, ponds, session, SystemClock().now()) if seen else session.text("monitor.none"), refresh=True
                )
            elif line is not None:
                sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
                sys.stdout.flush()
    return seen


async def _run(arguments: argparse.Namespace, session: Session) -> None:
    first = arguments.node.split(",")[0] if arguments.node else None
    host = gateway_of(session.workspace, check_node(first) if first else None, arguments.gateway)
    async with connected(session.workspace, host) as gateway:
        if session.as_json:
            await _watch(arguments, session, gateway, None)
            return
        session.say("monitor.start", host=gateway.host)
        with Live(console=Console(highlight=False), auto_refresh=False) as live:
            await _watch(arguments, session, gateway, live)


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Show the table, or write one line a message, until Ctrl-C or the end of ``--seconds``."""
    try:
        run_loop(_run(arguments, session))
    except KeyboardInterrupt:  # how a live view is left
        if not session.as_json:
            session.say("monitor.end")
    return Exit.DONE
