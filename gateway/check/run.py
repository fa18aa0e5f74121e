"""The table of checks, and the run through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from gateway.check import broker, certificates, cloud, machine, nodes, relays, storage, timekeeping
from gateway.check.finding import Finding, Subject, fail, ok, warn
from gateway.config import Config, ConfigError, load
from vuong.clock import Clock

# In the order in which a technician would look: what comes first may explain what comes later.
CHECKS: Final[dict[str, Callable[[Subject], Iterator[Finding]]]] = {
    "power": machine.power,
    "temperature": machine.temperature,
    "memory": machine.memory,
    "disk": storage.disk,
    "card": storage.card,
    "clock": timekeeping.check,
    "certificates": certificates.check,
    "broker": broker.check,
    "database": storage.database,
    "nodes": nodes.check,
    "relays": relays.check,
    "cloud": cloud.check,
}


def configuration(path: Path) -> tuple[Config | None, Finding]:
    """Read the configuration; ``None`` beside a failure where it cannot be used."""
    try:
        config = load(path)
    except ConfigError as error:
        return None, fail("config.bad", file=str(path), problem=str(error))
    if not config.nodes:
        return config, warn("config.empty", file=str(path))
    return config, ok("config.ok", file=str(path), ponds=len(config.ponds), nodes=len(config.nodes))


def run(path: Path, clock: Clock) -> Iterator[Finding]:
    """Yield what each check finds, as it finds it; without a configuration there is nothing else to look at."""
    config, found = configuration(path)
    yield replace(found, check="config")
    if config is None:
        return
    subject = Subject(config, clock)
    for name, check in CHECKS.items():
        for finding in check(subject):
            yield replace(finding, check=name)
