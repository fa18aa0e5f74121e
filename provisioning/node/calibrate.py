"""``vuong node calibrate``: a probe is calibrated step by step; what the node refuses is said with its reason."""

from __future__ import annotations

import argparse
import getpass
import math
import re
from dataclasses import dataclass
from typing import Any, Final

from provisioning.failure import Exit, Failure, WrongCall
from provisioning.link.choose import opened
from provisioning.link.line import Line, run_loop
from provisioning.node import buffers
from provisioning.node.settle import Point, settled
from provisioning.node.talk import Talk
from provisioning.session import Session
from vuong.i18n import MissingTextError, moment, number, text
from vuong.water import ph

# quantity: its methods, the usual one first
METHODS: Final = {"ph": ("buffers",), "do": ("air", "zero"), "conductivity": ("standard",), "temperature": ("reference",)}
_DEFAULT_POINTS: Final = {"buffers": "7.00,4.01", "air": "100", "zero": "0"}
_MOST: Final = {"buffers": 3, "air": 1, "zero": 1, "standard": 2, "reference": 1}
_DIGITS: Final = {"slope": 1, "factor": 3, "air": 1, "air_temperature": 1}
# Units of the numbers that a calibration consists of; offset and zero point are in the probe's own.
_UNITS: Final = {"slope": "%", "factor": "×", "air": "mV", "air_temperature": "°C"}
_OFFSETS: Final = {"ph": "mV", "do": "", "conductivity": "mS/cm", "temperature": "°C"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One point to take: the true value as it is called (a buffer's label, a standard's mS/cm), and the raw reading where it is known already."""

    label: str
    raw: float | None


def wanted(written: str, method: str) -> list[Wanted]:
    """Return the points of ``TRUE[=RAW],…``.

    Raises
    ------
    WrongCall
        naming the point that is wrong
    """
    found, typed = [], written.replace(" ", "")
    if _MOST[method] == 1:  # the comma cannot part two points
        typed = typed.replace(",", ".")
    elif method == "standard" and re.fullmatch(r"\d+,\d+", typed):  # 12.88 written with a comma, or 12 and 88?
        raise WrongCall("point", value=written)
    for part in typed.split(","):
        true, given, raw = part.partition("=")
        try:
            value = float(true)
            point = Wanted(true, float(raw) if given else None)
        except ValueError:
            raise WrongCall("point", value=part) from None
        # No oxygen is the zero point and nothing else is; how the node tells the two points of an oxygen probe apart.
        turned = (method == "zero" and value != 0.0) or (method == "air" and value == 0.0)
        if turned or not math.isfinite(value) or not math.isfinite(point.raw or 0.0):
            raise WrongCall("point", value=part)
        if method == "buffers":
            if value not in buffers.LABELS:
                raise WrongCall("buffer_unknown", value=true, known=", ".join(buffers.TABLES))
            point = Wanted(buffers.LABELS[value], point.raw)
        found.append(point)
    if not 1 <= len(found) <= _MOST[method]:
        raise WrongCall("points_count", count=len(found), most=_MOST[method])
    return found


def true_value(point: Wanted, method: str, temperature: float) -> float:
    """Return the true value of a point at the temperature of what the probe is in.

    Raises
    ------
    Failure
        if a buffer is colder or hotter than its table
    """
    if method != "buffers":
        return float(point.label)
    try:
        return buffers.at(point.label, temperature)
    except ValueError as error:
        raise Failure("buffer_temperature", problem=error) from None


async def _overview(line: Line, session: Session, quantity: str) -> None:
    for entry in (await line.ask("calibrations"))["calibrations"]:
        if entry["quantity"] == quantity:
            when = moment(entry["time"], "%d/%m/%Y") if entry.get("time") else "-"
            state = session.text(f"calibration.{entry.get('state') or 'unknown'}")
            session.say("calibrate.state", quantity=text(f"quantity.{quantity}", session.language), state=state, when=when)


def _numbers(quantity: str, names: list[str], values: list[float], session: Session) -> str:
    """Return what a calibration consists of, with its units: slope in percent, offset in mV, and so on."""
    found = []
    for name, value in zip(names, values, strict=False):
        unit = _UNITS.get(name) or _OFFSETS[quantity]
        found.append(f"{session.text(f'number.{name}')} {number(value, _DIGITS.get(name, 2), session.language)} {unit}".rstrip())
    return " · ".join(found)


def _localised(reply: dict[str, Any], language: str) -> dict[str, object]:
    """Return a refusal's numbers as people of that language write them."""
    found = dict(reply.get("numbers") or {})
    return {name: number(v, 0 if abs(v) >= 20 else 2, language) if isinstance(v, float) else v for name, v in found.items()}


def reason(reply: dict[str, Any], session: Session) -> str:
    """Return why the node refuses, in the session's language; in the node's own words where this laptop does not know the reason yet."""
    try:
        numbers = _localised(reply, session.language)
        for name in ("found", "wanted"):
            if name in numbers:
                numbers[name] = session.text(f"medium.{numbers[name]}")
        key = f"refused.{reply.get('refused')}"
        if reply.get("refused") == "unsettled" and "spread" not in numbers:
            key += "_few"
        return session.text(key, **numbers)
    except (MissingTextError, KeyError):
        return str(reply.get("error"))


async def _judged(line: Line, session: Session, message: dict[str, Any], *, dry_run: bool) -> dict[str, Any]:
    try:
        return await line.ask("calibrate", **message, dry_run=dry_run)
    except Failure as failure:
        reply = failure.numbers.get("reply")
        if isinstance(reply, dict) and reply.get("refused"):
            raise Failure("calibration_refused", reason=reason(reply, session), refused=reply["refused"]) from None
        raise


async def _points(
    line: Line, session: Session, talk: Talk, quantity: str, method: str, asked: list[Wanted], arguments: argparse.Namespace
) -> tuple[list[list[float]], float]:
    """Take every point; return ``[true, raw]`` of each, and the mean temperature."""
    taken: list[list[float]] = []
    temperatures: list[float] = []
    for i, point in enumerate(asked, 1):
        numbers = {"i": i, "count": len(asked), "label": point.label}
        found: Point | None = None
        if point.raw is None or i == len(asked):  # the node itself wants to have seen the last point settled
            await talk.ready(f"calibrate.{method}", **numbers)
            found = await settled(line, quantity, session, arguments.settle)
        temperature = arguments.temperature
        if temperature is None and found is not None:
            temperature = found.raw if quantity == "temperature" else found.temperature
        if temperature is None:
            if method in {"buffers", "air"} and not talk.people:
                raise WrongCall("temperature_missing")
            temperature = float((await talk.ask("calibrate.temperature", "25")).replace(",", "."))
        raw = point.raw if point.raw is not None else found.raw if found else 0.0
        true = true_value(point, method, temperature)
        taken.append([true, raw])
        temperatures.append(temperature)
        session.say(
            "calibrate.taken",
            **numbers,
            true=number(true, 2, session.language),
            raw=number(raw, 2, session.language),
            unit=found.unit if found else "",
            temperature=number(temperature, 1, session.language),
        )
    return taken, sum(temperatures) / len(temperatures)


async def _run(arguments: argparse.Namespace, session: Session) -> int:
    talk = Talk(session, accept=arguments.accept)
    quantity: str = arguments.quantity
    method = arguments.method or METHODS[quantity][0]
    if method not in METHODS[quantity]:
        raise WrongCall("method", method=method, quantity=quantity, known=", ".join(METHODS[quantity]))
    default = arguments.points or _DEFAULT_POINTS.get(method, "")
    if not default and not talk.people:
        raise WrongCall("points_missing", quantity=quantity)
    asked = wanted(arguments.points or await talk.ask(f"calibrate.which.{method}", default), method)
    if len(asked) > 1 and not talk.people and any(point.raw is None for point in asked[:-1]):
        raise WrongCall("points_unattended")
    operator = arguments.operator or await talk.ask("calibrate.operator", getpass.getuser())
    lot = arguments.lot or await talk.ask("calibrate.lot", "")
    async with opened(arguments, session) as line:
        await _overview(line, session, quantity)
        points, temperature = await _points(line, session, talk, quantity, method, asked, arguments)
        message: dict[str, Any] = {
            "quantity": quantity,
            "method": method,
            "points": points,
            "temperature": round(temperature, 2),
            "operator": operator,
            "lot": lot,
        }
        message |= {name: value for name in ("salinity", "pressure") if (value := getattr(arguments, name)) is not None}
        judged = await _judged(line, session, message, dry_run=True)
        names = list(judged["names"])
        session.say("calibrate.before", numbers=_numbers(quantity, names, judged["before"], session))
        session.say("calibrate.after", numbers=_numbers(quantity, names, judged["after"], session))
        if quantity == "ph" and names == ["slope", "offset"]:
            session.say(f"condition.{ph.condition(*judged['after'])}")
        keep = not arguments.dry_run and await talk.agreed()
        if keep:
            judged = await _judged(line, session, message, dry_run=False)
            session.say("calibrate.kept", operator=operator, lot=lot or "-")
        else:
            session.say("calibrate.dropped")
        session.result({"ok": True, "node": line.node, **message, **judged, "kept": keep})
    return Exit.DONE


def run(arguments: argparse.Namespace, session: Session) -> int:
    """Guide through the points, let the node judge, keep what it accepts."""
    return run_loop(_run(arguments, session))
