# ruff: noqa: ANN201, PTH123, SIM105 - MicroPython
"""Runs under MicroPython: a board from its reset on: ``boot.py``, ``main.py``, and the raw REPL where Ctrl-C or an error ends them.

usage: living_board.py FLASH OFFSET SIZE FAKES
"""

import sys

sys.path.insert(0, sys.argv[0].rsplit("/", 1)[0])
import raw_repl
from board import mount


def start():
    """Run the start-up files; a restart or deep sleep ends the process, as it ends the interpreter on a board."""
    for name in ("boot.py", "main.py"):
        try:
            with open(name) as file:
                source = file.read()
            exec(source, {"__name__": "__main__"})
        except KeyboardInterrupt:
            return
        except OSError as error:
            sys.print_exception(error)
        except Exception as error:  # noqa: BLE001 - as the board's own start-up does
            sys.print_exception(error)


mount(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
start()
while True:
    try:
        raw_repl.serve()
    except KeyboardInterrupt:
        pass
