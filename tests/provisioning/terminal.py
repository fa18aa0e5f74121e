"""A command at a terminal: a real pty, and the screen as a terminal would show it (pyte)."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from typing import Any

import pyte
from rich.text import Text

_COLOURS = {"brown": "yellow", "brightblack": "bright_black"}


class Terminal:
    """Runs ``vuong …`` at a terminal of its own.

    Parameters
    ----------
    words : of the command
    environment : of the process
    columns, lines : of the terminal
    """

    def __init__(self, *words: object, environment: dict[str, str], columns: int = 80, lines: int = 24) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.Stream(self.screen)
        self._master, slave = pty.openpty()
        self.said = ""
        size = {"COLUMNS": str(columns), "LINES": str(lines), "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vuong", *map(str, words)],
            env={**environment, **size}, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return True
        try:
            heard = os.read(self._master, 65536).decode(errors="replace")
        except OSError:  # the process closed its end
            return False
        self.said += heard
        self._stream.feed(heard.replace("\n", "\r\n"))
        return bool(heard)

    def wait_for(self, text: str, seconds: float = 60.0) -> None:
        """Read until the command says something, and leave out of `said` what came up to then."""
        self.wait_for_match(re.escape(text), seconds)

    def wait_for_match(self, pattern: str, seconds: float = 60.0) -> None:
        """Do so with a regular expression."""
        deadline = time.monotonic() + seconds
        while (found := re.search(pattern, self.said)) is None:
            assert time.monotonic() < deadline, f"{pattern!r} did not come:\n{self.said}"
            assert self._read(0.2), f"it ended before {pattern!r}:\n{self.said}"
        self.said = self.said[found.end() :]

    def type_in(self, text: str) -> None:
        """Type a line."""
        os.write(self._master, text.encode() + b"\n")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self, seconds: float = 20.0) -> int:
        """Read to the end and return the exit code."""
        deadline = time.monotonic() + seconds
        while self._read(0.1) and self.process.poll() is None:
            assert time.monotonic() < deadline, self.said
        while self._read(0.1) and select.select([self._master], [], [], 0)[0]:
            pass
        code = self.process.wait(5)
        os.close(self._master)
        return code

    def lines(self) -> list[str]:
        """Return the screen's lines."""
        return [line.rstrip() for line in self.screen.display]

    def drawn(self) -> Text:
        """Return the screen with its colours, without the empty lines below."""
        rows = self.lines()
        while rows and not rows[-1]:
            rows.pop()
        text = Text()
        for y, row in enumerate(rows):
            for x, _ in enumerate(row):
                cell: Any = self.screen.buffer[y][x]
                colour = _COLOURS.get(cell.fg, cell.fg)
                style = (
                    ""
                    if colour == "default"
                    else f"#{colour}"
                    if len(colour) == 6 and colour.isalnum() and not colour.isalpha()
                    else colour
                )
                text.append(cell.data, f"bold {style}" if cell.bold else style)
            text.append("\n")
        return text
