"""To the node at the cable: the same commands in MicroPython's raw REPL, by mpremote. The node's program stands still meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from provisioning.board import cable
from provisioning.board import port as ports
from provisioning.failure import Failure
from provisioning.link.line import ANSWER, checked

_MARK: Final = "\x1eVUONG "  # before the reply, which a driver's own print must not be taken for
# What `boot.py` does, without counting as a start: the program goes on the path. Nodes of an earlier Vuông have it in the folder a or b.
_READY: Final = """
import sys, json, os
if not {'/program', '/a', '/b'} & set(sys.path):
    sys.path.insert(0, '/recovery')
    from firmware.program import start
    start('', False)
    for _name in list(sys.modules):
        if _name.split('.')[0] == 'firmware':
            del sys.modules[_name]
os.chdir('/')
def _say(reply):
    print('\\x1eVUONG ' + json.dumps(reply))
"""
_ASK: Final = """
from firmware.technician import ask
_say(ask(json.loads({message!r})))
"""
# An update over the cable goes through the node's own check of signature and order (`firmware.update`), as one over the air does.
_UPDATE: Final = """
import binascii, esp32
from firmware import files
from firmware.slots import RomSlot, rom_partition
from firmware.update import Updater
from firmware.version import VERSION
_config = files.load('config.json')
_root = _config.get('root', '')
_updater = Updater(RomSlot(rom_partition(esp32), _root), _root + '/update.json', binascii.unhexlify(_config['public_key']), VERSION)
"""
_TAKE: Final = """
try:
    _message = json.loads({message!r})
    _say(_updater.commands()[_message['do']](_message))
except (ValueError, KeyError, OSError) as error:
    _say({{'error': str(error) or repr(error)}})
"""
_RESTART: Final = "import machine\nmachine.reset()"


class CableNode:
    """The node at the cable: see `provisioning.link.line.Line` and `connect`."""

    remote = False

    def __init__(self, port: str, transport: Any) -> None:  # noqa: ANN401 (mpremote has no types)
        self.port, self.node, self._transport = port, "", transport
        self._updating = False

    @classmethod
    async def connect(cls, port: str) -> CableNode:
        """Stop the node's program and open its raw REPL.

        Raises
        ------
        Failure
            if the port cannot be used, or the node does not let itself be interrupted
        """
        made = cls(port, await asyncio.to_thread(_open, port))
        try:
            await made._run(_READY, ANSWER)
            told = await made._run(
                "try:\n with open('/config.json') as file: _say(json.load(file).get('node'))\nexcept (OSError, ValueError): _say(None)",
                ANSWER,
            )
        except BaseException:
            await made.close(restart=False)
            raise
        made.node = str(told or "-")
        return made

    async def ask(self, do: str, patience: float = ANSWER, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
        """Let the node carry out a command and return its reply; see `provisioning.link.line.Line`."""
        message = json.dumps({"id": 1, "do": do, **fields})
        if do == "restart":
            await self.close()
            return {"restarting": True}
        if do in {"update", "piece"}:
            if not self._updating:
                await self._run(_UPDATE, patience)
                self._updating = True
            reply = await self._run(_TAKE.format(message=message), patience)
        else:
            reply = await self._run(_ASK.format(message=message), patience)
        return checked(self.node, do, reply if isinstance(reply, dict) else {})

    async def self_test(self) -> dict[str, Any]:
        """Return what the node says of its files (`provisioning.image.onboard.self_test`), without a restart."""
        found = await self._run("import self_test\n_say(self_test.report())", ANSWER)
        return found if isinstance(found, dict) else {}

    async def restarted(self, seconds: float) -> dict[str, Any]:
        """Let the node start anew and return what it says of itself then.

        Raises
        ------
        Failure
            if it says nothing in time
        """

        def again() -> dict[str, Any]:
            self._transport.exec_raw_no_follow(_RESTART)
            self._transport.serial.timeout = 0.2
            return cable.listen(self._transport.serial, seconds)

        found: dict[str, Any] = await asyncio.to_thread(self._guarded, again)
        return found

    async def _run(self, code: str, patience: float) -> object:
        """Execute code and return the object that it says, ``None`` where it says none."""
        said = await asyncio.to_thread(self._guarded, lambda: self._transport.exec_raw(code, timeout=patience))
        out, error = (part.decode(errors="replace") for part in said)
        if error:
            last = error.strip().splitlines()[-1]
            if "ImportError" in last:
                raise Failure("node_old", node=self.node or "-", command=last)
            raise Failure("node_error", node=self.node or "-", problem=last, reply={})
        _, mark, reply = out.rpartition(_MARK)
        return json.loads(reply) if mark else None

    def _guarded(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401 (what the work gives)
        from mpremote.transport import TransportError  # noqa: PLC0415

        try:
            return work()
        except (TransportError, OSError) as error:
            gone = not Path(self.port).exists()
            raise (
                ports.failure(self.port, OSError(2, "gone")) if gone else Failure("remote", port=self.port, problem=error)
            ) from error

    async def close(self, *, restart: bool = True) -> None:
        """Let the node start anew, and the port go."""
        transport, self._transport = self._transport, None
        if transport is None:
            return

        def end() -> None:
            with contextlib.suppress(Exception):  # the node is gone already, or the cable is
                if restart:
                    transport.exec_raw_no_follow(_RESTART)
            with contextlib.suppress(OSError):
                transport.close()

        await asyncio.to_thread(end)


def _open(port: str) -> Any:  # noqa: ANN401 (mpremote has no types)
    from mpremote.transport import TransportError  # noqa: PLC0415 (loaded by whoever uses a cable)
    from mpremote.transport_serial import SerialTransport  # noqa: PLC0415

    said = io.StringIO()  # it prints what it reads where it fails
    try:
        with contextlib.redirect_stdout(said):
            transport = SerialTransport(port, baudrate=115200)
    except (TransportError, OSError) as error:
        raise ports.failure(port, OSError(2 if not Path(port).exists() else 16, str(error))) from error
    try:
        with contextlib.redirect_stdout(said):
            transport.enter_raw_repl(soft_reset=False)
    except (TransportError, OSError) as error:
        with contextlib.suppress(OSError):
            transport.close()
        raise Failure("remote", port=port, problem=error) from error
    return transport
