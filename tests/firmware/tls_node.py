# ruff: noqa: T201 - standard output is how the test sees it
"""Runs under MicroPython: connect with TLS, publish once, say how it went."""

import asyncio
import gc
import sys

from firmware import tls
from firmware.mqtt import LINK_ERRORS, Connection

folder, port, host, mine = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]


def read(name: str) -> bytes:
    with open(folder + "/" + name, "rb") as file:  # noqa: PTH123 (MicroPython has no pathlib)
        return file.read()


async def main() -> None:
    context = tls.context(read("ca.der"), *((read(mine + ".der"), read(mine + ".key")) if mine != "none" else (None, None)))
    try:
        connection = await Connection.open(
            "127.0.0.1", port, "0123456789abcdef", lambda topic, payload: None, tls=context, server_name=host, timeout=4
        )
        await connection.publish("hello", b"over TLS")
        await connection.close()
    except LINK_ERRORS as error:
        print("refused", repr(error))
        return
    gc.collect()
    print("connected", gc.mem_alloc())


asyncio.run(main())
