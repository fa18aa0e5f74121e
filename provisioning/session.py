"""One call of a command: its language, its output for people or machines, its progress bar, its log without secrets."""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from provisioning.change import recover
from provisioning.failure import Exit, Failure
from provisioning.texts import say
from provisioning.workspace import Workspace

_LOG = logging.getLogger("provisioning")
# Whatever looks like one is masked even where nobody said that it is a secret.
_PATTERNS: Final = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL),
    re.compile(r"(?i)(?<=bearer )\S+"),
    re.compile(r"(?i)((?:password|passphrase|secret|token|pin|psk|key)[\"']?\s*[=:]\s*[\"']?)([^\s\"',}]+)"),
)
MASK: Final = "●●●"


class Mask(logging.Filter):
    """Takes secrets out of every log record: those it was told, and what looks like one."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: set[str] = set()

    def add(self, secret: str) -> None:
        """Never show this text."""
        if len(secret) >= 4:  # a shorter one would mask half of the file
            self._secrets.add(secret)

    def clean(self, text: str) -> str:
        """Return `text` without secrets."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, MASK)
        text = _PATTERNS[0].sub(MASK, text)
        text = _PATTERNS[1].sub(MASK, text)
        return _PATTERNS[2].sub(lambda m: m.group(1) + MASK, text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean a record, its traceback included."""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
            record.exc_info = record.exc_text = None
        record.msg, record.args = self.clean(text), None
        return True


class Session:
    """What a command works with.

    Parameters
    ----------
    language : of the texts
    as_json : one JSON object on standard output instead of sentences
    workspace : the technician's folder
    console, errors : standard output and standard error
    """

    def __init__(
        self, language: str, *, as_json: bool, workspace: Workspace, console: Console | None = None, errors: Console | None = None
    ) -> None:
        self.language, self.as_json, self.workspace = language, as_json, workspace
        self.console = console or Console(highlight=False, soft_wrap=True)
        self.errors = errors or Console(stderr=True, highlight=False, soft_wrap=True)
        self.mask = Mask()

    def text(self, key: str, /, **numbers: object) -> str:
        """Return a text in the session's language."""
        return say(key, self.language, **numbers)

    def say(self, key: str, /, **numbers: object) -> None:
        """Tell people one sentence; machines read the object at the end."""
        sentence = self.text(key, **numbers)
        _LOG.info("%s", sentence)
        if not self.as_json:
            self.console.print(sentence, markup=False)

    def result(self, found: dict[str, Any]) -> None:
        """Print the object for machines."""
        if self.as_json:
            sys.stdout.write(json.dumps(found, ensure_ascii=False, default=str) + "\n")

    @contextmanager
    def progress(self, key: str, total: int | None = None) -> Iterator[Callable[[int, int], None]]:
        """Show a bar with the time left on standard error; call what is yielded with ``(done, total)``."""
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.errors, disable=self.as_json) as bar:
            task = bar.add_task(self.text(key), total=total)
            yield lambda done, whole: bar.update(task, completed=done, total=whole)

    def waiting(self, key: str, /, **numbers: object) -> None:
        """Tell people on standard error what is waited for."""
        sentence = self.text(key, **numbers)
        _LOG.info("%s", sentence)
        if not self.as_json:
            self.errors.print(sentence, markup=False)


def _log_to(workspace: Workspace, mask: Mask) -> logging.Handler:
    workspace.log.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(workspace.log, maxBytes=1_000_000, backupCount=2, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(mask)
    logging.getLogger().addHandler(handler)
    logging.getLogger("provisioning").setLevel(logging.DEBUG)
    return handler


def run(arguments: argparse.Namespace, work: Callable[[argparse.Namespace, Session], int | None]) -> int:
    """Run one command: failures become a sentence and a remedy, tracebacks go to the log and, with ``--debug``, to the terminal."""
    workspace = Workspace(arguments.workspace)
    session = Session(arguments.lang, as_json=arguments.json, workspace=workspace)
    try:
        handler = _log_to(workspace, session.mask)
    except OSError as error:
        return _tell(session, Failure("workspace", Exit.CALL, place=workspace.root, problem=error.strerror or error))
    _LOG.info("vuong %s", " ".join(sys.argv[1:]))
    try:
        if recover(workspace):
            session.say("change.finished")
        return int(work(arguments, session) or Exit.DONE)
    except Failure as failure:
        _LOG.warning("%s", failure, exc_info=failure)
        if arguments.debug:
            raise
        return _tell(session, failure)
    except KeyboardInterrupt:
        session.errors.print(session.text("interrupted"))
        return Exit.INTERRUPTED
    except Exception as error:  # the last resort: nobody on a dyke is helped by a traceback
        _LOG.exception("a mistake of the program's")
        if arguments.debug:
            raise
        return _tell(session, Failure("program", what=f"{type(error).__name__}: {error}", log=workspace.log))
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def _tell(session: Session, failure: Failure) -> int:
    sentence, remedy = (session.mask.clean(part(session.language)) for part in (failure.sentence, failure.remedy))
    session.errors.print(f"[bold red]✗[/] {_plain(sentence)}\n  → {_plain(remedy)}")
    session.result({"ok": False, "failure": failure.key, "message": sentence, "remedy": remedy})
    return int(failure.code)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def log_path(workspace: Path | None) -> Path:
    """Return where the log of a workspace lies."""
    return Workspace(workspace).log
