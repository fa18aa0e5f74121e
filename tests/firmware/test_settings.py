"""Remote configuration and safe mode."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from firmware.bootguard import FAILED_BOOTS, BootGuard
from firmware.node import NodeConfig
from firmware.settings import Settings


def test_a_valid_configuration_is_taken_once_kept_and_applied(tmp_path: Path) -> None:
    path = str(tmp_path / "settings.json")
    settings = Settings(path)
    assert settings.take(b'{"version": 3, "interval": 300}')
    assert not settings.take(b'{"version": 3, "interval": 600}')  # the retained message again
    assert not settings.take(b'{"version": 2, "interval": 600}')
    assert settings.take(b'{"version": 4, "resend": 60}')
    config = NodeConfig("0123456789abcdef")
    again = Settings(path)
    again.apply(config)
    assert (again.version, config.interval, config.resend, config.status_interval) == (4, 300, 60, 3600)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"interval": 300}', "version is missing"),
        (b'{"version": 3, "interval": 5}', "interval is 5; give a whole number from 10 to 86400"),
        (b'{"version": 3, "interval": true}', "interval is True"),
        (b'{"version": 3, "interval": "900"}', "interval is '900'"),
        (b'{"version": 3, "speed": 1}', "field 'speed' is not known"),
        (b'{"version": -1}', "version is -1"),
    ],
)
def test_an_invalid_configuration_is_refused_whole_with_its_reason(tmp_path: Path, payload: bytes, reason: str) -> None:
    settings = Settings(str(tmp_path / "settings.json"))
    assert settings.take(b'{"version": 1, "interval": 300}')
    assert not settings.take(payload)
    assert reason in settings.refused
    assert settings.version == 1
    assert settings.take(b'{"version": 2}')
    assert settings.refused == ""


def test_what_an_older_firmware_stored_is_checked_again(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"version": 9, "gone": 1}))
    settings = Settings(str(path))
    assert settings.version == 0
    assert "gone" in settings.refused


def test_safe_mode_after_repeated_failed_boots_and_out_of_it_after_a_good_one(tmp_path: Path) -> None:
    path = str(tmp_path / "boots.json")
    for failed in range(FAILED_BOOTS):
        guard = BootGuard(path)
        assert guard.failed == failed
        assert not guard.safe_mode
    guard = BootGuard(path)
    assert guard.safe_mode
    guard.good()
    assert not BootGuard(path).safe_mode
    (tmp_path / "boots.json").write_text("x")
    assert BootGuard(path).failed == 0


def test_a_dead_flash_does_not_keep_a_node_from_starting(tmp_path: Path) -> None:
    assert BootGuard(str(tmp_path / "missing" / "boots.json")).failed == 0
