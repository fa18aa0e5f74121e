"""With what a connection may end. Apart from `firmware.mqtt`, so that who only waits for a connection does not load it."""

import asyncio


class MqttError(Exception):
    """The broker refused something, broke the protocol or fell silent."""


# All that a connection may end with; on CPython `asyncio.TimeoutError` is an OSError, on MicroPython it is not.
# A node short of memory gives the connection up and opens another.
LINK_ERRORS = (OSError, EOFError, MqttError, MemoryError, asyncio.TimeoutError)
