"""Broker, cloud, gateways and nodes as one process tree; what `vuong demo` shows and the fault tests break."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import httpx

from demo import broker, farm, story, tally
from demo import nodes as pond_nodes
from demo.children import Tree
from vuong.clock import ScaledClock

_STARTUP: Final = 30.0  # seconds within which the cloud must answer


class StartError(Exception):
    """A process did not start; `name` and `log` tell which and where it says why."""

    def __init__(self, name: str, log: Path) -> None:
        super().__init__(f"{name} did not start; see {log}")
        self.name, self.log = name, log


class Page(NamedTuple):
    """A gateway's page on its own network: the co-op's name, its address, the PIN of this run."""

    coop: str
    address: str
    pin: str


class System:
    """Everything, from broker to cloud, on this machine; use as a context so that no process is left behind.

    Parameters
    ----------
    directory : where every store and log lies; must exist
    ponds : number of ponds, dealt out over three co-ops
    start : UTC seconds that the clock shows when the first process starts
    factor : how many times as fast the clock runs
    port : of the pages; 0 takes a free one
    replay : recorded series to play instead of the pond model
    history : seconds of water before the story that nodes hold already
    interval : seconds of the clock between samples; a recorded series brings its own
    told : whether the told story happens to the ponds; a recorded series is played without it

    Attributes
    ----------
    begin : UTC seconds of the clock at which the nodes start and the story begins
    events : what happens to the ponds
    """

    def __init__(
        self,
        directory: Path,
        *,
        ponds: int,
        start: float,
        factor: float,
        port: int = 0,
        replay: Path | None = None,
        history: int = 10 * 86400,
        interval: int = 300,
        told: Callable[[farm.Farm, int], Sequence[story.Event]] | None = story.events,
        lan: bool = False,
    ) -> None:
        self.directory = directory
        self.farm = farm.make(ponds)
        self.pages: list[Page] = []
        self._lan = lan
        self.start = round(start)
        broker_port, spare, *self._lan_ports = _free_ports(2 + len(self.farm.coops))
        self.broker_port = broker_port
        self.web_port = port or spare
        self.address = f"http://127.0.0.1:{self.web_port}"
        self.begin = self.start
        self.events: tuple[story.Event, ...] = ()
        self.tree = Tree(directory)
        self.broker_command = broker.command(broker_port, directory)
        self._told = told if replay is None else None
        self._factor, self._replay, self._history, self._interval = factor, replay, history, interval
        self.clock = ScaledClock(anchor=time.time(), start=start, factor=factor)
        self._databases = [directory / coop.gateway / "gateway.db" for coop in self.farm.coops]
        self._cloud = directory / "cloud.db"

    async def __aenter__(self) -> Self:
        await self.tree.__aenter__()
        try:
            await self._start()
        except BaseException:
            await self.tree.__aexit__()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.tree.__aexit__()

    async def _start(self) -> None:
        self.tree.add("broker", self.broker_command)
        database = f"sqlite:///{self._cloud}"
        seed = farm.write_cloud(self.farm, self.directory)
        load = self.tree.add("import", _vuong("cloud", "import", str(seed), "--database", database), keep=False)
        if not await load.ended(_STARTUP) or load.code() != 0:
            raise StartError("import", load.log)
        self.clock = ScaledClock(anchor=time.time(), start=self.start, factor=self._factor)
        serve = _vuong("cloud", "serve", "--port", str(self.web_port), "--database", database, "--clock", self.clock.spec())
        cloud = self.tree.add("cloud", serve)
        for coop, port in zip(self.farm.coops, self._lan_ports, strict=True):
            config = farm.write_gateway(self.farm, coop, self.directory, broker=self.broker_port, cloud=self.address, lan=port)
            self.tree.add(coop.gateway, _vuong("gateway", "run", "--config", str(config), "--clock", self.clock.spec()))
        if not await self._answers():
            raise StartError("cloud", cloud.log)
        # Nobody wants to miss the story while processes start.
        self.begin = round(self.clock.now())
        self.events = tuple(self._told(self.farm, self.begin)) if self._told else ()
        spec = story.Spec(
            clock=self.clock.spec(),
            begin=self.begin,
            history=self._history,
            interval=self._interval,
            broker=self.broker_port,
            folder=str(story.flash(self.directory)),
            replay=None if self._replay is None else str(self._replay),
            nodes=story.nodes(self.farm),
            events=self.events,
        )
        if self._lan:
            self.pages = await asyncio.gather(*(self._page(c, p) for c, p in zip(self.farm.coops, self._lan_ports, strict=True)))
        self.tree.add("nodes", [sys.executable, "-m", "demo.nodes", str(story.write(spec, self.directory / "nodes.json"))])

    async def _page(self, coop: farm.Coop, port: int) -> Page:
        """Start a gateway's page for phones at the pond, and set the PIN of this run."""
        config = ("--config", str(self.directory / coop.gateway / "gateway.toml"))
        while True:
            pin = f"{secrets.randbelow(10**6):06d}"
            setting = await asyncio.create_subprocess_exec(
                *_vuong("gateway", "pin", *config, "--role", "technician"),
                stdin=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            await setting.communicate(f"{pin}\n".encode())
            if setting.returncode == 0:  # one that is easy to guess is refused
                break
        self.tree.add(f"{coop.gateway}-lan", _vuong("gateway", "lan", *config, "--no-announce", "--clock", self.clock.spec()))
        return Page(coop.name, f"http://127.0.0.1:{port}", pin)

    async def _answers(self) -> bool:
        deadline = time.monotonic() + _STARTUP
        async with httpx.AsyncClient() as client:
            while time.monotonic() < deadline:
                try:
                    if (await client.get(f"{self.address}/healthz")).status_code == 200:
                        return True
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
        return False

    async def drain(self, seconds: float) -> bool:
        """Sample no more, and let nodes and gateways hand over what they hold; return whether all arrived within `seconds`."""
        nodes = self.tree.children["nodes"]
        nodes.keep = False
        deadline = time.monotonic() + seconds
        while nodes.running() and time.monotonic() < deadline:
            nodes.tell(signal.SIGUSR1)
            await nodes.ended(1.0)
        while time.monotonic() < deadline:
            if not self.count().lost and not nodes.running():
                return True
            await asyncio.sleep(0.2)
        return False

    def count(self) -> tally.Tally:
        """Return the counts of the stores as they stand."""
        return tally.count(pond_nodes.published(self.directory), self._databases, self._cloud)


def _vuong(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "vuong", *arguments]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
