"""The primary of a PostgreSQL cluster is killed under load: the standby takes over, and every acknowledged batch is there.

Patroni and etcd are Debian's. One etcd is enough here: what is tested is the record, not etcd's own quorum.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from cloud.database import connect, migrate
from cloud.farms.importer import import_farm
from cloud.operations import jobs
from cloud.operations.backup import back_up
from tests.cloud.batches import FARM, NOW
from tests.cloud.conftest import add_postgis
from tests.cloud.operations.processes import BINARIES, Uplink, as_postgres, free_port, held, serving

pytestmark = pytest.mark.slow
_TTL = 20  # seconds a leader may be silent: the least that Patroni takes


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.1)


class Member:
    """A machine of the cluster: Patroni and the PostgreSQL that it runs."""

    def __init__(self, name: str, home: Path, etcd: int, as_user: list[str]) -> None:
        self.name, self.port, self.api = name, free_port(), free_port()
        self.config, self.as_user = home / f"{name}.json", as_user
        self.process: subprocess.Popen[bytes] | None = None
        login = {"username": "vuong", "password": "only-in-this-test"}
        settings: dict[str, Any] = {
            "scope": "vuong",
            "name": name,
            "restapi": {"listen": f"127.0.0.1:{self.api}", "connect_address": f"127.0.0.1:{self.api}"},
            "etcd3": {"hosts": [f"127.0.0.1:{etcd}"]},
            "bootstrap": {
                "dcs": {
                    "ttl": _TTL,
                    "loop_wait": 1,
                    "retry_timeout": 4,
                    "synchronous_mode": True,  # an acknowledged commit is on two machines
                    "postgresql": {"use_pg_rewind": True, "parameters": {"max_connections": 40}},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, {"auth-host": "trust"}, {"auth-local": "trust"}],
            },
            "postgresql": {
                "listen": f"127.0.0.1:{self.port}",
                "connect_address": f"127.0.0.1:{self.port}",
                "data_dir": str(home / name),
                "bin_dir": str(BINARIES[-1]),
                "pgpass": str(home / f"{name}.pgpass"),
                "pg_hba": ["local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"],
                "parameters": {"unix_socket_directories": str(home)},
                "authentication": {"superuser": login, "replication": login, "rewind": login},
            },
        }
        self.config.write_text(json.dumps(settings), encoding="utf-8")
        self.config.chmod(0o644)

    def start(self) -> None:
        with self.config.with_suffix(".log").open("ab") as log:
            command = [*self.as_user, "patroni", str(self.config)]
            self.process = subprocess.Popen(command, cwd=self.config.parent, stdout=log, stderr=log)

    def state(self) -> dict[str, Any]:
        """Return what Patroni says of itself; empty while it does not answer."""
        try:
            found: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.api}/patroni", timeout=2).json()
        except (httpx.HTTPError, ValueError):
            return {}
        return found

    def role(self) -> str:
        state = self.state()
        if state.get("state") != "running":
            return "none"
        return "sync" if state.get("sync_standby") else str(state["role"])

    def kill(self) -> None:
        """End Patroni and PostgreSQL as a power cut does."""
        if self.process is None:
            return
        doomed = [psutil.Process(self.process.pid)]
        doomed += doomed[0].children(recursive=True)
        file = Path(json.loads(self.config.read_text(encoding="utf-8"))["postgresql"]["data_dir"]) / "postmaster.pid"
        if file.exists():  # the postmaster is no child of Patroni's
            postmaster = psutil.Process(int(file.read_text(encoding="utf-8").split()[0]))
            doomed += [postmaster, *postmaster.children(recursive=True)]
        for process in doomed:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait(30)
        psutil.wait_procs(doomed, timeout=30)
        self.process = None


@contextmanager
def etcd(home: Path, as_user: list[str]) -> Iterator[int]:
    """Run an etcd of one; give its port."""
    port, peer = free_port(), free_port()
    urls = {"client": f"http://127.0.0.1:{port}", "peer": f"http://127.0.0.1:{peer}"}
    command = [*as_user, "etcd", "--name", "one", "--data-dir", str(home / "etcd"), "--initial-cluster", f"one={urls['peer']}"]
    command += ["--listen-client-urls", urls["client"], "--advertise-client-urls", urls["client"]]
    command += ["--listen-peer-urls", urls["peer"], "--initial-advertise-peer-urls", urls["peer"]]
    with (home / "etcd.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=home, stdout=log, stderr=log)
    try:

        def healthy() -> bool:
            try:
                return httpx.get(urls["client"] + "/health").json()["health"] == "true"  # type: ignore[no-any-return]
            except (httpx.HTTPError, KeyError):
                return False

        wait_for(healthy, 30, "etcd")
        yield port
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def cluster() -> Iterator[list[Member]]:
    """Run a primary and its synchronous standby; give them in this order."""
    for program, package in (("patroni", "patroni"), ("etcd", "etcd-server")):
        if shutil.which(program) is None or not BINARIES:
            pytest.skip(f"LEFT OUT: {program} or PostgreSQL is not installed here (Debian: {package}, postgresql)")
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vuong-patroni-")))
        as_user = as_postgres(home)
        port = stack.enter_context(etcd(home, as_user))
        members = [Member(name, home, port, as_user) for name in ("a", "b")]
        for member in members:
            stack.callback(member.kill)
        members[0].start()
        wait_for(lambda: members[0].role() == "master", 60, "the primary")
        members[1].start()
        wait_for(lambda: members[1].role() == "sync", 60, "the synchronous standby")
        yield members


@pytest.mark.timeout(280)
def test_the_primary_is_killed_under_load_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    with cluster() as (primary, standby):
        hosts = f"host=127.0.0.1,127.0.0.1&port={primary.port},{standby.port}"
        url = f"postgresql://vuong@/postgres?{hosts}&target_session_attrs=read-write&connect_timeout=3"
        add_postgis(url)
        engine = connect(url)
        migrate(engine)
        import_farm(engine, FARM, Path())
        engine.dispose()
        with serving(url) as server:
            gateways = [Uplink(server, boot, 150, rows=20, seconds=150) for boot in range(3)]
            for gateway in gateways:
                gateway.start()
            wait_for(lambda: min(gateway.acknowledged for gateway in gateways) >= 20, 30, "the load")
            primary.kill()
            acknowledged = [gateway.acknowledged for gateway in gateways]
            assert max(acknowledged) < 150, "the load was over before the primary was killed"
            began = time.monotonic()
            wait_for(lambda: standby.role() == "master", 90, "the standby's promotion")
            promoted = time.monotonic() - began
            wait_for(lambda: httpx.get(server.address + "/readyz", timeout=20).status_code == 200, 30, "the cloud")
            for gateway in gateways:
                gateway.join()
            told = f"promoted after {promoted:.0f} s; acknowledged before {acknowledged}"
            sys.stdout.write(f"{told}; refused {[gateway.refused for gateway in gateways]}\n")
            assert [gateway.acknowledged for gateway in gateways] == [150] * 3
            assert sum(gateway.refused for gateway in gateways) > 0
            engine = connect(url)
            jobs.prepare(engine)  # the queue and the back-up find the new primary by the same URL
            assert back_up(engine, tmp_path / "vuong.backup", NOW)["rows"]["samples"] == 3 * 150 * 20
            engine.dispose()
            # The machine comes back: it follows, and what it had and the other has not is taken from it, not added.
            primary.start()
            wait_for(lambda: primary.role() == "sync", 90, "the old primary's return")
            # A planned change of roles, as for maintenance, under load too.
            more = [Uplink(server, boot, 60, rows=20, seconds=90) for boot in (10, 11)]
            for gateway in more:
                gateway.start()
            wait_for(lambda: min(gateway.acknowledged for gateway in more) >= 5, 30, "the load")
            roles = {"leader": standby.name, "candidate": primary.name}
            assert httpx.post(f"http://127.0.0.1:{standby.api}/switchover", json=roles, timeout=60).status_code == 200
            wait_for(lambda: primary.role() == "master", 60, "the change of roles")
            for gateway in more:
                gateway.join()
            assert [gateway.acknowledged for gateway in more] == [60] * 2
            gateways += more
            rows = held(url)
            assert len(rows) == len(set(rows))
            assert set(rows) == set.union(*(gateway.expected() for gateway in gateways))
