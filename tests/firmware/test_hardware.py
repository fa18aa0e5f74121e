"""The hardware's papers fit together: pictures show what their sources say, bills of materials are whole, drivers have their wires."""

from __future__ import annotations

import csv
import html
import re
from pathlib import Path

import pytest

HARDWARE = Path(__file__).parents[2] / "hardware"


@pytest.mark.parametrize("variant", ["low-cost", "long-life"])
def test_the_picture_shows_every_connector_pin_and_cable_of_its_source(variant: str) -> None:
    source = (HARDWARE / "wiring" / f"{variant}.yml").read_text()
    picture = html.unescape((HARDWARE / "wiring" / f"{variant}.svg").read_text())
    shown = {text.strip() for text in re.findall(r">([^<>]+)</text>", picture)}
    names = re.findall(r"^  ([A-Z]\w*):", source, re.MULTILINE)
    assert len(names) > 15
    assert not [name for name in names if name not in shown]
    pins = [pin.strip() for row in re.findall(r"pinlabels: \[(.*)\]", source) for pin in row.split(",")]
    assert len(pins) > 30
    assert not [pin for pin in pins if pin not in shown]
    wired = " ".join(re.findall(r"^  - \[(.*)\]$", source, re.MULTILINE))
    assert not [name for name in names if f"{name}:" not in wired]


@pytest.mark.parametrize("variant", ["low-cost", "long-life"])
def test_a_bill_of_materials_names_part_maker_price_source_and_alternatives(variant: str) -> None:
    with (HARDWARE / f"bom-{variant}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 20
    for row in rows:
        assert row["part"]
        assert row["quantity"].split()[0].isdigit() or row["quantity"] == "1 a set"
        assert re.match(r"[\d.]+(-[\d.]+)?", row["price range USD"]), row
        assert row["source class"], row
    assert sum(bool(row["alternatives"]) for row in rows) >= 10
