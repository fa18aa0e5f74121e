"""Last values: as a list, as columns, and of some ponds all tell the same."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert

from cloud.farms.tables import Node
from cloud.telemetry import service
from cloud.telemetry.tables import Latest
from cloud.tenancy import Scope, ScopedSession
from vuong.contract.api import LastValue
from vuong.quantities import QUANTITIES

PONDS = {"ao-a1": "coop-a", "ao-a2": "coop-a", "ao-b1": "coop-b"}
MEASURED = ("do", "ph", "salinity")
reading = st.none() | st.tuples(st.floats(-50, 50), st.integers(1, 2**40), st.none() | st.sampled_from([1, 2, 3, 4, 9]))
nodes = st.lists(st.tuples(st.sampled_from(sorted(PONDS)), st.tuples(*[reading] * len(MEASURED))), max_size=6)


def store(engine: Engine, rows: list[tuple[str, tuple[Any, ...]]]) -> None:
    """Replace nodes and last values by `rows`: a pond and the readings of one of its nodes."""
    parts = ("", "_time", "_flag")
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(delete(Latest.__table__))
        connection.execute(delete(Node))
        for number, (pond, values) in enumerate(rows, 1):
            connection.execute(
                insert(Node).values(id=number, eui=f"{number:016x}", pond_id=pond, cooperative_id=PONDS[pond], probes=[])
            )
            held = {
                f"{name}{part}": value
                for name, got in zip(MEASURED, values, strict=True)
                if got is not None
                for part, value in zip(parts, got, strict=True)
            }
            connection.execute(insert(Latest.__table__).values(node_id=number, **held))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(nodes, st.sampled_from([None, "coop-a"]), st.sampled_from([1, 2, 200]))
def test_list_columns_and_ponds_tell_the_newest_of_every_quantity(
    engine: Engine, rows: list[tuple[str, tuple[Any, ...]]], coop: str | None, at_a_time: int
) -> None:
    store(engine, rows)
    seen = [row for row in rows if coop is None or PONDS[row[0]] == coop]
    newest: dict[tuple[str, str], tuple[Any, ...]] = {}
    ties = set()
    for pond, values in seen:
        for name, got in zip(MEASURED, values, strict=True):
            held = newest.get((pond, name))
            if got is not None and held is not None and got[1] == held[1]:
                ties.add((pond, name))  # either is right
            if got is not None and (held is None or got[1] > held[1]):
                newest[pond, name] = got
    with ScopedSession(engine, Scope.everything() if coop is None else Scope.of(coop)) as session:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(service, "_AT_A_TIME", at_a_time)
            told = [msgspec.to_builtins(row) for some in service.last_values(session) for row in some]
        some = service.latest(session, PONDS)
        columns = orjson.loads(service.latest_columns(session, MEASURED))
    found = {(row["pond"], row["quantity"]): (row["value"], row["time"], row["flag"]) for row in told}
    assert len(told) == len(newest) == len(found)
    for key, (value, time, flag) in newest.items():
        assert found[key] == (value, time, flag or 2) or key in ties
    assert all(row["unit"] == QUANTITIES[row["quantity"]].unit for row in told)
    assert {(pond, name): (p.value, p.time, p.flag) for pond, own in some.items() for name, p in own.items()} == found
    rows_of = [
        (p, name, columns[name][i], columns[f"{name}_time"][i]) for i, p in enumerate(columns["pond"]) for name in MEASURED
    ]
    stored = [(p, name, *got[:2]) for p, values in seen for name, got in zip(MEASURED, values, strict=True) if got]
    assert sorted(row for row in rows_of if row[3] is not None) == sorted(stored)


def test_what_is_sent_is_what_the_contract_says() -> None:
    assert service.Last.__struct_fields__ == tuple(LastValue.__annotations__)


@pytest.mark.parametrize("coop", ["coop-a", "nobody"])
def test_nothing_measured_is_an_empty_list(engine: Engine, coop: str) -> None:
    store(engine, [("ao-b1", ((5.0, 10, 1), None, None))])
    with ScopedSession(engine, Scope.of(coop)) as session:
        assert [msgspec.to_builtins(row) for some in service.last_values(session) for row in some] == []
        assert service.latest(session, PONDS) == {}
        assert orjson.loads(service.latest_columns(session, ["do"])) == {"pond": [], "do": [], "do_time": [], "do_flag": []}
