"""``vuong node doctor``: test a node part by part; each line says that it is well, or what is wrong and what to do."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from provisioning.failure import Exit
from provisioning.link.cable import CableNode
from provisioning.link.choose import opened
from provisioning.link.line import run_loop
from provisioning.session import Session
from vuong.clock import SystemClock
from vuong.i18n import moment, number

Level = Literal["well", "warn", "fault"]
_MARKS: Final[dict[Level, str]] = {"well": "✓", "warn": "!", "fault": "✗"}
# One lithium cell: below 3.3 V an ESP32's regulator drops out at the next transmission, 3.5 V is a few days before.
_EMPTY, _LOW = 3.3, 3.5
_WEAK, _LOST = -80, -90  # dBm
_OFF: Final = 120  # s between the node's clock and the laptop's
_DAY: Final = 86400
_HELD: Final = 100  # samples that nobody has acknowledged
_HEAP: Final = 8192  # B


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part: level, text key ``doctor.<part>.<said>`` (and ``….do`` where something is to be done), its numbers."""

    part: str
    level: Level
    said: str
    numbers: dict[str, object] = field(default_factory=dict)

    def line(self, session: Session) -> str:
        """Return it as one line for people."""
        key = f"doctor.{self.part}.{self.said}"
        text = f"{_MARKS[self.level]} {session.text(f'part.{self.part}')}: {session.text(key, **self.numbers)}"
        return text if self.level == "well" else f"{text}\n    → {session.text(f'{key}.do', **self.numbers)}"


def _power(volts: float | None, language: str) -> Finding:
    if volts is None:
        return Finding("power", "well", "mains")
    level: Level = "fault" if volts < _EMPTY else "warn" if volts < _LOW else "well"
    return Finding("power", level, "volts" if level == "well" else "low", {"volts": number(volts, 2, language)})


def _wifi(wifi: dict[str, Any] | None) -> Iterator[Finding]:
    if wifi is None:
        return  # at the cable the radio is off
    rssi = wifi.get("rssi")
    numbers = {"ssid": wifi.get("ssid") or "-", "rssi": rssi}
    if not isinstance(rssi, int):
        yield Finding("wifi", "fault", "none", numbers)
    elif rssi < _WEAK:
        yield Finding("wifi", "fault" if rssi < _LOST else "warn", "weak", numbers)
    else:
        yield Finding("wifi", "well", "strength", numbers)


def _clock(told: dict[str, Any] | None, now: float, *, running: bool) -> Finding:
    at = (told or {}).get("now")
    if not isinstance(at, int):  # by cable the node has not been to the gateway yet
        return Finding("clock", "fault" if running else "warn", "unset")
    if abs(at - now) > _OFF:
        return Finding("clock", "fault", "off", {"minutes": round(abs(at - now) / 60), "date": moment(at, "%H:%M %d/%m/%Y")})
    return Finding("clock", "well", "right", {"time": moment(at, "%H:%M:%S")})


def _certificate(told: dict[str, Any] | None, now: float) -> Finding:
    if told is None:
        return Finding("certificate", "fault", "none")
    try:
        until = datetime.fromisoformat(str(told.get("until"))).timestamp()
    except ValueError:
        return Finding("certificate", "fault", "unreadable", {"problem": told.get("error", "-")})
    numbers: dict[str, object] = {"date": moment(until, "%d/%m/%Y"), "days": int((until - now) // _DAY)}
    if until <= now:
        return Finding("certificate", "fault", "expired", numbers)
    return Finding(
        "certificate", "warn" if until - now < 60 * _DAY else "well", "soon" if until - now < 60 * _DAY else "until", numbers
    )


def _queue(told: dict[str, Any]) -> Finding:
    held, dropped = int(told.get("held") or 0), int(told.get("dropped") or 0)
    numbers: dict[str, object] = {"held": held, "dropped": dropped}
    if dropped:
        return Finding("queue", "fault", "dropped", numbers)
    return Finding("queue", "warn" if held > _HELD else "well", "full" if held > _HELD else "held", numbers)


def findings(told: dict[str, Any], now: float, language: str, *, running: bool) -> list[Finding]:
    """Return what a node's answer to ``test`` means.

    Parameters
    ----------
    now : the laptop's UTC seconds
    running : the node is on the air; at the cable its program stands still
    """
    found = [_power(told.get("supply"), language)]
    probes = told.get("probes") or {}
    if not probes:
        found.append(Finding("probe", "fault", "none"))
    for name, status in sorted(probes.items()):
        numbers = {"probe": name, "status": status}
        found.append(Finding("probe", "well" if status == "ok" else "fault", "right" if status == "ok" else "wrong", numbers))
    found += _wifi(told.get("wifi"))
    found.append(_clock(told.get("clock"), now, running=running))
    found.append(_certificate(told.get("certificate"), now))
    found.append(_queue(told.get("queue") or {}))
    heap = int(told.get("heap") or 0)
    said: dict[str, object] = {"free": number(heap / 1024, 0, language)}
    found.append(Finding("memory", "well" if heap >= _HEAP else "warn", "free" if heap >= _HEAP else "tight", said))
    return found


def _of_start(report: dict[str, Any]) -> Iterator[Finding]:
    """Yield what the node said of itself when it started, by its files."""
    for name, said in sorted(dict(report.get("parts") or {}).items()):
        if name != "certificate" or said != "ok":  # its date is looked at below
            part = name if name in {"config", "certificate", "program", "storage"} else "other"
            yield Finding(part, "well" if said == "ok" else "fault", "start_well" if said == "ok" else "start", {"problem": said})


async def _run(arguments: argparse.Namespace, session: Session) -> int:
    report: dict[str, Any] = {}
    told: dict[str, Any] = {}
    async with opened(arguments, session) as line:
        running = not isinstance(line, CableNode)
        if isinstance(line, CableNode):
            report = await line.self_test()
        found = list(_of_start(report))
        broken = {finding.part for finding in found if finding.level == "fault"}
        if not broken & {"program", "config"}:  # without these it cannot answer
            told = await line.ask("test", patience=60.0)
            tested = findings(told, SystemClock().now(), session.language, running=running)
            found += [finding for finding in tested if finding.part not in broken]
        node = line.node
    for finding in found:
        session.say("doctor.line", line=finding.line(session))
    faults = {
        f.numbers.get("probe", f.part): f.numbers.get("problem", f.numbers.get("status", f.said))
        for f in found
        if f.level == "fault"
    }
    session.say("doctor.node", node=node, firmware=told.get("firmware") or report.get("firmware") or "-")
    session.result(
        {
            "ok": not faults,
            "node": node,
            "report": report,
            "test": told,
            "faults": faults,
            "findings": [{**asdict(finding), "line": finding.line(session)} for finding in found],
        }
    )
    return Exit.FAILED if faults else Exit.DONE


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Test and tell."""
    return run_loop(_run(arguments, session))
