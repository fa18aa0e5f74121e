# ruff: noqa: ANN001, ANN201, SIM105 - MicroPython
"""Runs under MicroPython: the raw REPL that a board's own firmware has and the Unix port lacks, on a flash that is a file.

Protocol: MicroPython's documentation, "The MicroPython Interactive Interpreter Mode", raw and raw-paste mode.
"""

import gc
import io
import sys

_IN, _OUT = sys.stdin.buffer, sys.stdout.buffer
CTRL_A, CTRL_B, CTRL_C, CTRL_D, CTRL_E = 1, 2, 3, 4, 5
RESTARTED = 71  # how the stand-in for ``machine`` ends the process (tests/firmware/board)
_WINDOW = 128
_BANNER = b"MicroPython on a test machine\r\n>>> "
_RAW = b"raw REPL; CTRL-B to exit\r\n>"


def byte():
    """Return the next byte; the end of the line ends the program."""
    try:
        found = _IN.read(1)
    except KeyboardInterrupt:  # a terminal that makes a signal of it
        return CTRL_C
    if not found:
        raise SystemExit
    return found[0]


def execute(code, names):
    """Run code and send its traceback between the two ends that the protocol asks for."""
    said = b""
    try:
        exec(compile(code, "<stdin>", "exec"), names)
    except SystemExit as end:
        if end.args and end.args[0] == RESTARTED:
            raise
    except BaseException as error:  # noqa: BLE001
        text = io.StringIO()
        sys.print_exception(error, text)
        said = text.getvalue().replace("\n", "\r\n").encode()
    _OUT.write(b"\x04" + said + b"\x04>")
    gc.collect()


def paste():
    """Take code in raw-paste mode, with its window; ``None`` where it was given up."""
    _OUT.write(b"R\x01" + bytes([_WINDOW & 255, _WINDOW >> 8]))
    code, count = bytearray(), 0
    while True:
        found = byte()
        if found in (CTRL_C, CTRL_D):
            _OUT.write(b"\x04")
            return code if found == CTRL_D else None
        code.append(found)
        count += 1
        if count == _WINDOW:
            _OUT.write(b"\x01")
            count = 0


def serve():
    """Answer for ever."""
    names, raw, code = {"__name__": "__main__"}, False, bytearray()
    while True:
        found = byte()
        if found == CTRL_A:
            raw, code = True, bytearray()
            _OUT.write(_RAW)
        elif found == CTRL_B:
            raw, code = False, bytearray()
            _OUT.write(b"\r\n" + _BANNER)
        elif found == CTRL_C:
            code = bytearray()
            if not raw:
                _OUT.write(b"\r\n>>> ")
        elif found == CTRL_E and raw and not code:
            if byte() == 0x41 and byte() >= 0:
                pasted = paste()
                if pasted is not None:
                    execute(bytes(pasted).decode(), names)
        elif found == CTRL_D and raw:
            _OUT.write(b"OK")
            if code:
                execute(bytes(code).decode(), names)
            else:
                names = {"__name__": "__main__"}
                _OUT.write(b"\r\nMPY: soft reboot\r\n" + _RAW)
            code = bytearray()
        elif raw:
            code.append(found)


def forever():
    """Answer for ever, whatever interrupts it."""
    while True:
        try:
            serve()
        except KeyboardInterrupt:
            pass
