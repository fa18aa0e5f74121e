"""``vuong gateway setup`` on a copy-on-write copy of this Debian in a mount namespace: real apt, real users, real rights, nothing left behind.

What a namespace without systemd as its init cannot show: that the services start (`tests/gateway/system/test_boot.py` boots them).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware.build import ROOT
from tests.provisioning.conftest import Vuong

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount an overlay"),
    pytest.mark.skipif(shutil.which("apt-get") is None, reason="LEFT OUT: no apt here"),
]
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
mkdir -p "$root/opt/vuong/bin" "$root/given"; cp "$2"/* "$root/given/"
printf '#!/bin/sh\\nexport LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/project:/opt/libraries\\n' >"$root/opt/vuong/bin/vuong"
printf 'exec /opt/python/bin/python3 -m vuong "$@"\\n' >>"$root/opt/vuong/bin/vuong"
chmod 755 "$root/opt/vuong/bin/vuong"
echo ready
exec sleep infinity
"""


class System:
    """A fresh Debian; `vuong` runs the command in it."""

    def __init__(self, folder: Path, given: Path) -> None:
        self.root = folder / "root"
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "bash", "-c", MOUNT, "bash", folder, given], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline().strip() == "ready"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        inside = [
            "nsenter",
            "-t",
            str(self._holder.pid),
            "-m",
            "chroot",
            str(self.root),
            "env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        ]
        return subprocess.run([*inside, *words], capture_output=True, text=True, check=False, timeout=300)

    def vuong(self, *words: str) -> tuple[int, dict[str, Any]]:
        done = self.run("/opt/vuong/bin/vuong", "gateway", *words, "--json", "--lang", "en", "--workspace", "/srv/vuong")
        assert done.stdout.startswith("{"), done.stderr
        return done.returncode, json.loads(done.stdout)

    def end(self) -> None:
        self._holder.kill()
        self._holder.wait()
        if self._holder.stdout is not None:
            self._holder.stdout.close()


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
    for unit in ("mosquitto", "vuong-gateway", "nftables"):
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


def test_without_certificates_it_says_where_they_come_from(system: System) -> None:
    code, told = system.vuong("setup")
    assert (code, told["failure"]) == (1, "no_certificates")
    assert "vuong fleet gateway" in told["remedy"]
