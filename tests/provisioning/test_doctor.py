"""``vuong node doctor``, ``list``, ``show``, ``config`` and ``monitor`` with a living node: the real program under MicroPython, the real gateway."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from rich.cells import cell_len
from rich.console import Console

from firmware.settings import FIELDS
from provisioning.node.doctor import findings
from provisioning.node.monitor import Seen, table
from provisioning.session import Session
from provisioning.workspace import Workspace
from tests.provisioning.micropython import needs_micropython
from tests.provisioning.site import NODE, OLD, Site, needs_site
from tests.provisioning.terminal import Terminal
from vuong.i18n import LANGUAGES

NOW = 1_790_000_000.0
SOUND = {
    "firmware": "1.0.0",
    "probes": {"ph": "ok"},
    "supply": 3.9,
    "queue": {"held": 0, "dropped": 0, "oldest": None},
    "clock": {"now": int(NOW), "uptime": 5},
    "wifi": {"rssi": -60, "ssid": "pond"},
    "heap": 60_000,
    "certificate": {"until": "2030-01-01T00:00:00Z"},
}


def test_a_sound_node_has_no_fault() -> None:
    assert {finding.level for finding in findings(SOUND, NOW, "en", running=True)} == {"well"}


@pytest.mark.parametrize(
    ("change", "part", "level"),
    [
        ({"supply": 3.2}, "power", "fault"),
        ({"supply": 3.4}, "power", "warn"),
        ({"probes": {"ph": "no answer"}}, "probe", "fault"),
        ({"probes": {}}, "probe", "fault"),
        ({"wifi": {"rssi": -93, "ssid": "pond"}}, "wifi", "fault"),
        ({"wifi": {"rssi": -82, "ssid": "pond"}}, "wifi", "warn"),
        ({"clock": {"now": None}}, "clock", "fault"),
        ({"clock": {"now": int(NOW) - 3600}}, "clock", "fault"),
        ({"certificate": {"until": "2020-01-01T00:00:00Z"}}, "certificate", "fault"),
        ({"certificate": {"until": "2026-10-01T00:00:00Z"}}, "certificate", "warn"),
        ({"certificate": {"until": None, "error": "no file"}}, "certificate", "fault"),
        ({"certificate": None}, "certificate", "fault"),
        ({"queue": {"held": 5, "dropped": 3}}, "queue", "fault"),
        ({"queue": {"held": 500, "dropped": 0}}, "queue", "warn"),
        ({"heap": 900}, "memory", "warn"),
    ],
)
def test_each_part_is_told_by_itself(change: dict[str, object], part: str, level: str) -> None:
    found = {finding.part: finding.level for finding in findings({**SOUND, **change}, NOW, "en", running=True)}
    assert {name: said for name, said in found.items() if said != "well"} == {part: level}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_live_view_of_all_quantities_fits_80_columns(tmp_path: Path, language: str) -> None:
    values = {"temperature": 28.7, "do": 2.1, "ph": 7.81, "salinity": 15.2, "conductivity": 24.9}
    status = {"state": "online", "battery": 3.41, "rssi": -91, "held": 1234, "probes": {"turbidity": "no answer on the bus"}}
    seen = {NODE: Seen(status=status, values=values, time=int(NOW) - 3700), "70b3d57ed0009999": Seen(status={"state": "offline"})}
    out = io.StringIO()
    session = Session(language, as_json=False, workspace=Workspace(tmp_path))
    Console(file=out, width=80, highlight=False).print(table(seen, {NODE: "ao-so-12"}, session, NOW))
    lines = out.getvalue().splitlines()
    assert max(cell_len(line) for line in lines) <= 80
    row = next(line for line in lines if "001a2b" in line)
    shown = {"en": ["28.7", "!2.10", "7.81", "15.2"]}.get(language, ["28,7", "!2,10", "7,81", "15,2"])
    assert all(part in row for part in (*shown, "ao-so-12", "1h", "-91", "1234")), row


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    try:
        made.provision(NODE)
        made.start()
        made.heard(NODE)
        yield made
    finally:
        made.close()


living = [pytest.mark.slow, needs_micropython, needs_site]


class TestLiving:
    pytestmark = living

    def test_a_living_node_is_examined_through_its_gateway(self, site: Site) -> None:
        done = site.vuong("node", "doctor", "--node", NODE, "--gateway", site.host, "--json")
        assert done.code == 0, done.err
        assert done.json["test"]["firmware"] == OLD
        assert done.json["test"]["wifi"] == {"rssi": -71, "ssid": "pond"}
        assert {finding["part"] for finding in done.json["findings"]} >= {
            "power",
            "probe",
            "wifi",
            "clock",
            "certificate",
            "queue",
        }

    def test_list_and_show_tell_how_a_node_stands_now(self, site: Site) -> None:
        rows = site.vuong("node", "list", "--gateway", site.host, "--json").json["nodes"]
        assert [(row["node"], row["status"]["state"]) for row in rows] == [(NODE, "online")]
        shown = site.vuong("node", "show", NODE, "--gateway", site.host)
        assert "status.firmware: " + OLD in shown.out
        assert "com tam suon" not in shown.out

    def test_monitor_streams_lines_and_ends_in_time(self, site: Site) -> None:
        done = site.vuong("node", "monitor", "--gateway", site.host, "--seconds", "13", "--json")
        assert done.code == 0, done.err
        lines = [json.loads(line) for line in done.out.splitlines()]
        samples = [sample for line in lines for sample in line.get("samples", [])]
        assert samples[0]["values"]["ph"] == {"value": 7.0, "unit": "pH", "flag": 2}

    def test_monitor_fits_80_columns_and_ends_at_ctrl_c(self, site: Site) -> None:
        terminal = Terminal("node", "monitor", "--gateway", site.host, environment=site.environment)
        terminal.wait_for("7.00", 40)
        # Nothing is folded: each node has its one line, within the frame.
        row = next(line for line in terminal.lines() if "ao-1" in line)
        assert row.startswith("│…001a2b │ao-1 │?7.00")
        assert row.endswith("│-       │")
        terminal.interrupt()
        assert terminal.end() == 0
        assert "Traceback" not in "\n".join(terminal.lines())
        assert "Stopped watching" in "\n".join(terminal.lines())

    def test_configuration_is_taken_and_refused_with_the_reason(self, site: Site) -> None:
        done = site.vuong("node", "config", "--node", NODE, "--set", "interval=12", "--set", "status_interval=600", "--json")
        assert done.code == 0, done.err
        version = done.json["taken"]
        again = site.vuong("node", "config", "--node", NODE, "--set", "window=32", "--json")
        # What was set before goes along: the broker keeps one message only.
        assert again.json["config"] == {"interval": 12, "status_interval": 600, "window": 32, "version": version + 1}
        wrong = site.vuong("node", "config", "--node", NODE, "--set", "interval=5", "--json")
        assert (wrong.code, wrong.json["failure"]) == (2, "config_value")

    def test_what_the_node_itself_refuses_is_said_with_its_reason(self, site: Site) -> None:
        with patch.dict(FIELDS, {"status_interval": (1, 604_800)}):  # a laptop that knows the limits less well than the node
            done = site.vuong("node", "config", "--node", NODE, "--set", "status_interval=5", "--json")
        assert (done.code, done.json["failure"]) == (1, "config_refused"), done.err
        assert "status_interval is 5; give a whole number from 60" in done.json["message"]
        kept = site.vuong("node", "config", "--node", NODE, "--json").json
        assert kept["taken"] < kept["config"]["version"]
        mended = site.vuong("node", "config", "--node", NODE, "--set", "status_interval=600", "--json")
        assert mended.code == 0, mended.err
        assert mended.json["taken"] == kept["config"]["version"] + 1

    def test_a_node_that_does_not_come_is_said_so(self, site: Site) -> None:
        done = site.vuong("node", "doctor", "--node", "70b3d57ed0009999", "--gateway", site.host, "--wait", "1", "--json")
        assert (done.code, done.json["failure"]) == (1, "node_silent")
        assert "vuong node doctor" in done.json["remedy"]

    def test_by_cable_and_then_it_runs_again(self, site: Site) -> None:
        done = site.vuong("node", "doctor", site.nodes[NODE].port, "--json")
        assert done.code == 0, done.err
        assert done.json["report"]["node"] == NODE
        assert done.json["test"]["probes"] == {"ph": "ok"}
        # Its program stood still; the cable lets it start anew.
        site.heard(NODE)


@pytest.mark.slow
@needs_micropython
@needs_site
def test_a_missing_certificate_is_named_by_cable(tmp_path: Path) -> None:
    site = Site(tmp_path)
    try:
        node = site.provision(NODE, replaced={"tls/node.der": b""})
        node.start()
        done = site.vuong("node", "doctor", node.port, "--json")
        assert done.code == 1, done.err
        assert done.json["faults"] == {"certificate": "/tls/node.der is too short"}
        assert "vuong node flash" in done.json["findings"][0]["line"] + str(done.json["findings"])
    finally:
        site.close()


@pytest.mark.slow
@needs_micropython
@needs_site
def test_a_node_between_deep_sleeps_is_waited_for_and_stays_awake(tmp_path: Path) -> None:
    site = Site(tmp_path)
    try:
        site.provision(NODE, more={"sleep": True, "asleep": 5})
        site.start()
        site.heard(NODE)
        done = site.vuong("node", "doctor", "--node", NODE, "--gateway", site.host, "--wait", "90")
        assert done.code == 0, done.err
        assert "it sleeps between two samples" in done.err
        assert "until" in done.err
        # It is still awake: a second command finds it at once.
        again = site.vuong("node", "doctor", "--node", NODE, "--gateway", site.host, "--wait", "90")
        assert again.code == 0, again.err
        assert "sleeps" not in again.err
    finally:
        site.close()
