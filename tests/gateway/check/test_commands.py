"""The command itself: exit codes, JSON, languages, and texts that are all there."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import gateway.check
from tests.gateway.system.broker import Broker
from vuong.command import main

FOLDER = Path(gateway.check.__file__).parent
CATALOGUES = sorted(FOLDER.parent.glob("locale/*/LC_MESSAGES/gateway.po"))
CONFIG = """
[gateway]
id = "gw-1"
database = "gateway.db"
[mqtt]
host = "localhost"
port = {port}
{tls}
[[ponds]]
id = "p1"
"""


def _texts(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        catalogue = read_po(file, locale=path.parts[-3])
    return {str(m.id): str(m.string) for m in catalogue if str(m.id).startswith("check.")}


def _raised() -> dict[str, set[str]]:
    """Return every key that the checks can find, with its severities, out of their source."""
    found: dict[str, set[str]] = {}
    for source in FOLDER.glob("*.py"):
        text = source.read_text(encoding="utf-8")
        for severity, key in re.findall(r'\b(ok|warn|fail|not_applicable)\)?\(\s*"([a-z_]+\.[a-z_]+)"', text):
            found.setdefault(key, set()).add(severity)
    found["node.clock_ahead"] = found["node.clock_behind"] = {"warn"}
    return found


def test_every_finding_has_its_texts_and_every_text_its_finding() -> None:
    wanted = {"check.summary"}
    for key, severities in _raised().items():
        wanted.add(f"check.{key}")
        if severities & {"warn", "fail"}:
            wanted.add(f"check.{key}.do")
    assert len(CATALOGUES) == 3
    for path in CATALOGUES:
        assert set(_texts(path)) == wanted, path


def test_placeholders_agree_with_vietnamese() -> None:
    """A language may leave a number out; it must not ask for one that is not there."""
    first = _texts(next(path for path in CATALOGUES if path.parts[-3] == "vi"))
    for path in CATALOGUES:
        for key, text in _texts(path).items():
            used = {name for _, name, _, _ in string.Formatter().parse(text) if name}
            known = {name for _, name, _, _ in string.Formatter().parse(first[key]) if name}
            assert used <= known, (path, key)


def test_no_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "check", "--config", str(tmp_path / "gateway.toml")]) == 1
    shown = capsys.readouterr().out
    assert "✗ Không dùng được cấu hình" in shown
    assert "→ Sửa đúng chỗ nêu trên" in shown


@pytest.mark.parametrize("content", ["[gateway", "[gateway]\nid = 5\n", "[gateway]\nid = 'x'\ndatabase = 'd'\nspeed = 3\n"])
def test_bad_configuration_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(content, encoding="utf-8")
    assert main(["gateway", "check", "--json", "--config", str(file)]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [f["key"] for f in document["findings"]] == ["config.bad"]


@pytest.mark.slow
@pytest.mark.parametrize("language", ["vi", "en", "km"])
def test_gateway_before_its_first_start(tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str) -> None:
    """Broker up, nothing stored yet, no nodes: warnings only, exit code 0; with the broker gone, 1."""
    broker = Broker(tmp_path / "broker")
    broker.start()
    tls = broker.layout.tls
    lines = f'ca_file = "{tls}/ca.crt"\ncert_file = "{tls}/gateway.crt"\nkey_file = "{tls}/gateway.key"'
    file = tmp_path / "gateway.toml"
    file.write_text(CONFIG.format(port=broker.layout.port, tls=lines), encoding="utf-8")
    call = ["gateway", "check", "--config", str(file), "--lang", language, "--json"]
    try:
        code = main(call)
        document = json.loads(capsys.readouterr().out)
    finally:
        broker.stop()
    assert [f["key"] for f in document["findings"] if f["status"] == "fail"] == []
    assert (code, document["ok"]) == (0, True)
    keys = {f["key"] for f in document["findings"]}
    assert {"config.empty", "broker.ok", "certificate.ok", "database.missing", "node.none", "cloud.none"} <= keys
    assert sum(document["counts"].values()) == len(document["findings"])
    assert main(call) == 1
    document = json.loads(capsys.readouterr().out)
    assert [f["key"] for f in document["findings"] if f["status"] == "fail"] == ["broker.unreachable"]
    assert all(f["message"] and (f["status"] not in {"warn", "fail"} or f["remedy"]) for f in document["findings"])
