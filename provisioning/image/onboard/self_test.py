"""The node's test of itself, one line over the cable: ``VUONG {...}``. Each part is ``ok`` or says what is wrong."""

import gc
import json
import os
import sys
import time
import vfs

MARK = "VUONG "
NEEDED = ("/tls/ca.der", "/tls/node.der", "/tls/node.key")
_LEAST_FREE = 65536


def _config(found: "dict[str, object]") -> str:
    for name in ("node", "broker", "networks"):
        if not found.get(name):
            return "config.json has no " + name
    return "ok"


def _certificate() -> str:
    for path in NEEDED:
        try:
            if os.stat(path)[6] < 32:
                return path + " is too short"
        except OSError:
            return path + " is missing"
    return "ok"


def _program() -> "tuple[str, str]":
    try:
        from firmware.version import VERSION  # not the node itself: where that is broken, its own safe mode says so
    except (ImportError, ValueError) as error:
        return "", "cannot be loaded: " + str(error)
    return VERSION, "ok"


def _storage() -> "tuple[int, str]":
    state = os.statvfs("/")
    free = state[0] * state[3]
    try:
        with open("/self-test.tmp", "w") as file:
            file.write("written")
        with open("/self-test.tmp") as file:
            sound = file.read() == "written"
        os.remove("/self-test.tmp")
    except OSError as error:
        return free, "cannot be written: " + str(error)
    if not sound:
        return free, "gives back something else than was written"
    return free, "ok" if free >= _LEAST_FREE else "is nearly full"


def report() -> "dict[str, object]":
    """Print the line and return what is in it."""
    try:
        with open("/config.json") as file:
            config = json.load(file)
    except (OSError, ValueError) as error:
        config = {}
        stated = "config.json cannot be read: " + str(error)
    else:
        stated = _config(config)
    free, storage = _storage()
    version, program = _program()
    gc.collect()
    found = {
        "node": config.get("node", ""),
        "pond": config.get("pond", ""),
        "firmware": version,
        "in_place": hasattr(vfs, "rom_ioctl"),
        "micropython": ".".join([str(part) for part in sys.implementation[1][:3]]),
        "free_flash": free,
        "free_heap": gc.mem_free(),
        "year": time.gmtime()[0],
        "parts": {"config": stated, "certificate": _certificate(), "program": program, "storage": storage},
    }
    print(MARK + json.dumps(found))
    return found
