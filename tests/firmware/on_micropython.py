# ruff: noqa: T201, PTH208 - MicroPython has no pathlib, and standard output is how the test sees it
"""Runs under MicroPython: one node until a file named ``stop`` appears; reports what it sees, one JSON object a line."""

import asyncio
import gc
import json
import os
import sys
import time

from firmware.hostclock import InjectedClock
from firmware.link import Link, broker
from firmware.node import Node, NodeConfig
from firmware.queue import FlashQueue

folder, port, factor = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
NODE = "0123456789abcdef"


class Host:
    """The machine's clock, `factor` times as fast."""

    def now(self) -> float:
        return 1790000000 + time.ticks_ms() * factor / 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / factor)


class Probe:
    def __init__(self, quantity: str, unit: str, value: float) -> None:
        self.quantity, self.unit, self.value = quantity, unit, value

    async def read(self, water: dict) -> tuple:
        return self.value, self.unit, "ok"


async def main() -> None:
    node = Node(
        NodeConfig(NODE, interval=10, pace=0.02, resend=1.0),
        clock=InjectedClock(Host()),
        probes=[
            Probe("temperature", "°C", 28.74),
            Probe("do", "mg/L", 5.12),
            Probe("ph", "pH", 7.8),
            Probe("salinity", "‰", 15.2),
        ],
        queue=FlashQueue(folder + "/queue", segment_bytes=1024),
        link=Link(broker("127.0.0.1", port, NODE, keep_alive=2, timeout=2.0), shortest=0.1, longest=0.5),
    )
    running, peak = asyncio.create_task(node.run()), 0
    while "stop" not in os.listdir(folder):
        for _ in range(5):
            await asyncio.sleep(0.05)
            gc.collect()
            peak = max(peak, gc.mem_alloc())
        print(
            json.dumps(
                {"seq": node.seq, "held": node.queue.held(), "dropped": node.queue.dropped, "boot": node.boot, "peak": peak}
            )
        )
    await node.stop()
    await running


gc.collect()
asyncio.run(main())
print(json.dumps({"stopped": True}))
