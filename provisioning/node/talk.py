"""Questions to whoever sits at the laptop, while the connection to the node goes on."""

from __future__ import annotations

import asyncio
import sys

from provisioning.session import Session


class Talk:
    """Asks people; where there are none (a machine's call, or ``--accept``) every question has its default.

    Parameters
    ----------
    accept : do not ask
    """

    def __init__(self, session: Session, *, accept: bool) -> None:
        self._session = session
        self.people = not session.as_json and not accept and sys.stdin.isatty()

    async def ask(self, key: str, default: str, **numbers: object) -> str:
        """Return what is typed, else the default."""
        if not self.people:
            return default
        question = self._session.text(key, **numbers) + (f" [{default}] " if default else " ")
        return (await _typed(question)).strip() or default

    async def ready(self, key: str, **numbers: object) -> None:
        """Say what is to be done, and wait for Enter."""
        self._session.say(key, **numbers)
        if self.people:
            await _typed(self._session.text("calibrate.enter") + " ")

    async def agreed(self) -> bool:
        """Return whether the result is to be kept."""
        if not self.people:
            return True
        typed = await _typed(self._session.text("calibrate.keep") + " ")
        return typed.strip().lower() not in {"k", "không", "khong", "n", "no", "ទេ"}


async def _typed(question: str) -> str:
    """Return a line; unlike `input` it keeps the connection alive meanwhile, and ends at Ctrl-C."""
    if sys.platform == "win32":  # its loop cannot watch a console
        return await asyncio.to_thread(input, question)
    sys.stdout.write(question)
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    loop.add_reader(sys.stdin, there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline()
