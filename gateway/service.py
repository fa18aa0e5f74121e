"""The running gateway: broker, clock and outbox around one ingest."""

from __future__ import annotations

import asyncio
import logging
import signal
import sqlite3
from contextlib import suppress

from gateway.broker import Broker
from gateway.config import Config
from gateway.ingest import Ingest
from gateway.outbox import Outbox
from gateway.store.outbound import Outbound
from gateway.store.store import Store
from gateway.system.notify import Notifier
from vuong.clock import Clock

_LOG = logging.getLogger(__name__)

TICK = 30.0  # seconds of the injected clock between looks for silent nodes


async def run(config: Config, clock: Clock) -> None:
    """Run a gateway until SIGTERM or SIGINT.

    Raises
    ------
    gateway.config.ConfigError, gateway.store.schema.StoreError
        if it cannot start
    """
    config.database.parent.mkdir(parents=True, exist_ok=True)
    store = Store(config.database)
    outbound = Outbound(config.database)
    ingest = Ingest(config, store, clock)
    outbox = Outbox(config.id, config.cloud, outbound, clock) if config.cloud else None
    committed = outbox.wake if outbox else lambda: None
    broker = Broker(config.id, config.mqtt, ingest, committed)

    async def ticks() -> None:
        while True:
            await clock.sleep(TICK)
            ingest.tick()
            ingest.commit_or_recover()
            committed()
            notifier.feed()

    notifier = Notifier()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    work = [broker.run(), ticks(), *([outbox.run()] if outbox else [])]
    tasks = [asyncio.create_task(coroutine) for coroutine in work]
    stopping = asyncio.create_task(stop.wait())
    notifier.ready()
    try:
        done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            task.result()  # they run for ever: one that ended has failed
    finally:
        notifier.stopping()
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.gather(*tasks, stopping, return_exceptions=True)
        with suppress(sqlite3.Error):
            ingest.commit(snapshot=True)
        outbound.close()
        store.close()
        _LOG.info("stopped; %s", dict(ingest.counts))
