"""Relays on the Raspberry Pi's pins; none is here, so the pins are gpiozero's mock ones, or the ones that this machine lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory

from gateway.check import relays
from gateway.check.finding import Finding
from gateway.escalation.ladder import Escalation, SirenRelay
from tests.gateway.check.conftest import Gateway

Said = Callable[[Iterator[Finding]], list[tuple[str, str]]]
SIREN = Escalation(siren=SirenRelay(pin=17, active_high=True, longest=600))


def test_without_relays_there_is_nothing_to_say(gateway: Gateway, said: Said) -> None:
    assert said(relays.check(gateway.subject)) == [("not-applicable", "relays.none")]


def test_pins_that_can_be_switched(gateway: Gateway, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpiozero.Device, "pin_factory", MockFactory())
    subject = replace(gateway.subject, config=replace(gateway.config, escalation=SIREN))
    assert said(relays.check(subject)) == [("ok", "relays.ok")]


@pytest.mark.filterwarnings("ignore::gpiozero.exc.PinFactoryFallback")
def test_a_machine_without_pins_or_without_their_library(gateway: Gateway, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpiozero.Device, "pin_factory", None)
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "lgpio")
    subject = replace(gateway.subject, config=replace(gateway.config, escalation=SIREN))
    assert said(relays.check(subject)) == [("fail", "relays.no_pins")]
