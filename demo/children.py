"""The demo's process tree: started in order, restarted when one dies, ended in order, none left behind."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_GRACE = 10.0  # seconds a child has to end after SIGTERM
# util-linux's setpriv has Linux end a child when the demo itself is killed outright; elsewhere only an orderly end is covered.
_SETPRIV = shutil.which("setpriv")
_PREFIX = (_SETPRIV, "--pdeathsig", "TERM", "--") if _SETPRIV else ()


@dataclass
class Child:
    """One process of the tree.

    Attributes
    ----------
    name : also of its log file
    command : what to run
    log : file that takes its output
    keep : start it again when it ends by itself
    """

    name: str
    command: Sequence[str]
    log: Path
    keep: bool = True
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    ending: bool = field(default=False, repr=False)

    def start(self) -> None:
        """Start the process, out of reach of the terminal's Ctrl-C: the tree ends it in order."""
        with self.log.open("ab") as log:
            command = [*_PREFIX, *self.command]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def running(self) -> bool:
        """Return whether it lives."""
        return self.process is not None and self.process.poll() is None

    def code(self) -> int | None:
        """Return its exit code, ``None`` while it lives."""
        return None if self.process is None else self.process.poll()

    def tell(self, number: signal.Signals) -> None:
        """Send a signal, if it lives."""
        if self.process is not None and self.running():
            self.process.send_signal(number)

    async def ended(self, seconds: float) -> bool:
        """Wait for its end, at most `seconds`; return whether it came."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self.running():
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True

    async def stop(self) -> None:
        """End it: SIGTERM, and SIGKILL where that does not do."""
        self.ending = True
        self.tell(signal.SIGTERM)
        if not await self.ended(_GRACE) and self.process is not None:
            self.process.kill()
            self.process.wait()


class Tree:
    """All children; use as a context so that none outlives it.

    Parameters
    ----------
    directory : where the logs go
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.children: dict[str, Child] = {}
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Tree:
        self._watch = asyncio.create_task(self._keep_alive())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watch is not None:
            self._watch.cancel()
        for child in reversed(self.children.values()):
            await child.stop()

    def add(self, name: str, command: Sequence[str], *, keep: bool = True) -> Child:
        """Start a process and keep it."""
        child = Child(name, command, self._directory / f"{name}.log", keep=keep)
        self.children[name] = child
        child.start()
        self._note()
        return child

    def _note(self) -> None:
        """Keep a list of the living for whoever wants to look at one, or to kill it."""
        alive = {
            name: child.process.pid for name, child in self.children.items() if child.process is not None and child.running()
        }
        (self._directory / "processes.json").write_text(json.dumps(alive, indent=1) + "\n", encoding="utf-8")

    async def _keep_alive(self) -> None:
        """Start again what died, as systemd does on a gateway."""
        while True:
            await asyncio.sleep(0.25)
            for child in self.children.values():
                if child.keep and not child.ending and not child.running():
                    child.restarts += 1
                    child.start()
                    self._note()
