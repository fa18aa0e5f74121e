"""Climbs the ladders: looks at open alarms, sounds the siren, sends what is due, and stops when somebody has answered."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Mapping
from typing import Final

from gateway.escalation.channels import Message, send
from gateway.escalation.ladder import Contact, Escalation
from gateway.escalation.register import SENT, Delivery, Open, Register
from gateway.observation import Pond
from gateway.relay import Relay
from vuong.alarm_text import render
from vuong.alarms import ALARM_KINDS
from vuong.clock import Clock
from vuong.i18n import text

_LOG = logging.getLogger(__name__)

LOOK: Final = 2.0  # seconds of the clock between looks
_Key = tuple[str, str]  # contact, via


class Escalator:
    """Runs the ladders of a gateway.

    Parameters
    ----------
    escalation : ladders, contacts, siren
    ponds : pond id → pond
    register : what is due and done, kept on the disk
    clock : time of the steps
    """

    def __init__(self, escalation: Escalation, ponds: Mapping[str, Pond], register: Register, clock: Clock) -> None:
        self._escalation, self._ponds, self._register, self._clock = escalation, ponds, register, clock
        relay = escalation.siren
        self.siren = Relay(relay.pin, active_high=relay.active_high, what="the siren") if relay else None
        self._sending: dict[_Key, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await self._clock.sleep(LOOK)

    async def look(self) -> None:
        """Do what is due now; messages go out beside, one at a time to each address."""
        now = int(self._clock.now())
        try:
            outcome = SENT if self.siren is None or self.siren.usable else "the relay cannot be used"
            due = await asyncio.to_thread(self._register.plan, self._escalation, now, outcome)
        except sqlite3.Error as error:
            _LOG.error("the ladders cannot be read now (%s); they are looked at again in %.0f s", error, LOOK)
            return
        if self.siren is not None:
            self.siren.set(due.siren)
        waiting: dict[_Key, list[tuple[Open, Delivery]]] = {}
        for alarm, delivery in due.deliveries:
            waiting.setdefault((delivery.contact, delivery.via), []).append((alarm, delivery))
        for key, items in waiting.items():
            if key not in self._sending:
                task = self._sending[key] = asyncio.create_task(self._deliver(key, items))
                task.add_done_callback(lambda _, key=key: self._sending.pop(key, None))  # type: ignore[misc]

    async def settle(self) -> None:
        """Wait until all that is under way has gone out or failed."""
        await asyncio.gather(*self._sending.values())

    async def close(self) -> None:
        """Stop sending; the siren falls silent."""
        for task in list(self._sending.values()):
            task.cancel()
        await asyncio.gather(*self._sending.values(), return_exceptions=True)
        if self.siren is not None:
            self.siren.close()
        self._register.close()

    async def _deliver(self, key: _Key, items: list[tuple[Open, Delivery]]) -> None:
        """Send what waits for one address as one message, and note the outcome."""
        contact = self._escalation.contact(key[0])
        via = next((v for v in contact.via if v.name == key[1]), None) if contact else None
        if contact is None or via is None:
            outcome = "no such contact in the configuration any more"
        else:
            outcome = await send(via, self._message(contact, [alarm for alarm, _ in items]))
        try:
            await asyncio.to_thread(self._register.done, [d for _, d in items], outcome, int(self._clock.now()))
        except sqlite3.Error as error:
            _LOG.error("an outcome could not be noted (%s); the message goes once more", error)
        if outcome != SENT:
            _LOG.warning("%s by %s: %s", *key, outcome)

    def _message(self, contact: Contact, alarms: list[Open]) -> Message:
        """Return what a person is told of these alarms, the most urgent first."""
        first = alarms[0]
        lines = []
        for alarm in {a.id: a for a in alarms}.values():
            pond = self._ponds.get(alarm.pond)
            said = render(
                alarm.kind,
                alarm.quantity,
                alarm.numbers,
                raised=alarm.raised,
                pond=pond.name if pond else alarm.pond,
                language=contact.language,
            )
            lines.append(f"{said.message}. {said.confidence}".strip().replace("..", "."))
        title = text(f"priority.{first.priority.name.lower()}", contact.language)
        kind = ALARM_KINDS[first.kind]
        facts: dict[str, object] = {
            "contact": contact.id,
            "alarms": [{"id": a.id, "pond": a.pond, "kind": a.kind, "raised": a.raised, "numbers": a.numbers} for a in alarms],
            "priority": first.priority.name.lower(),
            "category": kind.category.value,
        }
        return Message(f"Vuông · {title}", "\n".join(lines), facts)
