"""``vuong gateway card``: judged by the real cloud-init and shellcheck; a Debian that starts from it without a network becomes a gateway."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.build import ROOT
from provisioning.failure import Failure
from provisioning.gateway.card import files, wheels
from provisioning.gateway.card.files import Machine, pairwise_key
from provisioning.gateway.steps import PACKAGES
from tests.provisioning.conftest import Vuong
from tests.provisioning.debian import ASK, UNITS, System

CLOUD_INIT = ROOT / ".cloud-init" / "root" / "usr" / "lib" / "python3" / "dist-packages"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9yQZ3m5n3s1r6n5X0p7m1cJ6gk8m0Z2m3o4p5q6r7s pi"
# What a shell or YAML could take for something else.
NASTY = Machine("vuong", "pi", "$2b$10$abc", KEY, "Ao 1 \"q\" $(reboot) 'x' ệ: #", pairwise_key("IEEE", "password"))
PASSWORD, WIFI = "đăng nhập của tôi", "cơm tấm sườn"


@pytest.fixture
def laptop(vuong: Vuong, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vuong:
    monkeypatch.setenv("VUONG_CA_PASSPHRASE", "four words to remember")
    monkeypatch.setenv("VUONG_WIFI_PASSWORD", WIFI)
    assert vuong("fleet", "init", "--name", "HTX").code == 0
    for name, text in (("key.pub", KEY), ("password.txt", PASSWORD), ("pin.txt", "493817")):
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
    (tmp_path / "wheels").mkdir()
    for name in ("vuong-0.1.0-py3-none-any.whl", "pip-25.0-py3-none-any.whl"):
        (tmp_path / "wheels" / name).touch()
    return vuong


@pytest.mark.slow
@pytest.mark.parametrize("machine", [NASTY, Machine("vuong", "pi", key=KEY)], ids=["all", "least"])
def test_cloud_init_finds_no_fault(tmp_path: Path, machine: Machine) -> None:
    if not CLOUD_INIT.exists():
        pytest.skip("LEFT OUT: no cloud-init here: scripts/install_test_system.sh")

    def judged(text: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "user-data").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "cloudinit.cmd.main", "schema", "--config-file", str(tmp_path / "user-data")]
        return subprocess.run(
            command, env={**os.environ, "PYTHONPATH": str(CLOUD_INIT)}, capture_output=True, text=True, check=False
        )

    done = judged(files.user_data(machine))
    assert (done.returncode, "Valid schema" in done.stdout) == (0, True), done.stdout + done.stderr
    done = judged(files.user_data(machine).replace('"runcmd"', '"runcmds"'))  # the test can fail
    assert done.returncode != 0
    assert "runcmds" in done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="LEFT OUT: no shellcheck here: scripts/install_test_system.sh")
def test_shellcheck_finds_no_fault(tmp_path: Path) -> None:
    (tmp_path / "firstrun.sh").write_text(files.first_run(NASTY), encoding="utf-8")
    (tmp_path / "install.sh").write_text(files.shipped("install.sh"), encoding="utf-8")
    done = subprocess.run(["shellcheck", *tmp_path.glob("*.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_value_is_taken_for_a_command() -> None:
    line = next(row for row in files.first_run(NASTY).splitlines() if row.startswith("name="))
    done = subprocess.run(["bash", "-c", f'{line}; printf "%s" "$ssid"'], capture_output=True, text=True, check=True)
    assert done.stdout == NASTY.ssid
    wifi = files.wireless(NASTY).split("ssid=")[1].split("\n")[0]
    assert bytes(int(byte) for byte in wifi.split(";") if byte).decode() == NASTY.ssid


def test_the_key_of_a_network_is_that_of_the_standard() -> None:
    """IEEE 802.11-2020, annex J.4.2, test vectors 1 and 2."""
    assert pairwise_key("IEEE", "password") == "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"
    assert pairwise_key("ThisIsASSID", "ThisIsAPassword") == "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"


@pytest.mark.parametrize("system", files.SYSTEMS)
def test_the_card_holds_no_plain_secret_but_the_pin(laptop: Vuong, workspace: Path, tmp_path: Path, system: str) -> None:
    card = tmp_path / "bootfs"
    card.mkdir()
    (card / "cmdline.txt").write_text("console=tty1 root=PARTUUID=1 rootwait\n")
    given = (
        "gateway", "card", "vuong.local,192.168.4.1", "--system", system, "--out", card, "--wheels", tmp_path / "wheels",
        "--ssh-key", tmp_path / "key.pub", "--password-file", tmp_path / "password.txt", "--pin-file", tmp_path / "pin.txt", "--wifi", "Ao1",
    )  # fmt: skip
    for _ in range(2):  # a second time is as the first
        done = laptop(*given, "--json")
        assert done.code == 0, done.err
    whole = b"".join(path.read_bytes() for path in card.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in whole
    assert WIFI.encode() not in whole
    for path in (card / "vuong/bundle.tar", card / "vuong/pin", card / ("user-data" if system == "trixie" else "firstrun.sh")):
        assert path.stat().st_mode & 0o077 == 0, path
    log = (workspace / "log" / "technician.log").read_text(encoding="utf-8")
    assert not [secret for secret in (PASSWORD, WIFI, "493817", pairwise_key("Ao1", WIFI)) if secret in log]
    assert (card / "cmdline.txt").read_text().count(files.CMDLINE) == (system == "bookworm")
    if system == "trixie":
        user = json.loads((card / "user-data").read_text(encoding="utf-8").removeprefix("#cloud-config\n"))["users"][0]
        crypt = ["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", PASSWORD, user["passwd"]]  # what the Pi's own sign-in does
        assert subprocess.run(crypt, capture_output=True, text=True, check=True).stdout == user["passwd"]


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        ({"host": "192.168.4.1"}, "card_host"),
        ({"--user": "root"}, "card_user"),
        ({"--ssh-key": "password.txt"}, "card_key"),
        ({"--ssh-key": None}, "card_no_login"),
        ({"--country": "Vietnam"}, "card_country"),
        ({"--wheels": "empty"}, "wheels_missing"),
        ({"--ssh-key": None, "--password-file": "pin.txt"}, "card_password"),
        ({"--wifi": "x" * 33}, "ssid"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(
    laptop: Vuong, tmp_path: Path, change: dict[str, str | None], failure: str
) -> None:
    given: dict[str, str | None] = {"host": "vuong.local", "--out": "card", "--wheels": "wheels", "--ssh-key": "key.pub"} | change
    host = given.pop("host")
    done = laptop("gateway", "card", host, *(word for pair in given.items() if pair[1] for word in pair), "--json")
    assert (done.code, done.json["failure"]) == (2, failure)
    assert not (tmp_path / "card").exists()


def _debian_python() -> str:
    done = subprocess.run(["/usr/bin/python3", "--version"], capture_output=True, text=True, check=False)
    return ".".join(done.stdout.split()[1].split(".")[:2])


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount an overlay")
@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="LEFT OUT: this system has no Python of its own")
def test_a_system_that_starts_from_the_card_becomes_a_gateway_without_a_network(laptop: Vuong, tmp_path: Path) -> None:
    """As on bookworm: ``firstrun.sh`` before the start, the rest by systemd; the machine's only network is its loopback."""
    root, card, ready = tmp_path / "system", tmp_path / "given" / "firmware", tmp_path / "ready"
    root.mkdir()
    try:
        names = wheels.fetch(ready, _debian_python(), os.uname().machine)
    except Failure as failure:
        pytest.skip(f"the package index cannot be reached: {failure}")
    assert any(name.startswith("cryptography-") for name in names)
    done = laptop(
        "gateway", "card", "vuong.local", "--system", "bookworm", "--out", card, "--wheels", ready,
        "--password-file", tmp_path / "password.txt", "--pin-file", tmp_path / "pin.txt",
    )  # fmt: skip
    assert done.code == 0, done.err
    (card / "cmdline.txt").write_text("root=PARTUUID=1 rootwait" + files.CMDLINE + "\n")
    system = System(root, tmp_path / "given")
    try:
        system.run("sh", "-c", "rm -rf /opt/vuong /boot/firmware; mkdir -p /boot; mv /given/firmware /boot/firmware")
        store = "Dir::Cache::archives=/boot/firmware/vuong/debs"
        system.run("mkdir", "-p", "/boot/firmware/vuong/debs")
        fetched = system.run(
            "apt-get", "-q", "-y", "--no-install-recommends", "--download-only", "-o", store, "install", *PACKAGES
        )
        assert fetched.returncode == 0, fetched.stderr
        first = system.run("bash", "/boot/firmware/firstrun.sh")
        assert first.returncode == 0, first.stderr
        assert system.run("cat", "/boot/firmware/cmdline.txt").stdout == "root=PARTUUID=1 rootwait\n"
        assert system.run("cat", "/etc/hostname").stdout == "vuong\n"
        hashed = system.run("getent", "shadow", "pi").stdout.split(":")[1]
        assert system.run("perl", "-e", "print crypt($ARGV[0], $ARGV[1])", PASSWORD, hashed).stdout == hashed
        system.boot()
        unit = "vuong-first-start"
        system.until(lambda: system.run("systemctl", "is-enabled", unit).stdout.strip() == "disabled", 120)
        for name in UNITS:
            system.until(lambda name=name: system.run("systemctl", "is-active", name).stdout.strip() == "active")  # type: ignore[misc]
        system.until(lambda: ":8080 " in system.run("ss", "-Hltn").stdout)
        assert system.run("/opt/python/bin/python3", "-c", ASK, "493817").stdout.strip() == "http://127.0.0.1:8080/"
        assert 'id = "gw-vuong"' in system.run("cat", "/etc/vuong/gateway.toml").stdout
        left = system.run("sh", "-c", "ls /boot/firmware /boot/firmware/vuong").stdout.split()
        assert not {"bundle.tar", "pin", "firstrun.sh"} & set(left)
        checked = system.run("/opt/vuong/bin/vuong", "gateway", "setup", "--check", "--json")
        assert json.loads(checked.stdout) == {"ok": True, "missing": {}}
    finally:
        system.end()
