"""The shipped firewall, loaded by the real nft in a network of its own: who knocks from outside finds only what is listed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

NFT = shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a network of its own"),
    pytest.mark.skipif(NFT is None, reason="LEFT OUT: nft is not installed: scripts/install_test_system.sh"),
]
# Two networks joined by a cable: the gateway listens on several ports, the other side knocks at each.
SCRIPT = r"""set -e
unshare -n sleep 60 & other=$!
trap 'kill $other $server' EXIT
for i in 1 2 3 4 5 6 7 8 9; do [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ] && break; sleep 0.1; done
ip link set lo up
ip link add inside type veth peer name outside
ip link set outside netns $other
ip addr add 10.9.0.1/24 dev inside; ip link set inside up
nsenter -t $other -n sh -c 'ip link set lo up; ip addr add 10.9.0.2/24 dev outside; ip link set outside up'
"$NFT" -c -f "$1"
"$NFT" -f "$1"
"$PYTHON" -c '
import socket, time
held = [socket.create_server(("0.0.0.0", port)) for port in (22, 1883, 5432, 8080, 8883)]
print("listening", flush=True); time.sleep(60)' & server=$!
sleep 0.5
nsenter -t $other -n "$PYTHON" -c '
import socket
for port in (22, 1883, 5432, 8080, 8883):
    with socket.socket() as knock:
        knock.settimeout(0.7)
        try:
            knock.connect(("10.9.0.1", port)); print(port, "open")
        except TimeoutError:
            print(port, "dropped")
'
"$PYTHON" -c 'import socket; socket.create_connection(("127.0.0.1", 1883), 1); print("own 1883 open")'
"""


def _knock(rules: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NFT": str(NFT), "PYTHON": sys.executable}
    return subprocess.run(
        ["unshare", "-n", "bash", "-c", SCRIPT, "bash", rules],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _rules(folder: Path) -> Path:
    path = folder / "nftables.conf"
    text = (resources.files("provisioning.gateway") / "nftables.conf").read_text(encoding="utf-8")
    path.write_text(text.replace("$port", "8883"), encoding="utf-8")
    return path


def test_only_listed_ports_are_open_from_outside(tmp_path: Path) -> None:
    done = _knock(_rules(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "listening", "22 open", "1883 dropped", "5432 dropped", "8080 open", "8883 open", "own 1883 open",
    ]  # fmt: skip


def test_nft_would_find_a_fault(tmp_path: Path) -> None:
    rules = _rules(tmp_path)
    rules.write_text(rules.read_text(encoding="utf-8").replace("policy drop", "policy maybe"), encoding="utf-8")
    done = _knock(rules)
    assert done.returncode != 0
    assert "policy maybe" in done.stderr
