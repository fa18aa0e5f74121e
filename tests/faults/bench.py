"""A running system as real processes, and the tools to break it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

from demo.system import System
from demo.tally import Tally

START = 1_795_000_000  # UTC seconds at which these ponds' clocks start; any moment would do

Launch = Callable[..., Awaitable["Bench"]]


class Bench:
    """A running system and the tools to break it."""

    def __init__(self, system: System) -> None:
        self.system = system

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to one process; the tree starts it again, as systemd does."""
        process = self.system.tree.children[name].process
        assert process is not None
        os.kill(process.pid, number)

    async def run(self, seconds: float) -> None:
        """Let it go on for real seconds."""
        await asyncio.sleep(seconds)

    async def drained(self, seconds: float = 90) -> Tally:
        """End the sampling, hand everything over, and return the counts."""
        arrived = await self.system.drain(seconds)
        counts = self.system.count()
        assert arrived, f"not drained: {counts}; nodes: {self.log('nodes')[-2000:]}"
        return counts

    def log(self, name: str) -> str:
        """Return what a process has said."""
        return self.system.tree.children[name].log.read_text(encoding="utf-8", errors="replace")


def whole(counts: Tally, at_least: int) -> None:
    """Assert that every published sequence number is in the cloud exactly once."""
    assert counts.published >= at_least
    assert counts.lost == 0
    assert counts.doubled == 0
    assert counts.committed == counts.published
    assert counts.stored == counts.published
