"""Start everything, tell what is to be seen, wait, drain, count."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from demo import story
from demo.system import StartError, System
from demo.water import recorded
from vuong.clock import SystemClock
from vuong.command import CommandError
from vuong.i18n import VIETNAM, moment, text

_MARKER: Final = "vuong-demo.json"
_WEB_PORT: Final = 8000
_DRAIN: Final = 60.0  # seconds that nodes and gateways have to hand over what they hold


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked on the command line."""

    directory: Path
    ponds: int
    factor: float
    seconds: float | None
    replay: Path | None
    port: int | None
    json: bool
    language: str


async def run(options: Options) -> int:
    """Run the demo; return the exit code: 0 done, 1 where it did not start or not everything arrived."""
    _check(options)
    _prepare(options)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    system = System(
        options.directory,
        ponds=options.ponds,
        start=story.begin(datetime.fromtimestamp(SystemClock().now(), VIETNAM)),
        factor=options.factor,
        port=options.port or (_WEB_PORT if _is_free(_WEB_PORT) else 0),
        replay=options.replay,
        lan=options.seconds is None,  # who sets a time wants figures, not pages
    )
    broker = "amqtt" if system.broker_command[0] == sys.executable else "Mosquitto"
    _say(options, "starting", broker=broker, gateways=len(system.farm.coops), ponds=options.ponds)
    drained = True
    try:
        async with system:
            _tell(options, system)
            await _wait(stop, options.seconds)
            if options.seconds is not None and not stop.is_set():
                _say(options, "draining")
                drained = await system.drain(_DRAIN)
    except StartError as error:
        raise CommandError(text("demo.error.child", options.language, folder="demo", name=error.name, log=error.log)) from None
    if options.seconds is None:
        return 0
    counts = system.count()
    if not drained:
        _say(options, "error.undrained", seconds=round(_DRAIN))
    _say(options, "summary", **asdict(counts))
    if options.json:
        sys.stdout.write(counts.json() + "\n")
    return 0 if drained else 1


def _say(options: Options, key: str, /, **numbers: object) -> None:
    """Tell the person at the terminal; with --json standard output is kept for the one object."""
    stream = sys.stderr if options.json else sys.stdout
    stream.write(text(f"demo.{key}", options.language, folder="demo", **numbers) + "\n")
    stream.flush()


def _tell(options: Options, system: System) -> None:
    """Say where to look, how to sign in, and what will happen."""
    _say(options, "ready", address=system.address)
    for person in system.farm.people:
        role = text(f"demo.role.{person.role}", options.language, folder="demo")
        _say(options, "login", login=person.login, password=person.password, name=person.name, role=role)
    for page in system.pages:
        _say(options, "page", coop=page.coop, address=page.address, pin=page.pin)
    if system.events:
        minutes = round(12 * 60 / options.factor)
        _say(options, "story", factor=f"{options.factor:g}", now=moment(system.clock.now()), minutes=minutes)
        for event in system.events:
            _say(options, f"story.{event.kind}", time=moment(event.time), pond=event.pond)
    if options.seconds is None:
        _say(options, "stop")


def _check(options: Options) -> None:
    """Refuse what cannot be run before anything starts."""
    for wrong, key, values in (
        (options.ponds < 1, "ponds", {"ponds": options.ponds}),
        (options.factor <= 0, "factor", {"factor": f"{options.factor:g}"}),
        (options.seconds is not None and options.seconds <= 0, "seconds", {"seconds": f"{options.seconds or 0:g}"}),
    ):
        if wrong:
            raise CommandError(text(f"demo.error.{key}", options.language, folder="demo", **values))
    if options.replay is not None:
        try:
            recorded(options.replay, 0)
        except ValueError as error:
            raise CommandError(f"--replay: {error}") from None


def _prepare(options: Options) -> None:
    """Make the folder anew; never touch one that is not a demo's."""
    directory = options.directory
    if directory.exists() and any(directory.iterdir()):
        if not (directory / _MARKER).exists():
            raise CommandError(text("demo.error.directory", options.language, folder="demo", directory=directory))
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    (directory / _MARKER).write_text(json.dumps({"ponds": options.ponds}) + "\n", encoding="utf-8")


async def _wait(stop: asyncio.Event, seconds: float | None) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
