"""``vuong node calibrate``: buffers' tables, what the laptop refuses by itself, and a living node calibrated through its gateway and by cable."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import load
from gateway.lan.entries import Entries
from provisioning.failure import WrongCall
from provisioning.node import buffers, settle
from provisioning.node.calibrate import wanted
from provisioning.node.settle import bar
from tests.provisioning.conftest import Outcome, Vuong
from tests.provisioning.micropython import needs_micropython
from tests.provisioning.site import NODE, OTHER, Site, needs_site, until
from tests.provisioning.terminal import Terminal
from vuong.contract.entry import EntryKind

OTHER_LANGUAGE = {"VUONG_LANG": "vi"}


@pytest.mark.parametrize(
    ("label", "temperature", "expected"),
    [
        ("4.01", 25, 4.005),
        ("6.86", 25, 6.865),
        ("9.18", 25, 9.180),
        ("7.00", 30, 6.99),
        ("10.01", 20, 10.06),
        ("6.86", 27.5, 6.859),
    ],
)
def test_buffers_by_their_tables(label: str, temperature: float, expected: float) -> None:
    assert buffers.at(label, temperature) == pytest.approx(expected, abs=1e-9)


@given(st.sampled_from(sorted(buffers.TABLES)), st.floats(0, 50))
def test_a_buffer_lies_between_its_table_s_ends(label: str, temperature: float) -> None:
    assert min(buffers.TABLES[label]) <= buffers.at(label, temperature) <= max(buffers.TABLES[label])


@pytest.mark.parametrize("temperature", [-0.1, 50.1])
def test_beyond_the_table_there_is_no_value(temperature: float) -> None:
    with pytest.raises(ValueError, match="0 to 50"):
        buffers.at("7.00", temperature)


def test_points_as_they_are_typed() -> None:
    assert [(point.label, point.raw) for point in wanted("7=2.1, 4.01", "buffers")] == [("7.00", 2.1), ("4.01", None)]
    with pytest.raises(WrongCall, match="no table"):
        wanted("5.00", "buffers")
    with pytest.raises(WrongCall, match="1 to 2"):
        wanted("1,2,3", "standard")
    for typed, method in (("x", "standard"), ("nan", "standard"), ("25=inf", "reference"), ("5", "zero"), ("0", "air")):
        with pytest.raises(WrongCall, match="wrong"):
            wanted(typed, method)
    assert wanted("0", "reference")[0].label == "0"  # ice
    assert wanted("28,1", "reference")[0].label == "28.1"  # as it is written in Vietnam
    with pytest.raises(WrongCall, match="12,88"):  # 12.88 mS/cm, or 12 and 88
        wanted("12,88", "standard")


@pytest.mark.parametrize(
    ("readings", "spread", "is_settled", "full"),
    [(1, None, False, 4), (6, 1.0, False, 12), (6, 0.51, False, 23), (6, 0.4, True, 24)],
)
def test_the_bar_is_full_only_where_the_node_says_settled(
    readings: int, spread: float | None, is_settled: bool, full: int
) -> None:
    drawn, colour = bar({"readings": readings, "spread": spread, "limit": 0.5, "settled": is_settled})
    assert (drawn.count("█"), len(drawn)) == (full, 24)
    assert colour == ("green" if is_settled else "yellow")


@pytest.mark.parametrize(
    ("words", "failure"),
    [
        (("--quantity", "ph", "--method", "air"), "method"),
        (("--quantity", "conductivity"), "points_missing"),
        (("--quantity", "ph", "--points", "7.00,4.01"), "points_unattended"),
        (("--quantity", "ph", "--points", "5.5"), "buffer_unknown"),
        (("--quantity", "ph", "--points", "7.00", "--gateway", "localhost"), "node_unnamed"),
        (("--quantity", "ph", "--points", "7.00", "--node", NODE), "gateway_unnamed"),
        (("--quantity", "ph", "--points", "7.00", "--node", NODE, "--gateway", "localhost:1"), "technician_missing"),
    ],
)
def test_a_wrong_call_is_named_before_anything_is_opened(vuong: Vuong, words: tuple[str, ...], failure: str) -> None:
    done = vuong("node", "calibrate", *words, "--json")
    assert (done.code, done.json["failure"]) == (2, failure)
    assert "→" in done.err


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    try:
        made.provision(NODE, more={"probes": [{"kind": "analog_ph", "channel": 0}, {"kind": "ds18b20"}]})
        cell = {"kind": "galvanic_do", "channel": 1, "air": 50.0, "air_temperature": 25.0}
        made.provision(OTHER, pond="ao-2", more={"probes": [cell, {"kind": "ezo", "quantity": "conductivity"}]})
        made.start()
        made.heard(NODE)
        yield made
    finally:
        made.close()


@pytest.mark.slow
@needs_micropython
@needs_site
class TestLiving:
    COMMON = ("--quantity", "ph", "--temperature", "25", "--operator", "Lan", "--lot", "A7", "--json")

    def _kept(self, site: Site, pond: str, quantity: str, done: Outcome) -> None:
        """Check that the node kept it and tells of it by itself, so that the gateway has it in its ledger of what people did."""
        assert done.code == 0, done.err
        assert done.json["kept"] is True
        ledger = Entries(load(site.gateway.config).database)

        def told() -> list[dict[str, Any]]:
            of_pond = [entry for entry in ledger.of_pond(pond, EntryKind.CALIBRATION, 0, 2**40) if entry["by"] == "Lan"]
            return [e for e in of_pond if e["content"]["quantity"] == quantity and e["content"]["after"] == done.json["after"]]

        content = until(told)[0]["content"]
        ledger.close()
        assert (content["before"], content["lot"]) == (done.json["before"], done.json["lot"])

    def _refused(self, done: Outcome, reason: str) -> None:
        """Check that the calibration is refused, with its reason in Vietnamese."""
        assert (done.code, done.json["failure"]) == (1, "calibration_refused"), done.err
        assert reason in done.json["message"]

    def test_an_electrode_is_calibrated_and_the_entry_is_in_force(self, site: Site) -> None:
        node = site.nodes[NODE]
        # An electrode of 95 % slope and 5 mV offset: 5 mV in buffer 7.00, and 3 pH * 59.16 * 0.95 more in 4.01 (4.005 at 25 °C).
        node.probe(5 + 2.995 * 59.159 * 0.95)
        done = site.vuong("node", "calibrate", "--node", NODE, "--points", "7.00=5,4.01", *self.COMMON)
        assert done.code == 0, done.err
        assert done.json["names"] == ["slope", "offset"]
        assert done.json["before"] == [100.0, 0.0]
        assert done.json["after"] == pytest.approx([95.0, 5.0], abs=0.1)  # the converter's step is 0.04 mV of the electrode
        self._kept(site, "ao-1", "ph", done)
        again = site.vuong("node", "calibrate", "--node", NODE, "--points", "7.00=5,4.01", "--dry-run", *self.COMMON)
        assert again.json["before"] == done.json["after"]
        assert again.json["kept"] is False

    def test_a_worn_electrode_is_refused_with_the_reason_in_the_technician_s_language(self, site: Site) -> None:
        site.nodes[NODE].probe(5 + 2.995 * 59.159 * 0.70)
        done = site.vuong("node", "calibrate", "--node", NODE, "--points", "7.00=5,4.01", *self.COMMON, **OTHER_LANGUAGE)
        assert (done.code, done.json["failure"]) == (1, "calibration_refused")
        assert "độ dốc 70 %, dưới 85 %" in done.json["message"]
        assert "rửa điện cực" in done.json["message"]

    def test_an_oxygen_cell_in_air_and_one_without_electrolyte(self, site: Site) -> None:
        node = site.nodes[OTHER]
        common = ("--quantity", "do", "--method", "air", "--temperature", "28", "--operator", "Lan", "--lot", "-", "--json")
        node.probe((55.0 - 1500) / 3)  # the converter itself shows 55 mV
        done = site.vuong("node", "calibrate", "--node", OTHER, *common)
        assert done.code == 0, done.err
        assert dict(zip(done.json["names"], done.json["after"], strict=True)) == {
            "air": 55.0,
            "air_temperature": 28.0,
            "zero": done.json["before"][2],
        }
        node.probe((4.0 - 1500) / 3)
        done = site.vuong("node", "calibrate", "--node", OTHER, *common)
        assert (done.code, done.json["failure"]) == (1, "calibration_refused")
        assert "renew electrolyte and membrane" in done.json["message"]

    @pytest.fixture
    def hurried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Read without the laptop's pause: these chips take their own conversion time for each reading."""
        monkeypatch.setattr(settle, "_EVERY", 0.0)

    BOTTLE = ("--operator", "Lan", "--lot", "B2", "--json")

    @pytest.mark.usefixtures("hurried")
    def test_an_oxygen_cell_s_zero_and_sulphite_that_is_spent(self, site: Site) -> None:
        node, words = (
            site.nodes[OTHER],
            ("node", "calibrate", "--node", OTHER, "--quantity", "do", "--method", "zero", *self.BOTTLE),
        )
        node.measures("millivolts", 1.25)
        done = site.vuong(*words)
        self._kept(site, "ao-2", "do", done)
        assert done.json["points"] == [[0.0, 1.25]]
        assert done.json["after"] == [*done.json["before"][:2], 1.25]
        node.measures("millivolts", 8.0)
        self._refused(site.vuong(*words, **OTHER_LANGUAGE), "điểm không là 8,00, hơn một phần mười của không khí")

    @pytest.mark.usefixtures("hurried")
    def test_a_conductivity_cell_in_one_standard_and_in_two(self, site: Site) -> None:
        node, words = (
            site.nodes[OTHER],
            ("node", "calibrate", "--node", OTHER, "--quantity", "conductivity", *self.BOTTLE, "--points"),
        )
        node.measures("microsiemens", 12400)  # a standard of 12.88 mS/cm
        one = site.vuong(*words, "12.88")
        self._kept(site, "ao-2", "conductivity", one)
        assert one.json["names"] == ["factor", "offset"]
        assert one.json["after"] == pytest.approx([12.88 / 12.4, 0.0], abs=1e-4)
        two = site.vuong(*words, "1.413=1.38,12.88")
        self._kept(site, "ao-2", "conductivity", two)
        assert two.json["before"] == one.json["after"]
        factor = (12.88 - 1.413) / (12.4 - 1.38)
        assert two.json["after"] == pytest.approx([factor, 12.88 - factor * 12.4], abs=1e-4)

    @pytest.mark.usefixtures("hurried")
    def test_a_conductivity_cell_in_the_air_and_two_standards_swapped(self, site: Site) -> None:
        node, words = (
            site.nodes[OTHER],
            ("node", "calibrate", "--node", OTHER, "--quantity", "conductivity", *self.BOTTLE, "--points"),
        )
        node.measures("microsiemens", 0.0)
        self._refused(site.vuong(*words, "12.88", **OTHER_LANGUAGE), "đầu đo đang ở trong không khí; điểm này cần nước")
        node.measures("microsiemens", 1380)
        self._refused(site.vuong(*words, "1.413=12.4,12.88", **OTHER_LANGUAGE), "hai dung dịch bị tráo")

    @pytest.mark.usefixtures("hurried")
    def test_a_thermometer_beside_a_reference_and_one_too_far_off(self, site: Site) -> None:
        node, words = (
            site.nodes[NODE],
            ("node", "calibrate", "--node", NODE, "--quantity", "temperature", *self.BOTTLE, "--points"),
        )
        node.measures("celsius", 27.5)
        done = site.vuong(*words, "28.1")
        self._kept(site, "ao-1", "temperature", done)
        assert (done.json["names"], done.json["temperature"]) == (["offset"], 27.5)
        assert done.json["after"] == pytest.approx([0.6], abs=1e-4)
        self._refused(site.vuong(*words, "24.9", **OTHER_LANGUAGE), "nhiệt kế lệch 2,60 °C")

    def test_a_probe_that_drifts_gives_no_point(self, site: Site) -> None:
        node = site.nodes[NODE]
        drift = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import pathlib, time\n"
                f"path = pathlib.Path({str(node.folder / 'board' / 'millivolts')!r})\n"
                "for i in range(400):\n"
                "    new = path.with_suffix('.new'); new.write_text(str(1500 + 9 * i)); new.replace(path); time.sleep(0.1)\n",
            ]
        )
        try:
            done = site.vuong("node", "calibrate", "--node", NODE, "--points", "7.00", "--settle", "6", *self.COMMON)
        finally:
            drift.kill()
            drift.wait()
        assert (done.code, done.json["failure"]) == (1, "unsettled")

    def test_guided_at_a_terminal_by_cable(self, site: Site) -> None:
        node = site.nodes[NODE]
        node.probe(0.0)
        terminal = Terminal(
            "node", "calibrate", node.port, "--quantity", "ph", "--temperature", "25", environment=site.environment, columns=90
        )  # fmt: skip
        terminal.wait_for("Which buffers")
        terminal.type_in("7.00,4.01")
        terminal.wait_for("Who calibrates?")
        terminal.type_in("Lan")
        terminal.wait_for("Lot on the bottle?")
        terminal.type_in("A7")
        terminal.wait_for("1/2: rinse")
        terminal.wait_for("Press Enter")
        terminal.type_in("")
        terminal.wait_for("✓ 1/2: 7.00 is 7.00")
        terminal.wait_for("2/2: rinse")
        node.probe(2.995 * 59.159)
        terminal.wait_for("Press Enter")
        terminal.type_in("")
        terminal.wait_for("✓ 2/2: 4.01 is 4.00")  # 4.005 at 25 °C
        terminal.wait_for("slope 100.")
        terminal.wait_for("The electrode is fine")
        terminal.wait_for("[Y/n]")
        terminal.type_in("y")
        terminal.wait_for("by Lan, lot A7")
        assert terminal.end() == 0

    def test_ctrl_c_at_a_question_ends_it_and_nothing_is_kept(self, site: Site) -> None:
        terminal = Terminal("node", "calibrate", "--node", NODE, "--quantity", "ph", environment=site.environment)
        terminal.wait_for("Which buffers")
        terminal.interrupt()
        assert terminal.end() == 130
        assert "Traceback" not in "\n".join(terminal.lines())
