"""Secrets from whoever sits at the laptop: out of a file, the environment, or typed; never out of the command line, which others can read."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from provisioning.failure import WrongCall
from provisioning.session import Session


def ask(session: Session, key: str, *, file: Path | None = None, variable: str | None = None, twice: bool = False) -> str:
    """Return a secret; the log will not show it.

    Parameters
    ----------
    key : text of the question
    file : holds the secret on its first line
    variable : of the environment
    twice : typed twice, for a new one

    Raises
    ------
    WrongCall
        if it is nowhere, or typed differently
    """
    if file is not None:
        try:
            found = file.read_text(encoding="utf-8").split("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise WrongCall("file_unreadable", file=file, problem=error) from None
    elif variable is not None and os.environ.get(variable):
        found = os.environ[variable]
    elif sys.stdin.isatty():
        question = session.text(key)
        found = getpass.getpass(question + ": ")
        if twice and getpass.getpass(question + " (2): ") != found:
            raise WrongCall("typed_differently")
    else:
        raise WrongCall("secret_missing", what=session.text(key))
    session.mask.add(found)
    return found
