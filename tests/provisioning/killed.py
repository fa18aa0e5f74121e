"""Run ``vuong …`` on copies of a technician's folder and kill it (SIGKILL) at each of its operations on files in turn.

usage: killed.py FOLDER COPIES STEP WORD…      one JSON line a kill: how many operations it had done; the last line, ``null``, is a run to its end

The copy of the n-th run is ``COPIES/<n>``. Every `STEP`-th operation is tried.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import filelock  # noqa: F401

import provisioning.fleet.load  # noqa: F401 - once, not in each child
from vuong import command

# What changes a folder, or is a step on the way to it (names of Python's audit events).
_EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.link", "shutil.copyfile"}


def _count(folder: str, deadline: int) -> None:
    done = 0

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal done
        if event in _EVENTS and str(arguments[0] if arguments else "").startswith(folder):
            done += 1
            if done >= deadline:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(heard)


def main() -> None:
    source, copies, step, words = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    arguments = command.build_parser(words[0]).parse_args(words)
    number = 1
    while True:
        copy = copies / str(number)
        shutil.copytree(source, copy)
        child = os.fork()
        if child == 0:
            os.environ["VUONG_WORKSPACE"] = str(copy)
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, 1)
            _count(str(copy), number)
            os._exit(arguments.run(arguments))
        _, status = os.waitpid(child, 0)
        whole = not os.WIFSIGNALED(status)
        sys.stdout.write(json.dumps(None if whole else number) + "\n")
        if whole:
            sys.exit(os.waitstatus_to_exitcode(status))
        number += step


if __name__ == "__main__":
    main()
