"""The systemd files, judged by systemd's own tools."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.system.files import Layout, SystemFile, render, system_files

# What remains for the gateway is the network and its own files; systemd calls up to 2.0 "OK", a service with no hardening has 9.6.
MOST_EXPOSED = 2.0

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not installed: scripts/install_test_system.sh"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a root folder that holds the shipped files, the commands that they start, and Debian's own mosquitto.service where there is one."""
    layout = Layout()
    for file in system_files(layout):
        destination = tmp_path / file.destination.relative_to("/")
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.write_text(file.text, encoding="utf-8")
    for command in (layout.vuong, Path("/usr/sbin/mosquitto"), Path("/bin/kill")):
        destination = tmp_path / command.relative_to("/")
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.write_text("#!/bin/sh\n", encoding="utf-8")
        destination.chmod(0o755)
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    for name in ("sysinit.target", "basic.target", "network.target", "time-set.target", "shutdown.target", "multi-user.target"):
        (units / name).write_text(f"[Unit]\nDescription={name}\n", encoding="utf-8")
    for name in ("system.slice", "-.slice"):
        (units / name).write_text("[Unit]\nDefaultDependencies=no\n", encoding="utf-8")
    (units / "mosquitto.service").write_text(
        "[Unit]\nDescription=as Debian ships it\nAfter=network.target\nWants=network.target\n"
        "[Service]\nType=notify\nNotifyAccess=main\nExecStart=/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf\n"
        "ExecReload=/bin/kill -HUP $MAINPID\nRestart=on-failure\nExecStartPre=/bin/mkdir -m 740 -p /var/log/mosquitto\n"
        "[Install]\nWantedBy=multi-user.target\n",
        encoding="utf-8",
    )
    return tmp_path


@pytest.mark.parametrize("unit", ["vuong-gateway.service", "vuong-gateway-lan.service", "mosquitto.service"])
def test_systemd_finds_no_fault(root: Path, unit: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={root}", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "vuong" in line or unit in line]
    assert complaints == []
    assert done.returncode == 0, done.stderr


def test_systemd_would_find_a_fault(root: Path) -> None:
    """The test above can fail."""
    unit = root / "etc/systemd/system/vuong-gateway.service"
    unit.write_text(unit.read_text(encoding="utf-8").replace("WatchdogSec=120", "WatchdogSec=soon"), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={root}", "vuong-gateway.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "vuong-gateway.service" in done.stderr
    assert "Failed to parse sec value" in done.stderr


@pytest.mark.parametrize("unit", ["vuong-gateway.service", "vuong-gateway-lan.service", "mosquitto.service"])
def test_exposure_is_small(root: Path, unit: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--root={root}", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Overall exposure level for .*: ([0-9.]+) (\w+)", done.stdout)
    assert found, done.stdout
    with capsys.disabled():
        sys.stdout.write(f"\n{unit}: exposure {found[1]} {found[2]}\n")
    assert float(found[1]) <= MOST_EXPOSED


def test_watchdog_restart_and_state(root: Path) -> None:
    text = (root / "etc/systemd/system/vuong-gateway.service").read_text(encoding="utf-8").splitlines()
    for line in (
        "Type=notify",
        "WatchdogSec=120",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "StateDirectory=vuong/gateway",
        "MemoryMax=300M",
    ):
        assert line in text


def test_the_gateway_reaches_its_relays_and_no_other_device(root: Path) -> None:
    def of(unit: str) -> list[str]:
        return (root / "etc/systemd/system" / unit).read_text(encoding="utf-8").splitlines()

    gateway, page = of("vuong-gateway.service"), of("vuong-gateway-lan.service")
    assert [line for line in gateway if "Device" in line] == [
        "DevicePolicy=closed",
        "DeviceAllow=char-gpiochip rw",
        "DeviceAllow=char-spi rw",
    ]
    assert "PrivateDevices=yes" in page, "the page switches nothing"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders away")
def test_users_and_folders_are_made(root: Path) -> None:
    """What the user and folder files say is made by systemd's own tools, in a root of their own."""
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nmosquitto:x:101:101::/:/bin/false\n", encoding="utf-8")
    (root / "etc/group").write_text("root:x:0:\nmosquitto:x:101:\n", encoding="utf-8")
    subprocess.run(["systemd-sysusers", f"--root={root}"], check=True, capture_output=True)
    assert re.search(
        r"^vuong:x:\d+:\d+:.*:/var/lib/vuong/gateway:", (root / "etc/passwd").read_text(encoding="utf-8"), re.MULTILINE
    )
    groups = (root / "etc/group").read_text(encoding="utf-8")
    for group in ("gpio", "spi"):  # the siren's relay, an aerator's current sensor
        assert re.search(rf"^{group}:x:\d+:vuong$", groups, re.MULTILINE), groups
    done = subprocess.run(["systemd-tmpfiles", f"--root={root}", "--create"], capture_output=True, text=True, check=False)
    assert "vuong.conf" not in done.stderr
    modes = {name: (root / "var/lib/vuong" / name).stat().st_mode & 0o777 for name in ("broker", "gateway", "tls")}
    assert modes == {"broker": 0o700, "gateway": 0o750, "tls": 0o755}


def test_journal_is_small_enough_for_a_card() -> None:
    text = render("journald.conf", Layout())
    sizes = {key: int(size) for key, size in re.findall(r"^(\w+Use)=(\d+)M$", text, re.MULTILINE)}
    assert sizes == {"SystemMaxUse": 64, "RuntimeMaxUse": 16}


def test_every_file_is_rendered_completely() -> None:
    for file in system_files(Layout()):
        assert not re.search(r"\$\{?[a-z]", file.text.replace("$$", "").replace("$SYS", "")), file.destination
        assert file.destination.is_absolute()


def test_data_elsewhere_moves_everything() -> None:
    layout = replace(Layout(), data=Path("/var/lib/pond-data"))
    texts = "".join(file.text for file in system_files(layout))
    assert "/var/lib/vuong" not in texts
    assert "StateDirectory=pond-data/gateway" in texts


def test_data_outside_var_lib_is_refused() -> None:
    with pytest.raises(ValueError, match="data folder is /mnt/data; it must lie below /var/lib"):
        system_files(replace(Layout(), data=Path("/mnt/data")))


def test_system_files_compare_equal_when_nothing_changed() -> None:
    """So that a second set-up can say that it changed nothing."""
    first: list[SystemFile] = system_files(Layout())
    assert first == system_files(Layout())
    assert len({file.destination for file in first}) == len(first)
