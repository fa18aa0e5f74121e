"""The whole system as real processes, to be broken while it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio

from demo import story
from demo.farm import Farm
from demo.system import System
from tests.faults.bench import START, Bench, Launch


@pytest_asyncio.fixture
async def launch(tmp_path: Path) -> AsyncIterator[Launch]:
    async with AsyncExitStack() as stack:

        async def start(
            *,
            ponds: int = 3,
            factor: float = 600.0,
            interval: int = 300,
            history: int = 0,
            told: Callable[[Farm, int], Sequence[story.Event]] | None = None,
        ) -> Bench:
            system = System(tmp_path, ponds=ponds, start=START, factor=factor, interval=interval, history=history, told=told)
            return Bench(await stack.enter_async_context(system))

        yield start
