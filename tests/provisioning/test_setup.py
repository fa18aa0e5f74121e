"""``vuong gateway setup`` on a fresh Debian (`tests.provisioning.debian`), not yet booted and running."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.provisioning.conftest import Vuong
from tests.provisioning.debian import ASK, UNITS, System

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount an overlay"),
    pytest.mark.skipif(shutil.which("apt-get") is None, reason="LEFT OUT: no apt here"),
]


@pytest.fixture
def system(vuong: Vuong, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    monkeypatch.setenv("VUONG_CA_PASSPHRASE", "four words to remember")
    given, root = tmp_path / "given", tmp_path / "system"
    given.mkdir()
    root.mkdir()
    assert vuong("fleet", "init", "--name", "HTX").code == 0
    assert vuong("fleet", "gateway", "vuong.local", "--out", given / "bundle.tar").code == 0
    (given / "pin.txt").write_text("493817\n")
    made = System(root, given)
    yield made
    made.end()


SETUP = ("setup", "--id", "gw-1", "--bundle", "/given/bundle.tar", "--pin-file", "/given/pin.txt")


def test_a_fresh_debian_becomes_a_gateway_once(system: System) -> None:
    code, told = system.vuong(*SETUP, "--check")
    assert code == 1
    assert {"packages", "users", "files", "certificates", "config"} <= set(told["missing"])
    assert system.run("id", "vuong").returncode != 0  # nothing was changed

    code, told = system.vuong(*SETUP)
    assert code == 0, (told, system.run("tail", "-n20", "/srv/vuong/log/technician.log").stdout)
    assert "mosquitto" in told["changed"]["packages"]
    assert system.run("test", "-x", "/usr/sbin/mosquitto").returncode == 0
    key = system.run("stat", "-c", "%U:%G %a", "/var/lib/vuong/tls/broker.key").stdout.strip()
    assert key == "root:mosquitto 640"
    assert system.run("stat", "-c", "%U %a", "/var/lib/vuong/gateway").stdout.strip() == "vuong 750"
    assert "493817" not in system.run("cat", "/srv/vuong/log/technician.log").stdout
    for unit in UNITS:
        assert system.run("systemctl", "is-enabled", unit).stdout.strip() == "enabled"

    code, told = system.vuong(*SETUP)
    assert (code, told) == (0, {"ok": True, "changed": {}})
    code, told = system.vuong("setup", "--check")
    assert (code, told) == (0, {"ok": True, "missing": {}})

    system.run("sh", "-c", "echo '# by hand' >> /etc/vuong/mosquitto.conf; chmod 644 /var/lib/vuong/tls/gateway.key")
    code, told = system.vuong("setup", "--check")
    assert code == 1
    assert set(told["missing"]) == {"files", "certificates"}
    code, told = system.vuong(*SETUP)
    assert code == 0
    assert told["changed"] == {"files": ["/etc/vuong/mosquitto.conf"], "certificates": ["/var/lib/vuong/tls/gateway.key"]}


def test_a_running_debian_becomes_a_gateway_whose_services_run(system: System) -> None:
    """As on a Pi: Debian's own broker has been started by its package, with its own configuration, when set-up comes."""
    assert system.run("apt-get", "-q", "-y", "--no-install-recommends", "install", "mosquitto", "nftables").returncode == 0
    system.boot()
    system.until(lambda: system.run("systemctl", "is-active", "mosquitto").stdout.strip() == "active")
    own = system.run("systemctl", "show", "-p", "MainPID", "mosquitto").stdout

    code, told = system.vuong(*SETUP)
    assert code == 0, (told, system.journal())
    assert "packages" not in told["changed"]
    for unit in UNITS:
        system.until(lambda unit=unit: system.run("systemctl", "is-active", unit).stdout.strip() == "active")  # type: ignore[misc]
    assert system.run("systemctl", "show", "-p", "MainPID", "mosquitto").stdout != own
    system.until(lambda: ":8080 " in system.run("ss", "-Hltn").stdout)
    listening = system.run("ss", "-Hltn").stdout
    assert ":8883 " in listening
    assert ":1883 " not in listening  # Debian's own broker took everybody
    rules = system.run("nft", "list", "ruleset").stdout
    assert "policy drop" in rules
    assert "tcp dport 8883" in rules
    page = system.run("/opt/python/bin/python3", "-c", ASK, "493817")
    assert page.stdout.strip() == "http://127.0.0.1:8080/", page.stderr
    system.until(lambda: "as gateway (" in system.journal())  # the broker has let the gateway in

    code, told = system.vuong(*SETUP)
    assert (code, told) == (0, {"ok": True, "changed": {}})
    assert system.vuong("setup", "--check") == (0, {"ok": True, "missing": {}})
    for unit in UNITS:
        assert system.run("systemctl", "show", "-p", "NRestarts", "--value", unit).stdout.strip() in {"0", ""}, unit

    system.run("systemctl", "disable", "--now", "vuong-gateway-lan")
    assert system.vuong("setup", "--check") == (1, {"ok": False, "missing": {"services": ["vuong-gateway-lan.service"]}})
    assert system.vuong(*SETUP)[1]["changed"] == {"services": ["vuong-gateway-lan.service"]}


def test_without_certificates_it_says_where_they_come_from(system: System) -> None:
    code, told = system.vuong("setup")
    assert (code, told["failure"]) == (1, "no_certificates")
    assert "vuong fleet gateway" in told["remedy"]
