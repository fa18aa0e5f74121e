"""What the node says over the cable after a restart."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any, Final

import serial

from provisioning.board import port as ports
from provisioning.failure import Failure

MARK: Final = b"VUONG "


def self_test(port: str, seconds: float = 20.0) -> dict[str, Any]:
    """Restart the node and return what it says of itself.

    Raises
    ------
    Failure
        if the port is lost, or nothing comes in time
    """
    try:
        with serial.Serial(port, 115200, timeout=0.2) as line:
            # EN low and high: the board restarts while we listen. A port without control lines restarts when it is opened, or by hand.
            with suppress(OSError):
                line.dtr = False
                line.rts = True
                time.sleep(0.1)
                line.rts = False
            return listen(line, seconds)
    except (serial.SerialException, OSError) as error:
        raise ports.failure(port, error) from error


def listen(line: serial.Serial, seconds: float) -> dict[str, Any]:
    """Return what the node says of itself on an open line.

    Raises
    ------
    Failure
        if nothing comes in time
    """
    deadline, heard = time.monotonic() + seconds, b""
    while time.monotonic() < deadline:
        heard += line.read(4096)
        for text in heard.splitlines(keepends=True):
            if text.startswith(MARK) and text.endswith(b"\n"):
                with suppress(ValueError):
                    found = json.loads(text[len(MARK) :])
                    if isinstance(found, dict):
                        return found
        heard = heard[-65536:]
    raise Failure("self_test_silent", seconds=int(seconds), heard=heard[-200:].decode(errors="replace").strip() or "-")


def faults(report: dict[str, Any]) -> dict[str, str]:
    """Return part → what is wrong with it; empty where all is well."""
    parts = report.get("parts")
    return {name: str(said) for name, said in parts.items() if said != "ok"} if isinstance(parts, dict) else {"report": "?"}
