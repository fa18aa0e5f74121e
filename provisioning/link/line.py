"""What both ways to a node offer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from provisioning.failure import Failure

T = TypeVar("T")
# A reply is waited for so long: a node measures for up to some seconds before it answers.
ANSWER = 20.0
# The longest that a node stays awake for a technician.
STAY = 1800


class Line(Protocol):
    """A node that answers commands.

    Attributes
    ----------
    node : EUI-64
    remote : through the gateway, so that the node may be asleep and its status is heard
    """

    node: str
    remote: bool

    async def ask(self, do: str, patience: float = ANSWER, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
        """Let the node carry out a command and return its reply.

        Raises
        ------
        Failure
            ``no_answer`` where none came in time, ``node_error`` where the node says that it could not
        """
        ...


def checked(node: str, do: str, reply: dict[str, Any]) -> dict[str, Any]:
    """Return a reply.

    Raises
    ------
    Failure
        if the node says that it could not, or does not know the command
    """
    error = reply.get("error")
    if error is None:
        return reply
    if re.search(r"command .* is not known", str(error)):
        raise Failure("node_old", node=node, command=do)
    raise Failure("node_error", node=node, problem=error, reply=reply)


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end; on Windows too with the loop that the MQTT library needs."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(work)
