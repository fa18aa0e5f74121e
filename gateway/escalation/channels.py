"""How a message leaves the gateway: any service that apprise knows (push, SMS, Zalo, call, e-mail), and a plain HTTP hook.

Outcomes are words for a log: they never hold an address, which may hold a token or a telephone number.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from gateway.escalation.ladder import Via
from gateway.escalation.register import SENT

TIMEOUT: Final = 30.0
_UNREADABLE: Final = "the file {file} cannot be read ({why}); put the address there"


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: a title and a body for people, and the facts for a machine at the other end of a hook."""

    title: str
    body: str
    facts: dict[str, object]


async def send(via: Via, message: Message) -> str:
    """Send a message; return `SENT`, or in plain words why it did not go."""
    try:
        if via.url_file is not None:
            lines = _lines(via.url_file)
            return await asyncio.wait_for(asyncio.to_thread(_by_apprise, lines, via.url_file, message), 4 * TIMEOUT)
        if via.hook_file is not None:
            return await _by_hook(_lines(via.hook_file), via.hook_file, message)
    except TimeoutError:
        return "no answer in time"
    except (OSError, UnicodeDecodeError) as error:
        file = via.url_file or via.hook_file
        return _UNREADABLE.format(file=file.name if file else "", why=type(error).__name__)
    return "no address"


def _lines(path: Path) -> list[str]:
    """Read the address anew each time: it can be replaced without a restart."""
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _by_apprise(urls: list[str], path: Path, message: Message) -> str:
    import apprise  # noqa: PLC0415 - a hundred services: a gateway that sends by none of them need not hold them

    # It logs addresses that it does not understand, with their tokens.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    client = apprise.Apprise()
    for url in urls:
        if not client.add(url):
            return f"apprise does not understand the address in {path.name}; correct it"
    if not len(client):
        return f"{path.name} is empty; put an address of apprise's there"
    return SENT if client.notify(title=message.title, body=message.body) else "the service did not take it"


async def _by_hook(lines: list[str], path: Path, message: Message) -> str:
    """POST the message as JSON to the address in the first line; further lines are headers, ``Name: value``."""
    if not lines or not lines[0].startswith(("http://", "https://")):
        return f"{path.name} has no HTTP address in its first line; put one there"
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    document = {"title": message.title, "body": message.body, **message.facts}
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT) as client:
            response = await client.post(lines[0], json=document, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"the hook cannot be reached ({type(error).__name__})"
    return SENT if response.is_success else f"the hook answered {response.status_code}"
