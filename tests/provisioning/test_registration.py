"""Nodes and gateways are told to a real cloud: at once, later, refused, by whom it is not allowed."""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
import structlog
from argon2 import PasswordHasher
from sqlalchemy import Engine

from cloud.accounts import factors, people, secrets
from cloud.context import Context
from cloud.database import connect, migrate
from cloud.farms.importer import import_farm
from provisioning.workspace import read_json
from tests.cloud.batches import FARM, PASSWORD
from tests.cloud.conftest import served
from tests.provisioning.conftest import Vuong
from vuong.clock import SystemClock

pytestmark = pytest.mark.slow  # a cloud is served
NODE, OTHER, FOREIGN = "70b3d57ed0001a2b", "70b3d57ed0001a2c", "00000000000000b1"
Serve = Callable[[], AbstractContextManager[str]]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Give the store of a cloud with two co-ops; passwords are hashed cheaply."""
    monkeypatch.setattr(secrets, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    made = connect(f"sqlite:///{tmp_path}/cloud.db")
    migrate(made)
    import_farm(made, FARM, Path())
    now = SystemClock().now()
    for login, role in (("kythuat", "technician"), ("chuao", "farmer")):
        who = {"login": login, "name": login, "role": role, "cooperative": "coop-a"}
        people.add(made, **who, password=PASSWORD, now=now, actor="test")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # standard output is the command's
    yield made
    structlog.reset_defaults()
    made.dispose()


@pytest.fixture
def serve(engine: Engine) -> Serve:
    """Give a function that serves the cloud while a block runs."""

    @contextmanager
    def serving() -> Iterator[str]:
        with served(Context(engine, b"k" * 32)) as address:
            yield address

    return serving


@pytest.fixture
def fleet(vuong: Vuong, monkeypatch: pytest.MonkeyPatch) -> Vuong:
    monkeypatch.setenv("VUONG_CA_PASSPHRASE", "four words to remember")
    monkeypatch.setenv("VUONG_CLOUD_PASSWORD", PASSWORD)
    assert vuong("fleet", "init", "--name", "HTX").code == 0
    return vuong


def _asked(workspace: Path, path: str) -> Any:  # noqa: ANN401 - JSON
    """Ask the cloud what it knows, with the laptop's own token."""
    signed = read_json(workspace / "cloud.json")
    reply = httpx.get(signed["url"] + path, headers={"Authorization": f"Bearer {signed['token']}"})
    return reply.json()


def _provision(fleet: Vuong, node: str, pond: str, *more: object) -> dict[str, Any]:
    done = fleet("node", "provision", node, "--pond", pond, "--gateway", "vuong.local", "--json", *more)
    assert done.code == 0, done.err
    return done.json


def test_a_technician_with_a_second_factor_gives_its_code(fleet: Vuong, serve: Serve, engine: Engine, workspace: Path) -> None:
    seal, now, user = secrets.Seal(b"k" * 32), SystemClock().now(), people.find(engine, "kythuat").id
    made = pyotp.TOTP(factors.begin(engine, user, seal, now))
    paper = factors.confirm(engine, user, made.at(int(now)), seal, now) or []
    with serve() as url:
        refused = fleet("fleet", "cloud", "--url", url, "--login", "kythuat")
        assert (refused.code, "second factor" in refused.err) == (1, True)
        assert not (workspace / "cloud.json").exists()
        assert fleet("fleet", "cloud", "--url", url, "--login", "kythuat", "--code", paper[0]).code == 0


def test_a_node_is_told_at_once_and_taken_out_of_service(fleet: Vuong, serve: Serve, workspace: Path) -> None:
    with serve() as url:
        assert fleet("fleet", "cloud", "--url", url, "--login", "kythuat").code == 0
        assert (workspace / "cloud.json").stat().st_mode & 0o077 == 0
        done = fleet("fleet", "gateway", "vuong.local", "--id", "gw-pond", "--out", workspace / "bundle.tar", "--json")
        assert done.code == 0, done.err
        with tarfile.open(workspace / "bundle.tar") as tar:
            files = {entry.name: tar.extractfile(entry) for entry in tar}
            about, token = (file.read() for name in ("gateway.json", "cloud.token") if (file := files[name]))
        assert json.loads(about) == {"id": "gw-pond", "cloud": url}
        assert httpx.get(url + "/api/v1/me", headers={"Authorization": f"Bearer {token.decode()}"}).status_code == 200

        told = _provision(fleet, NODE, "ao-a1", "--probes", "ds18b20,ezo:quantity=do,analog_ph:channel=0")
        assert told["cloud"] == {"told": [NODE], "waiting": [], "reason": None}
        known = _asked(workspace, f"/api/v1/nodes/{NODE}")
        row = read_json(workspace / "registry.json")["nodes"][NODE]
        assert known["pond"] == "ao-a1"
        assert known["gateway"] == "gw-pond"
        assert known["probes"] == ["temperature", "do", "ph"]
        assert (known["certificate"], known["installed"]) == (row["certificate"], row["installed"])

        again = _provision(fleet, NODE, "ao-a2")  # a new certificate, another pond
        assert again["cloud"]["told"] == [NODE]
        moved = _asked(workspace, f"/api/v1/nodes/{NODE}")
        assert (moved["pond"], moved["certificate"] != known["certificate"]) == ("ao-a2", True)

        log = (workspace / "log" / "technician.log").read_text(encoding="utf-8")  # what may be sent for help
        assert "nodes/" in log
        secret = (PASSWORD, "four words to remember", token.decode(), read_json(workspace / "cloud.json")["token"])
        assert not [text for text in secret if text in log]
        gone = fleet("node", "revoke", NODE, "--reason", "stolen at night", "--json")
        assert gone.json["cloud"]["told"] == [NODE]
        known = _asked(workspace, f"/api/v1/nodes/{NODE}")
        assert (known["revoked_reason"], known["revoked"] is not None) == ("stolen at night", True)


def test_off_line_it_waits_and_sync_says_what_and_sends_it(fleet: Vuong, serve: Serve, workspace: Path) -> None:
    with serve() as url:
        assert fleet("fleet", "cloud", "--url", url, "--login", "kythuat").code == 0
    told = _provision(fleet, NODE, "ao-a1")  # the cloud is away
    assert told["cloud"]["waiting"] == [NODE]
    assert "cannot be reached" in told["cloud"]["reason"]
    _provision(fleet, OTHER, "ao-a2")
    fleet("node", "revoke", OTHER)
    said = fleet("fleet", "sync")
    assert (said.code, "told to the cloud: 2 " in said.out, "vuong.local: still to be told: 2" in said.out) == (
        0,
        True,
        True,
    )
    assert fleet("fleet", "sync", "--cloud").code == 1
    with serve() as url:
        signed = read_json(workspace / "cloud.json")
        (workspace / "cloud.json").write_text(json.dumps({**signed, "url": url}))
        done = fleet("fleet", "sync", "--cloud", "--json")
        assert done.code == 0
        assert done.json["cloud"] == {"told": [NODE, OTHER], "waiting": [], "reason": None}
        assert [node["node"] for node in _asked(workspace, "/api/v1/nodes") if node["node"] in {NODE, OTHER}] == [NODE]
        assert fleet("fleet", "sync", "--json").json["cloud"]["told"] == []


def test_what_the_cloud_refuses_is_said_and_stops_nothing_else(fleet: Vuong, serve: Serve, workspace: Path) -> None:
    with serve() as url:
        assert fleet("fleet", "cloud", "--url", url, "--login", "kythuat").code == 0
        assert _provision(fleet, FOREIGN, "ao-a1")["cloud"]["waiting"] == [FOREIGN]  # another co-op's
        told = _provision(fleet, NODE, "ao-b1")  # another co-op's pond
        assert told["cloud"]["waiting"] == [FOREIGN, NODE]
        assert "which is none of yours" in told["cloud"]["reason"]
        assert _provision(fleet, OTHER, "ao-a1")["cloud"] == {
            "told": [OTHER], "waiting": [FOREIGN, NODE], "reason": told["cloud"]["reason"],
        }  # fmt: skip


def test_who_may_not_is_told_so(fleet: Vuong, serve: Serve, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as url:
        farmer = fleet("fleet", "cloud", "--url", url, "--login", "chuao", "--json")
        assert (farmer.code, farmer.json["failure"]) == (1, "cloud_token")
        assert not (workspace / "cloud.json").exists()
        monkeypatch.setenv("VUONG_CLOUD_PASSWORD", "a wrong one")
        wrong = fleet("fleet", "cloud", "--url", url, "--login", "kythuat", "--json")
        assert (wrong.code, wrong.json["failure"]) == (1, "cloud_token")
        assert fleet("fleet", "cloud", "--url", "vuong.example", "--login", "kythuat", "--json").json["failure"] == "cloud_url"
    gone = fleet("fleet", "cloud", "--url", url, "--login", "kythuat", "--json")
    assert (gone.code, gone.json["failure"]) == (1, "cloud_unreachable")
    log = (workspace / "log" / "technician.log").read_text(encoding="utf-8")
    assert "a wrong one" not in log
