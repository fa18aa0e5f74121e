"""An update of a node's program: the package, its signed manifest, and the sending in pieces that goes on where it stopped."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from firmware.update import PIECE
from provisioning.authority import Authority
from provisioning.failure import Failure
from provisioning.link.line import Line

_TRIES: Final = 5  # pieces lost one after the other before the offer is made anew
_RESTART: Final = 150.0  # s: a node takes an update in a boot of its own, and answers the offer from there


@dataclass(frozen=True, slots=True)
class Package:
    """What is sent: version, program (a ROMFS image), signed manifest."""

    version: str
    content: bytes
    manifest: dict[str, Any]


def version_here() -> str:
    """Return the version of the node's program that this laptop would send."""
    found = re.search(r'VERSION = "([^"]+)"', (resources.files("firmware") / "version.py").read_text(encoding="utf-8"))
    if found is None:
        raise Failure("program", what="firmware/version.py", log="-")
    return found[1]


def package(authority: Authority, program: bytes, version: str) -> Package:
    """Return a program (`provisioning.image.build.program`) as a signed update."""
    digest = hashlib.sha256(program).hexdigest()
    signature = authority.sign_update(version, len(program), digest)
    return Package(version, program, {"version": version, "size": len(program), "sha256": digest, "signature": signature})


async def _offer(line: Line, what: Package) -> int | None:
    """Return from which byte on the node wants the program, ``None`` where it has it all and installed it."""
    try:
        reply = await line.ask("update", patience=_RESTART, manifest=what.manifest)
    except Failure as failure:
        if failure.key == "node_old" and "RomSlot" in str(failure.numbers.get("command")):
            raise Failure("update_folders", node=line.node) from None
        if failure.key == "node_old" or "public_key" in str(failure.numbers.get("problem")):
            raise Failure("update_keyless", node=line.node) from None
        if failure.key == "node_error":
            raise Failure("update_refused", node=line.node, reason=failure.numbers["problem"]) from None
        raise
    if (
        "installed" not in reply and reply.get("takes") != "program"
    ):  # an earlier Vuông, with its files in folders, or a whole image
        raise Failure("update_folders", node=line.node)
    return None if "installed" in reply else int(reply["want"])


async def send(
    line: Line, what: Package, report: Callable[[int, int], None], again: Callable[[], Any] | None = None, patience: float = 900.0
) -> int:
    """Send an update; the node has checked it when this returns, and runs it from its next start on.

    Parameters
    ----------
    report : called with the bytes sent and their total
    again : awaited where the node went silent, until it is back; ``None`` where it cannot come back (cable)
    patience : seconds after which a node that takes nothing more is given up

    Returns
    -------
    the byte from which on it was sent: above 0 where the node had a part of it already

    Raises
    ------
    Failure
        ``update_refused`` with the node's reason; ``update_folders`` where an earlier Vuông flashed it; whatever keeps the line from being used
    """
    total, silent = len(what.content), 0
    want, moved = await _offer(line, what), time.monotonic()
    begun = want or 0
    while want is not None:
        report(want, total)
        data = base64.b64encode(what.content[want : want + PIECE]).decode()
        try:
            reply = await line.ask("piece", patience=60.0 if want + PIECE >= total else 10.0, offset=want, data=data)
        except Failure as failure:
            if failure.key == "node_error":
                raise Failure("update_refused", node=line.node, reason=failure.numbers["problem"]) from None
            if failure.key != "no_answer" or again is None or time.monotonic() > moved + patience:
                raise
            silent += 1
            if silent % _TRIES == 0:  # it restarted, or its Wi-Fi is away: it says itself how far it had come
                await again()
                want = await _offer(line, what)
            continue
        silent, moved = 0, time.monotonic()
        want = None if "installed" in reply else int(reply["want"])
    report(total, total)
    return begun
