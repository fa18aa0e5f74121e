"""A process of its own that climbs ladders on a gateway's database until it is killed.

usage: python climber.py DATABASE HOOK_FILE
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway.escalation import escalator
from gateway.escalation.ladder import Contact, Escalation, Ladder, Step, Via
from gateway.escalation.register import Register
from vuong.alarms import Priority
from vuong.clock import SystemClock

CONTACTS, STEPS = ("a", "b", "c"), 6


async def climb(database: Path, hook: Path) -> None:
    contacts = {name: Contact(name, name, "en", (Via("hook", None, hook),)) for name in CONTACTS}
    steps = tuple(Step(n, Priority.NOTICE, siren=False, lan=False, contacts=CONTACTS, via=()) for n in range(STEPS))
    escalator.LOOK = 0.05  # type: ignore[misc]
    print("up", flush=True)  # noqa: T201
    await escalator.Escalator(Escalation((Ladder("l", (), steps, None),), contacts), {}, Register(database), SystemClock()).run()


if __name__ == "__main__":
    asyncio.run(climb(Path(sys.argv[1]), Path(sys.argv[2])))
