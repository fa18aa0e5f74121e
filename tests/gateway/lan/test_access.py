"""PIN, pairing, tokens, and a lock-out that outlives a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.lan.access import (
    CODE_SECONDS,
    DEVICE_SECONDS,
    FREE_FAILURES,
    Access,
    AccessError,
    LockedError,
    form_token,
    form_token_fits,
)
from gateway.lan.entries import Entries, beside

NOW = 1_795_121_999.0
PIN = "493817"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


def opened(database: Path) -> Access:
    return Access(Entries(database).connection)


@pytest.mark.parametrize(
    "pin", ["", "12345", "123456", "987654", "890123", "000000", "121212", "49381x", "４９３８１７", "1" * 13]
)
def test_a_pin_that_is_short_or_easy_is_refused(database: Path, pin: str) -> None:
    access = opened(database)
    with pytest.raises(AccessError):
        access.set_pin(pin, "farmer", NOW)
    assert not access.has_pin()


def test_nothing_secret_is_in_the_file(database: Path) -> None:
    access = opened(database)
    access.set_pin(PIN, "farmer", NOW)
    token = access.sign_in(PIN, "Cô Sáu", "10.0.0.2", NOW)
    code = access.pairing_code("viewer", "TV", NOW)
    assert token is not None
    (kept,) = access._connection.execute("SELECT hash FROM pins").fetchone()
    assert kept.startswith("$argon2id$")
    access._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = b"".join(file.read_bytes() for file in database.parent.iterdir())
    for secret in (PIN, token, code):
        assert secret.encode() not in content
    assert beside(database).stat().st_mode & 0o077 == 0


def test_two_roles_may_not_share_a_pin(database: Path) -> None:
    access = opened(database)
    access.set_pin(PIN, "farmer", NOW)
    with pytest.raises(AccessError, match="farmer"):
        access.set_pin(PIN, "technician", NOW)


def test_a_token_is_good_until_it_is_over_or_revoked(database: Path) -> None:
    access = opened(database)
    token = access.pair(access.pairing_code("technician", "Tư", NOW), "phone", "10.0.0.2", NOW)
    assert token is not None
    device = access.device(token, NOW)
    assert device is not None
    assert (device.name, device.role) == ("Tư", "technician")
    assert access.device(token, NOW + DEVICE_SECONDS + 1) is None
    assert access.device(token + "x", NOW) is None
    assert access.revoke(device.id)
    assert access.device(token, NOW) is None
    assert not access.revoke(device.id)


def test_a_code_works_once_and_not_for_long(database: Path) -> None:
    access = opened(database)
    code = access.pairing_code("farmer", "", NOW)
    assert access.pair(code, "phone", "10.0.0.2", NOW) is not None
    assert access.pair(code, "phone", "10.0.0.2", NOW) is None
    late = access.pairing_code("farmer", "", NOW)
    assert access.pair(late, "phone", "10.0.0.3", NOW + CODE_SECONDS + 1) is None


def test_lock_out_survives_a_restart_and_holds_the_right_pin_back(database: Path) -> None:
    access = opened(database)
    access.set_pin(PIN, "farmer", NOW)
    for attempt in range(FREE_FAILURES):
        assert access.sign_in("000111", "x", "10.0.0.9", NOW + attempt) is None
    access._connection.close()
    access = opened(database)
    with pytest.raises(LockedError) as locked:
        access.sign_in(PIN, "x", "10.0.0.9", NOW + 10)
    assert 40 <= locked.value.wait <= 60
    assert access.sign_in(PIN, "x", "10.0.0.8", NOW + 10) is not None, "another phone is not locked out"
    assert access.sign_in("000111", "x", "10.0.0.9", NOW + 70) is None
    with pytest.raises(LockedError) as locked:
        access.sign_in(PIN, "x", "10.0.0.9", NOW + 71)
    assert locked.value.wait > 60, "each failure after that locks for longer"
    assert access.sign_in(PIN, "x", "10.0.0.9", NOW + 300) is not None


def test_failures_from_many_addresses_lock_the_pin_but_not_pairing(database: Path) -> None:
    access = opened(database)
    access.set_pin(PIN, "farmer", NOW)
    for attempt in range(20):
        assert access.sign_in("000111", "x", f"10.0.1.{attempt}", NOW) is None
    with pytest.raises(LockedError):
        access.sign_in(PIN, "x", "10.0.1.99", NOW)
    assert access.pair(access.pairing_code("farmer", "", NOW), "phone", "10.0.2.1", NOW) is not None


def test_a_clock_set_back_does_not_lock_for_years(database: Path) -> None:
    access = opened(database)
    access.set_pin(PIN, "farmer", NOW)
    for _ in range(FREE_FAILURES):
        access.sign_in("000111", "x", "10.0.0.9", NOW)
    with pytest.raises(LockedError) as locked:
        access.sign_in(PIN, "x", "10.0.0.9", NOW - 10 * 365 * 86_400)
    assert locked.value.wait <= 3600


@given(st.text(min_size=1, max_size=60), st.text(max_size=80))
@settings(max_examples=50)
def test_form_tokens_belong_to_their_session(session: str, other: str) -> None:
    assert form_token_fits(session, form_token(session))
    assert form_token_fits(session, form_token(other or "-")) == (session == (other or "-"))
    assert not form_token_fits("", form_token(session))


def test_a_damaged_file_is_put_aside(database: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened(database)._connection.close()
    for end in ("-wal", "-shm"):
        Path(f"{beside(database)}{end}").unlink(missing_ok=True)
    beside(database).write_bytes(b"no database " * 1000)
    assert not opened(database).has_pin()
    assert "put aside" in caplog.text
    assert [file for file in database.parent.iterdir() if "damaged" in file.name]
