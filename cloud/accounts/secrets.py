"""Hashes, signatures and sealed texts: passwords (argon2id), random tokens (SHA-256), form tokens (HMAC), what is read again (Fernet)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VARIABLE: Final = "VUONG_SECRET_KEY"
OLDER_VARIABLE: Final = "VUONG_SECRET_KEYS_BEFORE"
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


class SealError(ValueError):
    """A sealed text that none of the keys opens: another key, or it was changed."""


class Seal:
    """Encrypts what must be read again and proves that it was not changed (Fernet: AES-128-CBC with HMAC-SHA-256).

    Parameters
    ----------
    keys : the first one seals; all of them open, so that a key can be replaced (`renew`)
    """

    def __init__(self, *keys: bytes) -> None:
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(self._derived(key))) for key in keys])

    @staticmethod
    def _derived(key: bytes) -> bytes:
        return HKDF(SHA256(), 32, salt=None, info=b"vuong seal").derive(key)  # RFC 5869: not the key that signs forms

    def close(self, text: str, owner: str) -> str:
        """Return `text` sealed for its owner: under another one's name it does not open."""
        return self._fernet.encrypt(f"{owner}\n{text}".encode()).decode()

    def open(self, sealed: str, owner: str) -> str:
        """Return what was sealed.

        Raises
        ------
        SealError
            if no key opens it, or it was sealed for somebody else
        """
        try:
            found, _, text = self._fernet.decrypt(sealed.encode()).decode().partition("\n")
        except InvalidToken:
            found, text = "", ""
        if found != owner:
            raise SealError(f"what is sealed for {owner} does not open; is {VARIABLE} another one than before?")
        return text

    def renew(self, sealed: str) -> str:
        """Return the same sealed under the first key.

        Raises
        ------
        SealError
            if no key opens it
        """
        try:
            return self._fernet.rotate(sealed.encode()).decode()
        except InvalidToken:
            raise SealError(f"a sealed text opens with none of the keys; give its key in {OLDER_VARIABLE}") from None


def secret_keys(beside: Path | None) -> tuple[bytes, ...]:
    """Return the keys: the first signs form tokens and seals, those before it only open what they once sealed.

    They come from the environment (those before it apart by white space), or from a file that is made beside an embedded database (one a line).

    Parameters
    ----------
    beside : the SQLite file, ``None`` on PostgreSQL

    Raises
    ------
    ValueError
        if there is none and nowhere to keep one, or one is too short
    """
    given = os.environ.get(VARIABLE)
    if given is None and beside is None:
        raise ValueError(
            f"{VARIABLE} is not set; on PostgreSQL give at least {_SHORTEST_KEY} random characters, the same to all workers"
        )
    if given is not None or beside is None:
        keys = [given or "", *os.environ.get(OLDER_VARIABLE, "").split()]
    else:
        file = beside.with_name("secret.key")
        try:
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                stream.write(secrets.token_hex(32))
        except FileExistsError:
            pass
        keys = file.read_text(encoding="ascii").split() or [""]
    if any(len(key) < _SHORTEST_KEY for key in keys):
        raise ValueError(f"{VARIABLE} is too short; give at least {_SHORTEST_KEY} random characters")
    return tuple(key.encode() for key in keys)
