"""Every registered node: when it was last heard, its battery, its radio, what it still holds, its clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.check.finding import Finding, Subject, fail, not_applicable, ok, warn
from gateway.check.records import NodeRecord, Records

# One lithium cell: below 3.3 V an ESP32's regulator drops out at the next transmission, 3.5 V is a few days before.
_BATTERY_FAIL, _BATTERY_WARN = 3.3, 3.5
_WEAK_SIGNAL: Final = -85  # dBm
_HELD: Final = 100  # samples on flash that nobody has acknowledged
_CLOCK: Final = 120  # s


def check(subject: Subject) -> Iterator[Finding]:
    """Look at every node of the configuration in the gateway's own database."""
    if not subject.config.nodes:
        yield not_applicable("node.none")
        return
    now = subject.clock.now()
    with Records(subject.config.database) as records:
        for name, pond in subject.config.nodes.items():
            record = records.node(name)
            who = {"node": name, "pond": pond.name}
            if record.heard is None:
                yield fail("node.never", **who)
                continue
            minutes = max(0, int(now - record.heard) // 60)
            if now - record.heard > subject.config.offline_after:
                yield fail("node.silent", minutes=minutes, **who)
            trouble = list(_trouble(record, who))
            yield from trouble
            if not trouble and now - record.heard <= subject.config.offline_after:
                yield ok("node.ok", minutes=minutes, **who)


def _trouble(record: NodeRecord, who: dict[str, str]) -> Iterator[Finding]:
    def figure(name: str) -> float | None:
        value = record.detail.get(name)
        return float(value) if isinstance(value, int | float) else None

    battery, signal, held, dropped = figure("battery"), figure("rssi"), figure("held"), figure("dropped")
    if battery is not None and battery < _BATTERY_WARN:
        yield (fail if battery < _BATTERY_FAIL else warn)("node.battery", volts=battery, **who)
    if signal is not None and signal < _WEAK_SIGNAL:
        yield warn("node.signal", rssi=int(signal), **who)
    if held is not None and held > _HELD:
        yield warn("node.holds", count=int(held), **who)
    if dropped:
        yield fail("node.dropped", count=int(dropped), **who)
    if record.ahead is not None and abs(record.ahead) > _CLOCK:
        yield warn("node.clock_ahead" if record.ahead > 0 else "node.clock_behind", minutes=abs(record.ahead) // 60, **who)
