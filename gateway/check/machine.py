"""The Raspberry Pi itself: memory, heat, supply voltage. What another machine does not tell is not applicable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gateway.check.finding import Finding, Subject, fail, not_applicable, ok, warn

_MEMORY_WARN, _MEMORY_FAIL = 0.15, 0.05  # of the memory that is available
_HOT, _THROTTLED = 70.0, 80.0  # °C; from 80 °C a Raspberry Pi slows itself down
# vcgencmd get_throttled, as the firmware's driver shows it: bit 0 under-voltage now, bit 16 under-voltage since the start
_UNDER_VOLTAGE_NOW, _UNDER_VOLTAGE_SINCE = 1 << 0, 1 << 16


def memory(subject: Subject) -> Iterator[Finding]:
    """Look at the memory that programs can still have."""
    try:
        text = (subject.proc / "meminfo").read_text(encoding="utf-8")
    except OSError:
        yield not_applicable("memory.unknown")
        return
    found = {name: int(kib) for name, kib in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}
    total, available = found.get("MemTotal"), found.get("MemAvailable")
    if not total or available is None:
        yield not_applicable("memory.unknown")
        return
    share = available / total
    numbers: dict[str, str | int | float] = {"megabytes": available // 1024, "percent": 100 * share}
    if share < _MEMORY_FAIL:
        yield fail("memory.full", **numbers)
    elif share < _MEMORY_WARN:
        yield warn("memory.low", **numbers)
    else:
        yield ok("memory.ok", **numbers)


def temperature(subject: Subject) -> Iterator[Finding]:
    """Look at the hottest of the processor's sensors."""
    degrees = []
    for sensor in subject.sys.glob("class/thermal/thermal_zone*/temp"):
        value = _read(sensor)
        if value is not None and re.fullmatch(r"-?\d+", value):
            degrees.append(int(value) / 1000)
    if not degrees:
        yield not_applicable("temperature.unknown")
        return
    hottest = max(degrees)
    if hottest >= _THROTTLED:
        yield fail("temperature.throttled", degrees=hottest)
    elif hottest >= _HOT:
        yield warn("temperature.hot", degrees=hottest)
    else:
        yield ok("temperature.ok", degrees=hottest)


def power(subject: Subject) -> Iterator[Finding]:
    """Ask the firmware, or the kernel's voltage sensor, for under-voltage."""
    now = since = False
    known = False
    for file in subject.sys.glob("devices/platform/soc*/*firmware/get_throttled"):
        value = _read(file)
        if value is not None and re.fullmatch(r"(0x)?[0-9a-fA-F]+", value):
            known, bits = True, int(value, 16)
            now |= bool(bits & _UNDER_VOLTAGE_NOW)
            since |= bool(bits & _UNDER_VOLTAGE_SINCE)
    for name in subject.sys.glob("class/hwmon/hwmon*/name"):
        if _read(name) == "rpi_volt" and (value := _read(name.with_name("in0_lcrit_alarm"))) in {"0", "1"}:
            known = True
            now |= value == "1"
    if not known:
        yield not_applicable("power.unknown")
    elif now:
        yield fail("power.low")
    elif since:
        yield warn("power.was_low")
    else:
        yield ok("power.ok")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
