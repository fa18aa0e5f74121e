"""A fresh Debian for a test: a copy-on-write copy of this one in namespaces, with real apt, users, rights, and systemd; nothing is left behind.

Not a Raspberry Pi, nor a kernel of its own: no limits on memory, no hardware watchdog, no clock to set.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firmware.build import ROOT

# The fresh system: without what the gateway needs, and without whatever an earlier set-up may have left.
MOUNT = f"""set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"; mkdir "$1/upper" "$1/work" "$1/root"; root="$1/root"
mount -t overlay overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" "$root"
for pair in "{sys.base_prefix}:python" "{sysconfig.get_paths()["purelib"]}:libraries" "{ROOT}:project"; do
  mkdir -p "$root/opt/${{pair##*:}}"; mount --bind "${{pair%:*}}" "$root/opt/${{pair##*:}}"
done
mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"; mount -t tmpfs tmpfs "$root/run"
chroot "$root" dpkg --purge --force-depends mosquitto nftables >/dev/null 2>&1 || true
rm -rf "$root/etc/vuong" "$root/var/lib/vuong" "$root/etc/nftables.conf"; chroot "$root" userdel vuong 2>/dev/null || true
mkdir -p "$root/opt/vuong/bin" "$root/given"; cp -r "$2"/* "$root/given/"
printf '#!/bin/sh\\nexport LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/project:/opt/libraries\\n' >"$root/opt/vuong/bin/vuong"
printf 'exec /opt/python/bin/python3 -m vuong "$@"\\n' >>"$root/opt/vuong/bin/vuong"
chmod 755 "$root/opt/vuong/bin/vuong"
echo ready
exec sleep infinity
"""
# The same root with systemd as its init, and a network of its own in which a firewall does no harm.
BOOT = """set -e
cd "$1"
mount -t proc proc proc; mount -t sysfs sysfs sys; mount -t cgroup2 cgroup2 sys/fs/cgroup
umount -R dev; mount -t tmpfs -o mode=755 tmpfs dev; mount -t tmpfs tmpfs run; mount -t tmpfs tmpfs tmp
for device in null zero full random urandom tty; do mknod -m 666 "dev/$device" c $(case $device in
  null) echo 1 3;; zero) echo 1 5;; full) echo 1 7;; random) echo 1 8;; urandom) echo 1 9;; tty) echo 5 0;; esac); done
mkdir dev/shm dev/pts dev/mqueue; mount -t tmpfs tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts; ln -s pts/ptmx dev/ptmx
rm -rf var/log/journal etc/machine-id; echo 0123456789abcdef0123456789abcdef > etc/machine-id
for unit in postgresql etcd patroni victoria-metrics; do ln -sf /dev/null "etc/systemd/system/$unit.service"; done # other tests'
printf '[Unit]\nRequires=sysinit.target\nWants=multi-user.target\nAllowIsolate=yes\n' > etc/systemd/system/vuong-test.target
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /lib/systemd/systemd --system --unit=vuong-test.target --show-status=false
"""


UNITS = ("mosquitto", "vuong-gateway", "vuong-gateway-lan", "nftables")
# Signs in on the gateway's page with a PIN and prints where that leads.
ASK = """
import http.cookiejar, re, sys, urllib.parse, urllib.request
web = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
token = re.search(r'name="token" value="([^"]+)"', web.open("http://127.0.0.1:8080/sign-in").read().decode())[1]
form = urllib.parse.urlencode({"token": token, "pin": sys.argv[1], "name": "test"}).encode()
print(web.open("http://127.0.0.1:8080/sign-in", form).url)
"""


class System:
    """A fresh Debian; `vuong` runs the command in it."""

    def __init__(self, folder: Path, given: Path) -> None:
        self.root = folder / "root"
        self._booted: subprocess.Popen[bytes] | None = None
        self._init = ""
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "bash", "-c", MOUNT, "bash", folder, given], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline().strip() == "ready"

    def boot(self) -> None:
        """Start systemd in it; from now on `run` runs beside its services."""
        into = ["nsenter", "-t", str(self._holder.pid), "-m"]
        unshare = ["unshare", "-m", "-p", "-n", "-u", "-i", "-C", "--fork", "--kill-child"]
        self._booted = subprocess.Popen(
            [*into, *unshare, "sh", "-c", BOOT, "boot", self.root], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.until(self._has_init)
        self.until(lambda: self.run("systemctl", "is-active", "multi-user.target").stdout.strip() == "active")
        assert self.run("ip", "link", "set", "lo", "up").returncode == 0

    def _has_init(self) -> bool:
        assert self._booted is not None
        assert self._booted.poll() is None, "systemd cannot be booted in namespaces here"
        children = Path(f"/proc/{self._booted.pid}/task/{self._booted.pid}/children").read_text(encoding="ascii").split()
        if not children or Path(f"/proc/{children[0]}/comm").read_text(encoding="ascii").strip() != "systemd":
            return False
        self._init = children[0]
        return True

    def until(self, condition: Callable[[], bool], seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.journal()
            time.sleep(0.2)

    def journal(self) -> str:
        return self.run("journalctl", "--no-pager", "-n", "60").stdout if self._init else "it did not boot"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        into = ["nsenter", "-t", str(self._holder.pid), "-m", "chroot", str(self.root)]
        if self._init:
            into = ["nsenter", "-t", self._init, "-m", "-p", "-n", "-u", "-i", "-C", "-r", "-w"]
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
        return subprocess.run([*into, *clean, *words], capture_output=True, text=True, check=False, timeout=300)

    def vuong(self, *words: str) -> tuple[int, dict[str, Any]]:
        done = self.run("/opt/vuong/bin/vuong", "gateway", *words, "--json", "--lang", "en", "--workspace", "/srv/vuong")
        assert done.stdout.startswith("{"), done.stderr
        return done.returncode, json.loads(done.stdout)

    def end(self) -> None:
        if self._booted is not None:
            self._booted.kill()
            self._booted.wait()
        self._holder.kill()
        self._holder.wait()
        if self._holder.stdout is not None:
            self._holder.stdout.close()
