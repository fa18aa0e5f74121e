"""Hashes and signatures: passwords (argon2id), random tokens (SHA-256), form tokens (HMAC)."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

VARIABLE: Final = "VUONG_SECRET_KEY"
_SHORTEST_KEY: Final = 32
_HASHER: Final = PasswordHasher()  # argon2id with the library's defaults (RFC 9106, low memory)
# Compared against when there is no such user, so that the answer takes as long.
_NOBODY: Final = _HASHER.hash(secrets.token_hex(16))


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password."""
    return _HASHER.hash(password)


def password_fits(hashed: str | None, password: str) -> bool:
    """Return whether a password is the one that was hashed; ``None`` (no such user) takes as long and is False."""
    try:
        _HASHER.verify(hashed or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return hashed is not None


def outdated(hashed: str) -> bool:
    """Return whether a hash was made with weaker parameters than today's."""
    return _HASHER.check_needs_rehash(hashed)


def digest(token: str) -> str:
    """Return the SHA-256 by which a random token is known."""
    return hashlib.sha256(token.encode()).hexdigest()


def form_token(key: bytes, session: str) -> str:
    """Return the token that a form of that browser session must carry."""
    return hmac.new(key, b"form:" + session.encode(), hashlib.sha256).hexdigest()


def form_token_fits(key: bytes, session: str, token: str) -> bool:
    """Return whether a form's token belongs to that browser session."""
    return hmac.compare_digest(form_token(key, session).encode(), token.encode())


def secret_key(beside: Path | None) -> bytes:
    """Return the key that signs form tokens: from the environment, or a file that is made beside an embedded database.

    Parameters
    ----------
    beside : the SQLite file, ``None`` on PostgreSQL

    Raises
    ------
    ValueError
        if there is none and nowhere to keep one, or it is too short
    """
    given = os.environ.get(VARIABLE)
    if given is None and beside is None:
        raise ValueError(
            f"{VARIABLE} is not set; on PostgreSQL give at least {_SHORTEST_KEY} random characters, the same to all workers"
        )
    if given is None and beside is not None:
        file = beside.with_name("secret.key")
        try:
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                stream.write(secrets.token_hex(32))
        except FileExistsError:
            pass
        given = file.read_text(encoding="ascii")
    if given is None or len(given) < _SHORTEST_KEY:
        raise ValueError(f"{VARIABLE} is too short; give at least {_SHORTEST_KEY} random characters")
    return given.encode()
