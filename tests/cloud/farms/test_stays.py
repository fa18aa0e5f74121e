"""A node that is moved leaves what it measured at the old pond, whatever shows it and whenever it arrives."""

from __future__ import annotations

import copy
import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select

from cloud.database import migrate
from cloud.farms.importer import import_farm
from cloud.farms.tables import Node
from cloud.telemetry.rollups import roll_up
from tests.cloud.batches import FARM, NOW, batch, sample
from vuong.clock import ManualClock

Ask = Callable[..., httpx.Response]
NODE = "00000000000000a1"
MOVED = NOW - 3600 + 30 * 60  # in the middle of an hour: `sample(30)` is the first of the new pond


def shown(ask: Ask, pond: str) -> dict[str, list[float]]:
    """Return a pond's oxygen wherever it is shown."""
    span = {"start": NOW - 7200, "end": NOW + 7200}
    file = ask("sau", "GET", f"/ponds/{pond}/export", params=span)
    assert file.status_code == 200, file.text
    readings = ask("sau", "GET", f"/ponds/{pond}/readings", params=span | {"quantity": "do"}).json()
    found = {"file": [float(row["do"]) for row in csv.DictReader(io.StringIO(file.text))], "readings": readings["value"]}
    for step in ("hour", "day"):
        rolled = ask("sau", "GET", f"/ponds/{pond}/rollups", params=span | {"quantity": "do", "step": step}).json()
        found[step] = [sum(rolled["count"]), min(rolled["low"], default=0.0), max(rolled["high"], default=0.0)]
    last = ask("sau", "GET", "/latest").json()
    return found | {"latest": [row["value"] for row in last if (row["pond"], row["quantity"]) == (pond, "do")]}


def of(values: list[float]) -> dict[str, list[float]]:
    """Return what a pond with these readings shows."""
    rolled = [len(values), min(values), max(values)]
    return {"file": values, "readings": values, "hour": rolled, "day": rolled, "latest": values[-1:]}


def readings(first: int, last: int) -> dict[str, Any]:
    """Return a batch with the samples `first` … `last`, oxygen a hundredth of the number."""
    return batch([sample(seq, do=seq / 100) for seq in range(first, last + 1)])


@pytest.mark.parametrize("mover", ["registration", "farm file"])
def test_what_was_measured_stays_where_it_was_measured(
    ask: Ask, technician: str, engine: Engine, post: Callable[..., Any], clock: ManualClock, mover: str
) -> None:
    clock.set(MOVED)
    assert post(readings(11, 29)).json()["quarantined"] == []
    if mover == "registration":
        for _ in range(2):  # a repeat is no other move
            assert ask(technician, "PUT", f"/nodes/{NODE}", json={"pond": "ao-a2"}).status_code == 200
    else:
        farm = copy.deepcopy(FARM)
        farm["nodes"][0]["pond"] = "ao-a2"
        for _ in range(2):
            import_farm(engine, farm, Path(), clock)
    clock.set(NOW)
    # Those of the old pond come late and once more, in one batch with those of the new.
    for _ in range(2):
        assert post(readings(1, 60)).json()["quarantined"] == []
        old, new = [seq / 100 for seq in range(1, 30)], [seq / 100 for seq in range(30, 61)]
        assert shown(ask, "ao-a1") == of(old)
        assert shown(ask, "ao-a2") == of(new)
        roll_up(engine, NOW + 7200)
    assert shown(ask, "ao-a1") == of(old), "rolled up"
    assert shown(ask, "ao-a2") == of(new), "rolled up"
    assert ask("sau", "GET", "/ponds/ao-a1").json()["nodes"] == []
    assert NODE in ask("sau", "GET", "/ponds/ao-a2").json()["nodes"]
    assert [row["pond"] for row in ask("sau", "GET", "/nodes").json() if row["node"] == NODE] == ["ao-a2"]


def test_back_again_the_pond_has_both_stretches(ask: Ask, technician: str, post: Callable[..., Any], clock: ManualClock) -> None:
    for seq, pond in ((20, "ao-a2"), (40, "ao-a1")):
        clock.set(NOW - 3600 + seq * 60)
        ask(technician, "PUT", f"/nodes/{NODE}", json={"pond": pond})
    clock.set(NOW)
    assert post(readings(1, 60)).json()["quarantined"] == []
    assert shown(ask, "ao-a1")["file"] == [seq / 100 for seq in (*range(1, 20), *range(40, 61))]
    assert shown(ask, "ao-a2")["file"] == [seq / 100 for seq in range(20, 40)]


def test_another_coop_gets_the_node_and_not_what_it_measured(
    ask: Ask, engine: Engine, post: Callable[..., Any], clock: ManualClock
) -> None:
    clock.set(MOVED)
    post(readings(1, 20))
    farm = copy.deepcopy(FARM)
    farm["nodes"][0]["pond"] = "ao-b1"
    import_farm(engine, farm, Path(), clock)
    clock.set(NOW)
    assert post(readings(21, 29)).json()["quarantined"] == [], "its old gateway still held some"
    span = {"start": NOW - 7200, "end": NOW + 7200}
    assert shown(ask, "ao-a1")["file"] == [seq / 100 for seq in range(1, 30)]
    assert ask("nam", "GET", "/ponds/ao-b1/readings", params=span | {"quantity": "do"}).json()["value"] == []
    assert NODE in ask("nam", "GET", "/ponds/ao-b1").json()["nodes"]
    assert NODE not in [row["node"] for row in ask("sau", "GET", "/nodes").json()]


def test_a_node_stands_at_one_pond_and_back_and_forward_keep_its_stays(ask: Ask, technician: str, engine: Engine) -> None:
    for pond in ("ao-a2", "ao-a1"):
        ask(technician, "PUT", f"/nodes/{NODE}", json={"pond": pond})

    def stays() -> list[tuple[Any, ...]]:
        statement = select(Node.id, Node.eui, Node.pond_id, Node.since, Node.until).order_by(Node.id)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(statement)]

    before = stays()
    assert [row[2:] for row in before if row[1] == NODE] == [
        ("ao-a1", None, NOW),
        ("ao-a2", NOW, NOW),
        ("ao-a1", NOW, None),
    ]
    migrate(engine, "0009")
    migrate(engine)
    assert stays() == before
