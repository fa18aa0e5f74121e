"""Who may come in on the LAN: PINs, one-time pairing codes, device tokens, all hashed at rest; and a lock-out that survives a restart."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.store.writing import writing
from vuong.contract.api import RIGHTS, Right

ROLES: Final = ("viewer", "farmer", "technician")
SHORTEST_PIN: Final = 6
CODE_SECONDS: Final = 600  # how long a pairing code may be used, once
BROWSER_SECONDS: Final = 30 * 86_400  # a browser that signed in with the PIN
DEVICE_SECONDS: Final = 400 * 86_400  # a paired phone
_SEEN_EVERY: Final = 3600
FREE_FAILURES: Final = 5
FIRST_LOCK, LONGEST_LOCK = 60.0, 3600.0
# An attacker on the LAN can change addresses, so all failures together are counted too; pairing by QR still works then.
_ALL: Final = "everybody"
_ALL_FREE: Final = 20

# OWASP's second choice for argon2id: 19 MiB, for a Pi with little memory.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_NOBODY: Final = _HASHER.hash(secrets.token_hex(16))

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS pins (role TEXT PRIMARY KEY, hash TEXT NOT NULL, changed INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pairing_codes (digest TEXT PRIMARY KEY, role TEXT NOT NULL, name TEXT NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS devices (
    id TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL,
    created INTEGER NOT NULL, expires INTEGER NOT NULL, seen INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (source TEXT PRIMARY KEY, count INTEGER NOT NULL, last REAL NOT NULL) WITHOUT ROWID;
"""


class AccessError(ValueError):
    """A mistake in what was asked for, told in one sentence."""


class LockedError(Exception):
    """Too many failures; `wait` is how many seconds are left."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"too many failures; wait {wait:.0f} s")
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Device:
    """A phone or browser that is signed in."""

    id: str
    name: str
    role: str
    created: int
    expires: int
    seen: int

    def may(self, right: Right) -> bool:
        """Return whether its role has a right."""
        return right in RIGHTS[self.role]


def digest(token: str) -> str:
    """Return the SHA-256 by which a random token is known."""
    return hashlib.sha256(token.encode()).hexdigest()


def form_token(session: str) -> str:
    """Return the token that a form of that browser session must carry; the cookie itself is the key, and scripts cannot read it."""
    return hmac.new(session.encode(), b"form", hashlib.sha256).hexdigest()


def form_token_fits(session: str, token: str) -> bool:
    """Return whether a form's token belongs to that browser session."""
    return bool(session) and hmac.compare_digest(form_token(session).encode(), token.encode())


class Access:
    """PINs, codes, devices and failures in the gateway's database; times are the machine's own UTC seconds.

    Parameters
    ----------
    connection : of `gateway.lan.entries.Entries`
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.executescript(_TABLES)

    def set_pin(self, pin: str, role: str, now: float) -> None:
        """Set the PIN of a role; browsers that signed in with the old one stay signed in until they are revoked.

        Raises
        ------
        AccessError
            if the PIN is short, no number, or easy to guess
        """
        _check_role(role)
        if not (pin.isascii() and pin.isdigit() and SHORTEST_PIN <= len(pin) <= 12):
            raise AccessError(f"the PIN must have {SHORTEST_PIN} to 12 digits")
        steps = {(int(b) - int(a)) % 10 for a, b in itertools.pairwise(pin)}
        if len(set(pin)) < 3 or steps in ({1}, {9}):
            raise AccessError("the PIN is easy to guess; take digits that neither repeat nor count up or down")
        for other, hashed in self._connection.execute("SELECT role, hash FROM pins WHERE role <> ?", (role,)):
            if _fits(hashed, pin):
                raise AccessError(f"this is the PIN of role {other}; take another")
        self._connection.execute("INSERT OR REPLACE INTO pins VALUES (?, ?, ?)", (role, _HASHER.hash(pin), int(now)))

    def has_pin(self) -> bool:
        """Return whether any PIN is set."""
        return self._connection.execute("SELECT 1 FROM pins").fetchone() is not None

    def sign_in(self, pin: str, name: str, source: str, now: float, *, seconds: int = BROWSER_SECONDS) -> str | None:
        """Return the token of a new device, ``None`` if no role has this PIN.

        Parameters
        ----------
        pin : what was typed
        name : what the device is called
        source : where the attempt comes from: the network address
        now : UTC seconds
        seconds : how long the token is good for

        Raises
        ------
        LockedError
            after too many failures; the PIN is not even looked at then
        """
        # Counted before the slow hash: many attempts at once must not all pass the gate.
        self._attempt(source, now)
        roles = [
            role for role, hashed in self._connection.execute("SELECT role, hash FROM pins").fetchall() if _fits(hashed, pin)
        ]
        if not roles:
            if not self.has_pin():
                _fits(_NOBODY, pin)
            return None
        self._succeeded(source)
        return self._new_device(name, roles[0], now, seconds)

    def pairing_code(self, role: str, name: str, now: float) -> str:
        """Return a new code that makes one device, once, within ten minutes; it replaces codes that are over."""
        _check_role(role)
        code = secrets.token_urlsafe(16)
        execute = self._connection.execute
        execute("DELETE FROM pairing_codes WHERE expires < ?", (int(now),))
        execute("INSERT INTO pairing_codes VALUES (?, ?, ?, ?)", (digest(code), role, name[:60], int(now) + CODE_SECONDS))
        return code

    def pair(self, code: str, name: str, source: str, now: float) -> str | None:
        """Return the token of a new device for a pairing code, ``None`` if the code is unknown, used or over.

        Raises
        ------
        LockedError
            after too many failures from this address
        """
        # 128 random bits cannot be guessed: only this address is held back, so that nobody can lock the others out of pairing.
        self._attempt(source, now, alone=True)
        row = self._connection.execute(
            "DELETE FROM pairing_codes WHERE digest = ? AND expires >= ? RETURNING role, name", (digest(code), int(now))
        ).fetchone()
        if row is None:
            return None
        role, given = row
        self._succeeded(source, alone=True)
        return self._new_device(given or name, role, now, DEVICE_SECONDS)

    def _new_device(self, name: str, role: str, now: float, seconds: int) -> str:
        token, moment = secrets.token_urlsafe(32), int(now)
        self._connection.execute("DELETE FROM devices WHERE expires < ?", (moment,))
        self._connection.execute(
            "INSERT INTO devices VALUES (?, ?, ?, ?, ?, ?, ?)",
            (secrets.token_hex(4), digest(token), " ".join(name.split())[:60] or role, role, moment, moment + seconds, moment),
        )
        return token

    def device(self, token: str, now: float) -> Device | None:
        """Return whose token this is, ``None`` if it is nobody's, over or revoked."""
        row = self._connection.execute(
            "SELECT id, name, role, created, expires, seen FROM devices WHERE digest = ?", (digest(token),)
        ).fetchone()
        found = Device(*row) if row else None
        if found is None or found.expires < now:
            return None
        if not 0 <= now - found.seen < _SEEN_EVERY:
            self._connection.execute("UPDATE devices SET seen = ? WHERE id = ?", (int(now), found.id))
        return found

    def devices(self) -> list[Device]:
        """Return all devices, the newest first."""
        rows = self._connection.execute("SELECT id, name, role, created, expires, seen FROM devices ORDER BY created DESC, id")
        return [Device(*row) for row in rows]

    def revoke(self, name: str) -> bool:
        """Take a device's token away; return whether there was one."""
        return self._connection.execute("DELETE FROM devices WHERE id = ?", (name,)).rowcount > 0

    def _attempt(self, source: str, now: float, *, alone: bool = False) -> None:
        keys = _keys(source, alone=alone)
        execute = self._connection.execute
        with writing(self._connection):
            wait = max(self._wait(key, free, now) for key, free in keys)
            if wait <= 0:
                for key, _ in keys:
                    execute(
                        "INSERT INTO failures VALUES (?, 1, ?) ON CONFLICT DO UPDATE SET count = count + 1, last = excluded.last",
                        (key, now),
                    )
                # Forget what is long past, so that the table stays small.
                execute("DELETE FROM failures WHERE last < ?", (now - 86_400,))
        if wait > 0:
            raise LockedError(wait)

    def _wait(self, key: str, free: int, now: float) -> float:
        row = self._connection.execute("SELECT count, last FROM failures WHERE source = ?", (key,)).fetchone()
        if row is None or row[0] < free:
            return 0.0
        lock = min(LONGEST_LOCK, FIRST_LOCK * 2.0 ** min(row[0] - free, 10))
        # A clock that was set back must not lock for years.
        return float(min(lock, row[1] + lock - now))

    def _succeeded(self, source: str, *, alone: bool = False) -> None:
        for key, _ in _keys(source, alone=alone):
            if key == _ALL:  # one who knows the PIN does not pardon those who guess it
                self._connection.execute("UPDATE failures SET count = count - 1 WHERE source = ? AND count > 0", (key,))
            else:
                self._connection.execute("DELETE FROM failures WHERE source = ?", (key,))


def _keys(source: str, *, alone: bool) -> Sequence[tuple[str, int]]:
    own = (f"{'code' if alone else 'pin'}:{source}", FREE_FAILURES)
    return [own] if alone else [own, (_ALL, _ALL_FREE)]


def _fits(hashed: str, pin: str) -> bool:
    try:
        return _HASHER.verify(hashed, pin)
    except (VerificationError, InvalidHashError):
        return False


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise AccessError(f"role {role!r} is not known; known are {', '.join(ROLES)}")
