"""``vuong node update``: over the air with a canary, resumed, refused, taken back; and by cable. Living nodes, the real gateway."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from firmware.ed25519 import verify
from firmware.update import signed_text
from provisioning.authority import create, unlock
from provisioning.failure import Failure
from provisioning.link.update import Package, package, send, version_here
from provisioning.workspace import Workspace
from tests.provisioning.conftest import Vuong
from tests.provisioning.micropython import needs_micropython
from tests.provisioning.site import NODE, OLD, OTHER, Site, needs_site
from tests.provisioning.terminal import Terminal
from vuong.clock import SystemClock

VERSION = version_here()


def test_a_package_is_signed_with_a_key_that_outlives_the_call(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    key = create(workspace, "HTX", "four words to remember", SystemClock()).update_key
    authority = unlock(workspace, "four words to remember", SystemClock())
    assert authority.update_key == key
    made = package(authority, b"program", "1.2.3")
    assert made.content == b"program"
    assert made.manifest["sha256"] == hashlib.sha256(made.content).hexdigest()
    text = signed_text("1.2.3", len(made.content), str(made.manifest["sha256"]))
    signature = bytes.fromhex(str(made.manifest["signature"]))
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, text)
    assert verify(bytes.fromhex(key), text, signature)  # the node's own check
    assert b"ENCRYPTED PRIVATE KEY" in (tmp_path / "ca" / "update.key").read_bytes()
    assert (tmp_path / "ca" / "update.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("words", "failure"),
    [
        (("--all",), "update_none"),
        (("--node", NODE, "--canary", OTHER), "canary_unknown"),
        (("--node", "x"), "node_id"),
    ],
)
def test_a_wrong_call_is_named(vuong: Vuong, words: tuple[str, ...], failure: str) -> None:
    done = vuong("node", "update", *words, "--json")
    assert (done.code, done.json["failure"]) == (2, failure)


class Earlier:
    """A node that an earlier Vuông flashed, with its program in folders: over the air it does not say what it takes; by cable it lacks the slot."""

    node, remote = NODE, True

    def __init__(self, *, cable: bool) -> None:
        self._cable, self.asked = cable, 0

    async def ask(self, do: str, patience: float = 0.0, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
        self.asked += 1
        if self._cable:
            raise Failure("node_old", node=NODE, command="ImportError: can't import name RomSlot")
        return {"id": 1, "want": 0}


@pytest.mark.parametrize("cable", [False, True])
async def test_a_node_of_an_earlier_vuong_is_to_be_flashed_once(cable: bool) -> None:
    line = Earlier(cable=cable)
    with pytest.raises(Failure) as refused:
        await send(line, Package("1.2.3", b"program", {}), lambda _done, _total: None)
    assert refused.value.key == "update_folders"
    assert line.asked == 1  # not a byte was sent
    assert "vuong node flash" in refused.value.remedy("en")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    try:
        yield made
    finally:
        made.close()


living = [pytest.mark.slow, needs_micropython, needs_site]


class TestLiving:
    pytestmark = living

    def test_the_canary_proves_it_and_the_other_follows(self, site: Site) -> None:
        site.provision(NODE)
        site.provision(OTHER, pond="ao-2")
        site.start()
        site.heard(NODE, OLD)
        site.heard(OTHER, OLD)
        done = site.vuong("node", "update", "--all", "--gateway", site.host, "--canary", OTHER, "--json")
        assert done.code == 0, done.err
        assert done.json["updated"] == [OTHER, NODE]
        assert site.heard(NODE)["firmware"] == site.heard(OTHER)["firmware"] == VERSION
        again = site.vuong("node", "update", "--all", "--gateway", site.host, "--json")
        assert (again.json["updated"], again.json["had_it"]) == ([], [NODE, OTHER])

    def test_a_canary_that_is_not_acknowledged_goes_back_and_the_others_are_left_alone(self, site: Site) -> None:
        site.provision(NODE, more={"trial": 8})
        site.provision(OTHER, pond="ao-2")
        site.start()
        site.heard(NODE, OLD)
        site.heard(OTHER, OLD)
        site.stop_gateway()  # nobody acknowledges any more
        done = site.vuong("node", "update", "--node", f"{NODE},{OTHER}", "--gateway", site.host, "--prove", "120", "--json")
        assert (done.code, done.json["failure"]) == (1, "taken_back"), done.err
        listed = site.vuong("node", "list", "--gateway", site.host, "--json").json["nodes"]
        assert {row["node"]: row["status"]["firmware"] for row in listed} == {NODE: OLD, OTHER: OLD}

    def test_a_transfer_that_broke_off_goes_on_where_it_was(self, site: Site) -> None:
        site.provision(NODE)
        site.start()
        site.heard(NODE, OLD)
        terminal = Terminal("node", "update", "--node", NODE, "--gateway", site.host, environment=site.environment)
        terminal.wait_for_match(r"(2\d|3\d|4\d|5\d)%")
        site.gateway.stop()
        assert terminal.end(60) == 1
        assert "run it again" in " ".join(terminal.lines())
        site.gateway.start()
        done = site.vuong("node", "update", "--node", NODE, "--gateway", site.host, "--json")
        assert done.code == 0, done.err
        assert done.json["updated"] == [NODE]
        assert 0.2 * done.json["size"] < done.json["resumed_at"][NODE] < done.json["size"]

    def test_an_update_that_another_co_op_signed_is_refused(self, site: Site, tmp_path: Path) -> None:
        site.provision(NODE, more={"public_key": "00" * 32})
        site.provision(OTHER, more={"public_key": None})
        site.start()
        site.heard(NODE, OLD)
        site.heard(OTHER, OLD)
        keyless = site.vuong("node", "update", "--node", OTHER, "--gateway", site.host, "--json")
        assert (keyless.code, keyless.json["failure"]) == (1, "update_keyless"), keyless.err
        done = site.vuong("node", "update", "--node", NODE, "--gateway", site.host, "--json")
        assert (done.code, done.json["failure"]) == (1, "update_refused"), done.err
        assert "signature" in done.json["message"]

    def test_by_cable(self, site: Site) -> None:
        node = site.provision(NODE)
        site.start()
        site.heard(NODE, OLD)
        done = site.vuong("node", "update", node.port, "--json")
        assert done.code == 0, done.err
        assert done.json["self_test"]["firmware"] == VERSION
        assert site.heard(NODE, VERSION)["boot"]
