"""Commands from outside: ``{"id": ..., "do": name, ...}``, carried out one after the other; each reply has the same id."""

import json

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any

    from firmware.boundaries import Command

MOST_ORDERS = 8


def parse(payload: bytes) -> "dict[str, Any] | None":
    """Return the order in a message; ``None`` where there is none, or nobody to answer."""
    try:
        message: "Any" = json.loads(payload)
        return message if message["do"] and "id" in message else None
    except (ValueError, KeyError, TypeError):
        return None


async def obey(message: "dict[str, Any]", commands: "dict[str, Command]") -> "dict[str, Any] | None":
    """Carry an order out and return its reply, with ``error`` where it failed; ``None`` where the reply comes later, from another boot."""
    name = str(message["do"])
    reply: "dict[str, Any]" = {"id": message["id"]}
    try:
        if name in commands:
            found: "Any" = commands[name](message)
            if hasattr(found, "send"):  # a coroutine
                found = await found
            if found is None:
                return None
            reply.update(found)
        else:
            reply["error"] = f"command {name!r} is not known; known are {', '.join(sorted(commands))}"
    except KeyError as error:
        reply["error"] = f"the field {error} is missing"
    except (ValueError, TypeError, OSError, MemoryError) as error:
        reply["error"] = str(error) or repr(error)
    return reply
