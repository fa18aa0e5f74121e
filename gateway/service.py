"""The running gateway: broker, clock and outbox around one ingest."""

from __future__ import annotations

import asyncio
import logging
import signal
import sqlite3
from contextlib import suppress
from typing import Any

from gateway.aerators.overrides import Overrides
from gateway.aerators.switchboard import Switchboard
from gateway.aerators.watch import look
from gateway.broker import Broker
from gateway.config import Config
from gateway.escalation.escalator import Escalator
from gateway.escalation.register import Register
from gateway.ingest import Ingest
from gateway.lan.exchange import Exchange
from gateway.outbox import Outbox
from gateway.store.outbound import Outbound
from gateway.store.salvage import open_store, suspect
from gateway.store.schema import DamagedError, is_damage
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
    stop, notifier = asyncio.Event(), Notifier()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    damaged = False
    while not stop.is_set():
        store = open_store(config.database, int(clock.now()), damaged=damaged)
        try:
            await _serve(config, clock, store, stop, notifier)
        except (DamagedError, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.Error) and not is_damage(error):
                raise
            _LOG.error("%s is damaged (%s): all stops until it is salvaged", config.database, error)
            suspect(config.database)
            damaged = True
        else:
            damaged = False
        finally:
            store.close()


async def _serve(config: Config, clock: Clock, store: Store, stop: asyncio.Event, notifier: Notifier) -> None:
    """Run all parts on a sound database until `stop` is set or one of them fails."""
    outbound = Outbound(config.database)
    ingest = Ingest(config, store, clock)
    outbox = Outbox(config.id, config.cloud, outbound, ingest.clock) if config.cloud else None

    ladders = config.escalation.ladders
    escalator = Escalator(config.escalation, config.ponds, Register(config.database), ingest.clock) if ladders else None
    switchboard = Switchboard(config.aerators, config.ponds, int(ingest.clock.now())) if config.aerators else None
    overrides = Overrides(config.database) if config.aerators else None

    def committed() -> None:
        outbound.samples.hold(ingest.held_from)
        exchange.wake()
        if outbox:
            outbox.wake()

    exchange = Exchange(config, ingest, committed)
    broker = Broker(config.id, config.mqtt, ingest, committed)

    async def ticks() -> None:
        while True:
            await ingest.make_room()
            if switchboard and overrides:
                switchboard.override(overrides.all())
                look(switchboard, ingest.alarms, config.nodes, ingest.oxygen, int(ingest.clock.now()))
            ingest.tick()
            await ingest.commit_aside()
            committed()
            notifier.feed()
            notifier.status(ingest.status())
            await clock.sleep(TICK)

    beside = [part.run() for part in (outbox, escalator) if part]
    tasks = [asyncio.create_task(work) for work in (broker.run(), ticks(), exchange.run(), *beside)]
    stopping = asyncio.create_task(stop.wait())
    notifier.ready()
    try:
        done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            task.result()  # they run for ever: one that ended has failed
    finally:
        if stop.is_set():
            notifier.stopping()
        await _ended(*tasks, stopping)
        with suppress(sqlite3.Error):
            ingest.commit(snapshot=True)
        if escalator:
            await escalator.close()
        if switchboard and overrides:
            switchboard.close()
            overrides.close()
        with suppress(sqlite3.Error):
            outbound.close()
            exchange.close()
        _LOG.info("stopped; %s", dict(ingest.counts))


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
