"""The shipped units, started by systemd on a copy-on-write root in namespaces of its own.

The real gateway runs under them with the real Mosquitto, each as its own user, with all the hardening. It is not a Raspberry Pi: no watchdog
hardware, no limits on memory (the control groups are not delegated), and the gateway's interpreter is the one that runs the tests, shown
under /opt as if it were installed there.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.system.files import Layout, system_files
from tests.gateway.system.authority import Authority
from vuong.contract.encode import json_pack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make namespaces that systemd boots in"),
]

ROOT = Path(__file__).parents[3]
SYSTEMD = Path("/lib/systemd/systemd")
NODE = "00124b0000000001"
LAYOUT = Layout()
CONFIG = f"""
[gateway]
id = "gw-1"
database = "{LAYOUT.data}/gateway/gateway.db"
[mqtt]
host = "localhost"
port = 8883
ca_file = "{LAYOUT.tls}/ca.crt"
cert_file = "{LAYOUT.tls}/gateway.crt"
key_file = "{LAYOUT.tls}/gateway.key"
[[ponds]]
id = "p1"
[[nodes]]
id = "{NODE}"
pond = "p1"
"""
COMMAND = f"""#!/bin/sh
export LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/project:/opt/libraries
exec /opt/python/bin/python{sys.version_info.major}.{sys.version_info.minor} -m vuong "$@"
"""
TARGET = """[Unit]
Requires=systemd-sysusers.service systemd-tmpfiles-setup.service systemd-journald.service
After=systemd-sysusers.service systemd-tmpfiles-setup.service
Wants=mosquitto.service vuong-gateway.service
AllowIsolate=yes
"""
BOOT = f"""set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"; cd "$1"; mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
for pair in "{sys.base_prefix}:python" "{sysconfig.get_paths()["purelib"]}:libraries" "{ROOT}:project"; do
  mkdir -p "root/opt/${{pair##*:}}"; mount --bind "${{pair%:*}}" "root/opt/${{pair##*:}}"
done
mount -t proc proc root/proc; mount -t sysfs sysfs root/sys; mount -t cgroup2 cgroup2 root/sys/fs/cgroup
mount -t tmpfs tmpfs root/run; mount -t tmpfs tmpfs root/tmp; mount -t tmpfs -o mode=755 tmpfs root/dev
for device in null zero full random urandom tty; do cp -a "/dev/$device" root/dev/; done
mkdir root/dev/shm root/dev/pts root/dev/mqueue; mount -t tmpfs tmpfs root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts root/dev/pts; ln -s pts/ptmx root/dev/ptmx
rm -rf root/var/log/journal root/etc/machine-id; echo 0123456789abcdef0123456789abcdef > root/etc/machine-id
cp -a "$2/." root/
cd root
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . {SYSTEMD} --system --unit=vuong-test.target --show-status=false
"""


class Machine:
    """A booted root; `run` runs a command in it."""

    def __init__(self, init: int) -> None:
        self.init = init

    def run(self, *command: str, give: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        inside = ["nsenter", "-t", str(self.init), "-m", "-p", "-n", "-u", "-i", "-C", "-r", "-w", *command]
        return subprocess.run(inside, input=give, capture_output=True, check=False, timeout=30, start_new_session=True)

    def show(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "-p", name, "--value", unit).stdout.decode().strip()

    def until(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.journal()
            time.sleep(0.2)

    def journal(self) -> str:
        return self.run("journalctl", "--no-pager", "-u", "mosquitto", "-u", "vuong-gateway", "-n", "40").stdout.decode()

    def kill(self, unit: str, how: signal.Signals) -> None:
        main = int(self.show(unit, "MainPID"))
        assert main > 1, self.journal()  # 0 would be our own process group
        self.run("kill", f"-{how.value}", str(main))


def _write(folder: Path) -> None:
    """Write what `gateway setup` would install."""
    extra = {
        Path("/etc/vuong/gateway.toml"): CONFIG,
        LAYOUT.vuong: COMMAND,
        Path("/etc/systemd/system/vuong-test.target"): TARGET,
    }
    for destination, text in [*((f.destination, f.text) for f in system_files(LAYOUT)), *extra.items()]:
        path = folder / destination.relative_to("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755 if destination == LAYOUT.vuong else 0o644)
    shutil.chown(folder / "etc/vuong/mosquitto.acl", LAYOUT.broker_user, LAYOUT.broker_user)
    (folder / "etc/vuong/mosquitto.acl").chmod(0o600)
    authority = Authority(folder / LAYOUT.tls.relative_to("/"))
    authority.issue("localhost", file="broker", server=True)
    authority.issue("gateway")
    authority.issue(NODE)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    for needed in (SYSTEMD, Path("/usr/sbin/mosquitto"), Path("/usr/bin/mosquitto_pub")):
        if not needed.exists():
            pytest.skip(f"{needed} is not installed: scripts/install_test_system.sh")
    folder = tmp_path_factory.mktemp("machine")
    for name in ("files", "root"):
        (folder / name).mkdir()
    _write(folder / "files")
    unshare = ["unshare", "-m", "-p", "-n", "-u", "-i", "-C", "--fork", "--kill-child"]
    log = (folder / "boot.log").open("wb")
    process = subprocess.Popen([*unshare, "sh", "-c", BOOT, "boot", folder / "root", folder / "files"], stdout=log, stderr=log)
    try:
        child = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            children = child.read_text(encoding="ascii").split()
            if children and Path(f"/proc/{children[0]}/comm").read_text(encoding="ascii").strip() == "systemd":
                break
            time.sleep(0.1)
        if process.poll() is not None or not children:
            pytest.skip(f"systemd cannot be booted in a namespace here: {(folder / 'boot.log').read_text()[-500:]}")
        yield Machine(int(children[0]))
    finally:
        process.kill()
        process.wait(10)
        log.close()


def _running(machine: Machine, unit: str) -> bool:
    return machine.show(unit, "ActiveState") == "active"


def test_broker_and_gateway_start(machine: Machine) -> None:
    """Both tell systemd that they are ready, as unprivileged users that were made at the start."""
    for unit, user in (("mosquitto", "mosquitto"), ("vuong-gateway", "vuong")):
        machine.until(lambda unit=unit: _running(machine, unit))  # type: ignore[misc]
        owner = machine.run("ps", "-o", "user=", "-p", machine.show(unit, "MainPID")).stdout.decode().strip()
        assert owner == user
    machine.until(lambda: "as gateway (" in machine.journal())


def test_a_reading_is_stored_and_the_check_agrees(machine: Machine) -> None:
    machine.until(lambda: "as gateway (" in machine.journal())
    payload = bytes(json_pack(NODE, [(7, 1, int(time.time()), {"do": 600})], {7: 1}))
    tls = str(LAYOUT.tls)
    command = ["mosquitto_pub", "-h", "localhost", "-p", "8883", "-q", "1", "-t", f"vuong/v1/nodes/{NODE}/data", "-s"]
    command += ["--cafile", f"{tls}/ca.crt", "--cert", f"{tls}/{NODE}.crt", "--key", f"{tls}/{NODE}.key"]
    done = machine.run(*command, give=payload)
    assert done.returncode == 0, done.stderr
    machine.until(lambda: b'"node.ok"' in machine.run(str(LAYOUT.vuong), "gateway", "check", "--json").stdout, 15)
    done = machine.run(str(LAYOUT.vuong), "gateway", "check", "--lang", "en")
    assert done.returncode == 0, done.stdout.decode()
    assert f"Node {NODE} (p1): heard 0 minutes ago" in done.stdout.decode()
    assert _running(machine, "vuong-gateway")


def test_only_its_own_folder_can_be_written(machine: Machine) -> None:
    """Seen from inside the gateway's unit: the root is read-only, the keys of the broker and the CA are not its own."""
    init = machine.show("vuong-gateway", "MainPID")
    inside = ["nsenter", "-t", init, "-m", "-r", "-w", "setpriv", "--reuid=vuong", "--regid=vuong", "--clear-groups"]

    def as_gateway(*command: str) -> subprocess.CompletedProcess[bytes]:
        return machine.run(*inside, *command)

    machine.run("chmod", "777", "/etc/vuong")  # even where the rights would allow it
    assert b"Read-only file system" in as_gateway("touch", "/etc/vuong/x").stderr
    assert b"Read-only file system" in machine.run("nsenter", "-t", init, "-m", "-r", "-w", "touch", "/usr/x").stderr
    machine.run("chmod", "755", "/etc/vuong")
    assert as_gateway("touch", f"{LAYOUT.data}/gateway/x").returncode == 0
    assert as_gateway("cat", f"{LAYOUT.tls}/gateway.key").returncode == 0
    assert b"Permission denied" in as_gateway("cat", f"{LAYOUT.tls}/broker.key").stderr
    assert b"Permission denied" in as_gateway("ls", f"{LAYOUT.data}/broker").stderr


def test_broker_reloads_and_comes_back(machine: Machine) -> None:
    assert machine.run("systemctl", "reload", "mosquitto").returncode == 0
    before = machine.show("mosquitto", "MainPID")
    machine.kill("mosquitto", signal.SIGKILL)
    machine.until(lambda: _running(machine, "mosquitto") and machine.show("mosquitto", "MainPID") not in {before, "0"})
    assert machine.show("mosquitto", "NRestarts") == "1"


def test_hanging_gateway_is_restarted(machine: Machine) -> None:
    """The watchdog leaves a working gateway alone, and ends one whose process lives while its work stands still.

    A clock 30 times as fast lets the ingest feed a watchdog of 4 s rather than one of two minutes.
    """
    now = time.time()
    run = f"{LAYOUT.vuong} gateway run --config /etc/vuong/gateway.toml --clock {now},{now},30"
    drop_in = "/run/systemd/system/vuong-gateway.service.d"
    machine.run("mkdir", "-p", drop_in)
    machine.run("tee", f"{drop_in}/short.conf", give=f"[Service]\nWatchdogSec=4\nExecStart=\nExecStart={run}\n".encode())
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "vuong-gateway")
    before = machine.show("vuong-gateway", "MainPID")
    time.sleep(6)
    assert machine.show("vuong-gateway", "MainPID") == before, machine.journal()
    machine.kill("vuong-gateway", signal.SIGSTOP)
    machine.until(lambda: machine.show("vuong-gateway", "MainPID") not in {before, "0"} and _running(machine, "vuong-gateway"))
    assert machine.show("vuong-gateway", "NRestarts") == "1"


def test_orderly_end(machine: Machine) -> None:
    machine.run("rm", "-r", "/run/systemd/system/vuong-gateway.service.d")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "vuong-gateway")
    assert machine.run("systemctl", "stop", "vuong-gateway", "mosquitto").returncode == 0
    assert machine.show("vuong-gateway", "Result") == "success"
    assert machine.run("ls", f"{LAYOUT.data}/broker").stdout.split() == [b"mosquitto.db"]
