"""A laptop that dies at any moment leaves the technician's folder as it was, or with the whole change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography import x509

from firmware.build import ROOT
from provisioning.change import changing, recover
from provisioning.failure import Failure
from provisioning.workspace import Workspace, read_json
from tests.provisioning.conftest import Vuong

NODES = [f"70b3d57ed000{i:04x}" for i in range(3)]
FILES = {"config.json", "node.crt", "node.key", "ca.crt"}


@pytest.fixture
def fleet(vuong: Vuong, monkeypatch: pytest.MonkeyPatch) -> Vuong:
    monkeypatch.setenv("VUONG_CA_PASSPHRASE", "four words to remember")
    monkeypatch.setenv("VUONG_WIFI_PASSWORD", "cơm tấm sườn")
    assert vuong("fleet", "init", "--name", "HTX").code == 0
    return vuong


def _nodes(root: Path) -> set[str]:
    """Return the nodes of a folder after checking that list, identities and the CA's index say the same."""
    workspace = Workspace(root)
    nodes = read_json(workspace.registry).get("nodes", {})
    folders = (
        {path.name: {file.name for file in path.iterdir()} for path in workspace.nodes.iterdir()}
        if workspace.nodes.exists()
        else {}
    )
    assert folders == dict.fromkeys(nodes, FILES)
    issued = read_json(workspace.authority / "index.json")
    good = {row["name"]: int(serial) for serial, row in issued.items() if row["revoked"] is None}
    assert set(good) == set(nodes)
    for node, row in nodes.items():
        own = x509.load_pem_x509_certificate((workspace.node(node) / "node.crt").read_bytes())
        assert format(own.serial_number, "x") == row["certificate"]
        assert own.serial_number == good[node]
    crl = x509.load_pem_x509_crl((workspace.authority / "revoked.pem").read_bytes())
    assert {entry.serial_number for entry in crl} == {int(s) for s, row in issued.items() if row["revoked"] is not None}
    assert not (root / ".change").exists()
    return set(nodes)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_an_import_that_is_killed_at_any_file_operation_is_whole_or_was_never_there(
    fleet: Vuong, workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # One node has an identity already: its old certificate must be revoked together with the new one's coming.
    assert fleet("node", "provision", NODES[0], "--pond", "ao-1", "--gateway", "vuong.local").code == 0
    rows = "".join(f"{node},ao-2,vuong.local\n" for node in NODES)
    (tmp_path / "nodes.csv").write_text("node,pond,gateway\n" + rows, encoding="utf-8")
    (tmp_path / "copies").mkdir()
    words = ["fleet", "import", str(tmp_path / "nodes.csv"), "--json", "--lang", "en"]
    script = Path(__file__).with_name("killed.py")
    done = subprocess.run(
        [sys.executable, script, workspace, tmp_path / "copies", "3", *words],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    kills = [json.loads(line) for line in done.stdout.splitlines()]
    assert kills.pop() is None
    left: dict[str, int] = {"as it was": 0, "whole": 0, "finished by the next": 0}
    for number in kills:
        copy = tmp_path / "copies" / str(number)
        pending = (copy / ".change" / "whole.json").exists()
        finished = recover(Workspace(copy))
        assert finished == pending
        nodes = _nodes(copy)
        ponds = {row["pond"] for row in read_json(copy / "registry.json")["nodes"].values()}
        assert (nodes, ponds) in [({NODES[0]}, {"ao-1"}), (set(NODES), {"ao-2"})], number
        left["finished by the next" if finished else "whole" if len(nodes) == 3 else "as it was"] += 1
    with capsys.disabled():
        sys.stdout.write(f"\nkilled at {len(kills)} file operations, every third: {left}\n")
    assert min(left.values()) > 0  # each of the three was seen


def test_the_next_command_finishes_what_was_whole(fleet: Vuong, workspace: Path) -> None:
    folder = workspace / ".change"
    (folder / "new").mkdir(parents=True)
    (folder / "new" / "registry.json").write_text('{"nodes": {}, "gateways": {"a": {"id": "gw-a", "cloud": null}}}')
    (folder / "whole.json").write_text('{"files": ["registry.json"]}')
    done = fleet("node", "list")
    assert (done.code, "cut off" in done.out) == (0, True)
    assert read_json(workspace / "registry.json")["gateways"]["a"]["id"] == "gw-a"
    assert not folder.exists()


def test_a_block_that_raises_changes_nothing(fleet: Vuong, workspace: Path) -> None:
    def half() -> None:
        with changing(Workspace(workspace)) as draft:
            draft.registry.write_text("{}")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        half()
    assert not (workspace / "registry.json").exists()
    assert not (workspace / ".change").exists()


def test_two_commands_do_not_change_the_folder_at_once(fleet: Vuong, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioning.change.PATIENCE", 0.2)
    inside, go_on = threading.Event(), threading.Event()

    def first() -> None:
        with changing(Workspace(workspace)) as draft:
            draft.registry.write_text('{"nodes": {}}')
            inside.set()
            go_on.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    with pytest.raises(Failure, match="Another command"), changing(Workspace(workspace)):
        pass
    assert recover(Workspace(workspace)) is False  # nor is its draft taken for a dead one's
    go_on.set()
    thread.join()
    assert read_json(workspace / "registry.json") == {"nodes": {}}
