# ruff: noqa - runs under MicroPython only, and stands in for a C module
"""Stands in for the ESP32's ``machine`` under MicroPython's Unix port: sleep and reset end the process, a file keeps what survives them."""

import asyncio
import gc
import os
import sys

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
_STATE = os.getenv("BOARD") + "/rtc.bin"
_CAUSE = os.getenv("BOARD") + "/cause"
SLEPT, RESTARTED = 70, 71


# The most bytes of the heap that were in use, garbage collected, whenever the node waited or used a bus.
peak = 0
_sleep = asyncio.sleep


def look() -> None:
    global peak
    gc.collect()
    peak = max(peak, gc.mem_alloc())


async def _looking_sleep(seconds: float) -> None:
    look()
    await _sleep(seconds)


asyncio.sleep = _looking_sleep


def unique_id() -> bytes:
    return b"\x24\x6f\x28\x01\x02\x03"


def reset_cause() -> int:
    try:
        with open(_CAUSE) as file:
            return int(file.read())
    except (OSError, ValueError):
        return PWRON_RESET


def _end(cause: int, code: int) -> None:
    with open(_CAUSE, "w") as file:
        file.write(str(cause))
    sys.exit(code)


def deepsleep(ms: int) -> None:
    look()
    print("sleeps", ms, "heap", gc.mem_alloc(), "peak", peak)
    _end(DEEPSLEEP_RESET, SLEPT)


def reset() -> None:
    look()
    print("restarts", "peak", peak)
    _end(HARD_RESET, RESTARTED)


class RTC:
    def datetime(self, moment: tuple) -> None:
        pass  # the host's clock runs anyway

    def memory(self, data: "bytes | None" = None) -> "bytes | None":
        if data is not None:
            with open(_STATE, "wb") as file:
                file.write(data)
            return None
        try:
            with open(_STATE, "rb") as file:
                return file.read()
        except OSError:
            return b""


class WDT:
    def __init__(self, timeout: int) -> None:
        self.timeout = timeout

    def feed(self) -> None:
        pass


class Pin:
    def __init__(self, number: int) -> None:
        self.number = number


class ADC:
    ATTN_11DB = 3

    def __init__(self, pin: Pin, atten: int) -> None:
        pass

    def read_uv(self) -> int:
        return 1650000


class I2C:
    """An ADS1115 with 1500 mV at every input: pH 7 of an ideal electrode."""

    def __init__(self, number: int, sda: Pin, scl: Pin, freq: int) -> None:
        self.pointer = 0

    def writeto(self, address: int, data: bytes) -> None:
        if address != 0x48:
            raise OSError(19)
        self.pointer = data[0]

    def readfrom(self, address: int, size: int) -> bytes:
        look()
        return b"\x85\x83" if self.pointer else b"\x2e\xe0"
