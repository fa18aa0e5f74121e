"""Many nodes from a spreadsheet: mistakes by row and column, nothing half done; the list of nodes; help in two languages."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import provisioning.commands
from tests.provisioning.conftest import Vuong
from vuong import command

_FIELD = re.compile(r"\{[^}]*\}")
LOCALE = Path(provisioning.commands.__file__).parent / "locale"


@pytest.fixture
def fleet(vuong: Vuong, monkeypatch: pytest.MonkeyPatch) -> Vuong:
    monkeypatch.setenv("VUONG_CA_PASSPHRASE", "four words to remember")
    monkeypatch.setenv("VUONG_WIFI_PASSWORD", "cơm tấm sườn")
    assert vuong("fleet", "init", "--name", "HTX").code == 0
    return vuong


@pytest.mark.slow
def test_a_hundred_nodes(fleet: Vuong, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"70b3d57ed000{i:04x};ao-{i % 20};vuong.local;Ao1;ds18b20|ezo:quantity=do;600" for i in range(100)]
    (tmp_path / "nodes.csv").write_text("\ufeffnode;pond;gateway;wifi;probes;interval\n" + "\n".join(lines), encoding="utf-8")
    done = fleet("fleet", "import", tmp_path / "nodes.csv", "--json")
    assert done.code == 0, done.err
    assert len(done.json["nodes"]) == 100
    with capsys.disabled():
        sys.stdout.write(f"\n100 nodes in {done.json['seconds']} s\n")
    listed = fleet("node", "list", "--json").json["nodes"]
    assert len({row["node"] for row in listed}) == 100
    assert all(row["pending"] for row in listed)
    assert "70b3d57ed0000063" in fleet("node", "list").out
    assert fleet("node", "show", "70b3d57ed0000001", "--json").json["config"]["interval"] == 600
    assert fleet("node", "show", "70b3d57ed000ffff", "--json").json["failure"] == "node_unknown"


def test_mistakes_are_told_by_row_and_column_and_nothing_is_done(fleet: Vuong, workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "nodes.csv").write_text(
        "node,pond,gateway,wifi,probes,interval\n"
        "70b3d57ed0001a2b,ao-1,vuong.local,Ao1,,\n"
        "70b3d57ed0001a2,ao-1,vuong.local,Ao1,,\n"
        "70b3d57ed0001a2c,ao 1,vuong.local,Ao1,,\n"
        "70b3d57ed0001a2d,ao-1,vuong.local,Ao1,oxygen,\n"
        "70b3d57ed0001a2e,ao-1,vuong.local,Ao1,,soon\n"
        "70B3D57ED0001A2B,ao-1,vuong.local,Ao1,,\n",
        encoding="utf-8",
    )
    done = fleet("fleet", "import", tmp_path / "nodes.csv", "--json")
    assert done.code == 2
    assert [(m["row"], m["column"]) for m in done.json["mistakes"]] == [
        (3, "node"),
        (4, "pond"),
        (5, "probes"),
        (6, "interval"),
        (7, "node"),
    ]
    assert not (workspace / "nodes").exists()
    assert not (workspace / "registry.json").exists()
    (tmp_path / "other.csv").write_text("id,pond\n1,2\n")
    assert fleet("fleet", "import", tmp_path / "other.csv", "--json").json["failure"] == "csv_columns"


def _parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                found += _parsers(child)
    return found


@pytest.mark.parametrize("language", ["vi", "en", "km"])
def test_every_command_has_help_examples_and_exit_codes(vuong: Vuong, monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    monkeypatch.setenv("VUONG_LANG", language)
    rows = {f"vuong {g} {c.name}" for g, commands in provisioning.commands.GROUPS.items() for c in commands}
    rows |= {f"vuong gateway {c.name}" for c in provisioning.commands.GATEWAY}
    for parser in _parsers(command.build_parser()):
        name = parser.prog.replace(command.build_parser().prog, "vuong")
        if name in rows:
            rows.remove(name)
            said = parser.format_help()
            assert name in parser.epilog if parser.epilog else False, name
            assert "130" in said
    assert rows == set()


def test_languages_have_the_same_keys_and_placeholders_and_each_speaks_itself() -> None:
    found: dict[str, dict[str, str]] = {}
    for language in ("vi", "en", "km"):
        path = LOCALE / language / "LC_MESSAGES" / "provisioning.po"
        with path.open("rb") as file:
            found[language] = {str(m.id): str(m.string) for m in read_po(file) if m.id and m.string}
        assert ("until a native reader has seen it" in path.read_text(encoding="utf-8")) == (language == "km")
    assert found["vi"].keys() == found["en"].keys() == found["km"].keys()
    for key, text in found["en"].items():
        for language in ("vi", "km"):
            assert sorted(_FIELD.findall(found[language][key])) == sorted(_FIELD.findall(text)), (language, key)
        words = re.sub(r"\{[^}]*\}|Wi-Fi|dBm|\bDO\b|\bpH\b", "", text)
        if re.search(r"[A-Za-z]{2}", words):
            assert re.search("[\u1780-\u17ff]", found["km"][key]), f"{key} is not Khmer"


def test_bash_completes_the_commands(vuong: Vuong, tmp_path: Path) -> None:
    script = tmp_path / "vuong.bash"
    script.write_text(vuong("fleet", "completion", "bash").out, encoding="utf-8")
    ask = f'source {script}; COMP_WORDS=(vuong node prov); COMP_CWORD=2; _shtab_vuong; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["provision"]


def test_what_looks_like_a_secret_is_masked_and_a_mistake_of_ours_has_no_traceback(
    vuong: Vuong, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(
            "password=hunter22 -----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY----- Authorization: Bearer abc.def"
        )

    monkeypatch.setattr("provisioning.node.listing.run", broken)
    done = vuong("node", "list", "--json")
    assert (done.code, done.json["failure"]) == (1, "program")
    log = (workspace / "log" / "technician.log").read_text(encoding="utf-8")
    assert "Traceback" in log
    for secret in ("hunter22", "MIIB", "abc.def"):
        assert secret not in log + done.err + done.out
    assert "Traceback" not in done.err
    with pytest.raises(RuntimeError):
        vuong("node", "list", "--debug")
