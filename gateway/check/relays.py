"""The relays of siren and aerators: whether this machine has pins that a program can switch. Nothing is switched here."""

from __future__ import annotations

from collections.abc import Iterator

import gpiozero

from gateway.check.finding import Finding, Subject, fail, not_applicable, ok


def check(subject: Subject) -> Iterator[Finding]:
    """Ask for the pins' driver; the pins themselves belong to the gateway that may be running."""
    siren = subject.config.escalation.siren
    pins = [*([siren.pin] if siren else []), *(aerator.pin for aerator in subject.config.aerators)]
    if not pins:
        yield not_applicable("relays.none")
        return
    try:
        gpiozero.Device.ensure_pin_factory()
    except Exception as error:  # noqa: BLE001 - each of gpiozero's back ends raises errors of its own
        yield fail("relays.no_pins", pins=", ".join(map(str, pins)), problem=str(error))
    else:
        yield ok("relays.ok", pins=", ".join(map(str, pins)))
