"""What happens to messages between socket and ingest."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.broker import MOST_WAITING, Broker
from gateway.config import Mqtt

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench


async def test_a_flood_fills_no_memory(bench: Bench) -> None:
    broker = Broker("gw", Mqtt(), bench.ingest, lambda: None)
    for _ in range(MOST_WAITING + 100):
        broker._message(None, "vuong/v1/nodes/x/data", b"")
    assert bench.ingest.counts["dropped"] == 100
    assert len(broker._inbox) == MOST_WAITING
    await asyncio.sleep(0)
