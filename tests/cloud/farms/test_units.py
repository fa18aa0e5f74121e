"""Administrative units over the merger of 2025, on small data in the layout of the public lists."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from cloud.farms import places, unit_import, units
from cloud.tenancy import Scope, ScopedSession
from tests.cloud.batches import TOKENS
from vuong.command import main

NEW = [
    {
        "Code": "92",
        "FullName": "Thành phố Cần Thơ",
        "Wards": [{"Code": "31510", "FullName": "Phường Sóc Trăng", "ProvinceCode": "92"}],
    },
    {"Code": "96", "FullName": "Tỉnh Cà Mau", "Wards": []},
]
OLD = """p_id,province,d_id,district,c_id,commune,c_type
92,Thành phố Cần Thơ,916,Quận Ninh Kiều,31117,Phường Cái Khế,Phường
94,Tỉnh Sóc Trăng,941,Thành phố Sóc Trăng,31498,Phường 5,Phường
94,Tỉnh Sóc Trăng,950,Thị xã Vĩnh Châu,31783,Phường 1,Phường
95,Tỉnh Bạc Liêu,954,Thành phố Bạc Liêu,31813,Phường 2,Phường
"""
SHARES = """level,old,new_level,new,weight
province,92,province,92,1
province,94,province,92,0.9
province,94,province,96,0.1
province,95,province,96,1
"""


def box(west: float, east: float) -> dict[str, Any]:
    return {"type": "MultiPolygon", "coordinates": [[[[west, 9], [east, 9], [east, 10], [west, 10], [west, 9]]]]}


def sliver(geometry: dict[str, Any]) -> dict[str, Any]:
    """Add what rounding leaves in public outlines: a polygon of one point."""
    return geometry | {"coordinates": [*geometry["coordinates"], [[[105, 9]]]]}


def features(*rows: dict[str, Any]) -> str:
    return json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature"} | row for row in rows]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "new.json").write_text(json.dumps(NEW, ensure_ascii=False))
    (tmp_path / "old.csv.gz").write_bytes(gzip.compress(OLD.encode()))
    (tmp_path / "shares.csv").write_text(SHARES)
    (tmp_path / "new.geojson").write_text(
        features(
            {"id": "92", "geometry": sliver(box(105, 106))},
            {"id": "96", "geometry": box(106, 107)},
            {"id": "00", "geometry": box(1, 2)},
        )
    )
    (tmp_path / "old.geojson").write_text(
        features(
            {"properties": {"level2_id": "941", "name": "x"}, "geometry": box(105.2, 105.6)},
            {"properties": {"level2_id": "954", "name": "x"}, "geometry": box(105.75, 106.75)},
        )
    )
    return tmp_path


@pytest.fixture
def filled(engine: Engine, folder: Path) -> Engine:
    for _ in range(2):  # any number of times
        assert unit_import.import_list(engine, folder / "new.json", before=False) == 3
        assert unit_import.import_list(engine, folder / "old.csv.gz", before=True) == 11
        assert unit_import.import_outlines(engine, folder / "new.geojson", level="province", before=False) == (2, ["00"])
        assert unit_import.import_outlines(engine, folder / "old.geojson", level="district", before=True) == (2, [])
        assert unit_import.import_crosswalk(engine, folder / "shares.csv") == 4
    return engine


def test_units_are_those_of_the_day(filled: Engine) -> None:
    with ScopedSession(filled, Scope.of("coop-a")) as session:
        assert [u.name for u in units.on(session, "province", "2025-06-30")] == [
            "Thành phố Cần Thơ",
            "Tỉnh Sóc Trăng",
            "Tỉnh Bạc Liêu",
        ]
        assert [u.code for u in units.on(session, "province", "2025-07-01")] == ["92", "96"]
        assert [u.code for u in units.on(session, "district", "2025-06-30")] == ["916", "941", "950", "954"]
        assert units.on(session, "district", "2025-07-01") == []  # there are no districts any more
        found = places.units_at(session, 105.9, 9.6, "2025-07-01")
        assert [u.code for u in found] == ["92"]
        assert places.units_at(session, 105.9, 9.6, "2025-06-30")[0].code == "954"
        assert places.units_at(session, 120, 9, "2025-07-01") == []


def test_figures_of_old_units_become_those_of_new_ones(filled: Engine) -> None:
    with ScopedSession(filled, Scope.of("coop-a")) as session:
        tonnes = {"92": 10.0, "94": 100.0, "95": 40.0, "77": 5.0}
        assert units.convert(session, tonnes, "province", "province") == (
            {"92": pytest.approx(100.0), "96": pytest.approx(50.0)},
            ["77"],
        )
        means, _ = units.convert(session, {"92": 30.0, "94": 20.0, "95": 31.0}, "province", "province", total=False)
        assert means["92"] == pytest.approx((30 + 0.9 * 20) / 1.9)
        assert means["96"] == pytest.approx((31 + 0.1 * 20) / 1.1)


def test_areas_weigh_where_nobody_made_a_list(filled: Engine) -> None:
    assert unit_import.crosswalk_by_area(filled, "district", "province") == 3
    with ScopedSession(filled, Scope.of("coop-a")) as session:
        found, unknown = units.convert(session, {"941": 7.0, "954": 100.0, "950": 1.0}, "district", "province")
    assert found == {"92": pytest.approx(7 + 25), "96": pytest.approx(75)}
    assert unknown == ["950"]


def test_a_crosswalk_to_one_level_leaves_that_to_another(filled: Engine, folder: Path, client: httpx.Client) -> None:
    (folder / "fine.csv").write_text("level,old,new_level,new,weight\nprovince,94,commune,31510,1\n")
    assert unit_import.import_crosswalk(filled, folder / "fine.csv") == 1
    with ScopedSession(filled, Scope.of("coop-a")) as session:
        assert units.convert(session, {"94": 10.0}, "province", "commune") == ({"31510": 10.0}, [])
        assert units.convert(session, {"94": 10.0}, "province", "province")[0] == {"92": pytest.approx(9), "96": pytest.approx(1)}
    headers = {"Authorization": f"Bearer {TOKENS['gw-a']}"}
    told = client.get("/api/v1/units/94/successors", headers=headers).json()
    assert [(row["level"], row["code"], row["weight"]) for row in told] == [
        ("commune", "31510", 1.0),
        ("province", "92", 0.9),
        ("province", "96", 0.1),
    ]
    assert client.get("/api/v1/units/77/successors", headers=headers).status_code == 404


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # arithmetic on one store; the queries are tested on both
def test_a_total_stays_the_same(filled: Engine) -> None:
    @given(st.dictionaries(st.sampled_from(["92", "94", "95"]), st.floats(0, 1e9)))
    def check(values: dict[str, float]) -> None:
        with ScopedSession(filled, Scope.of("coop-a")) as session:
            found, _ = units.convert(session, values, "province", "province")
        assert sum(found.values()) == pytest.approx(sum(values.values()))

    check()


def test_a_wrong_file_is_told_and_changes_nothing(filled: Engine, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = folder / "bad.csv"
    bad.write_text(SHARES.replace("0.9", "0.8").replace("95,province,96,1", "99,province,96,1"))
    with pytest.raises(unit_import.UnitError, match=r"add up to 0\.9; make it 1"):
        unit_import.import_crosswalk(filled, bad)
    with pytest.raises(unit_import.UnitError, match="lacks columns"):
        unit_import.import_list(filled, bad, before=True)
    for content in ("[1]", "{", '{"features": [{"geometry": {"type": "Point"}}]}', '{"features": [{"geometry": null}]}'):
        bad.write_text(content)
        with pytest.raises(unit_import.UnitError):
            unit_import.import_list(filled, bad, before=False)
        with pytest.raises(unit_import.UnitError):
            unit_import.import_outlines(filled, bad, level="province", before=False)
    for point in ({"type": "Point", "coordinates": [105, 9]}, {"type": "Feature", "geometry": box(105, 106)}):
        bad.write_text(features({"id": "92", "geometry": point}))  # no area: told, and nothing is stored
        assert unit_import.import_outlines(filled, bad, level="province", before=False) == (0, ["(no code or no outline: {})"])
    with pytest.raises(unit_import.UnitError, match="cannot be read"):
        unit_import.import_list(filled, folder / "nowhere.json", before=False)
    with ScopedSession(filled, Scope.everything()) as session:
        assert units.convert(session, {"94": 10.0}, "province", "province")[0]["92"] == pytest.approx(9)
    url = filled.url.render_as_string(hide_password=False)
    assert main(["cloud", "units", "--list", str(folder / "new.json"), "--database", url]) == 0
    assert "3 units" in capsys.readouterr().err
    assert main(["cloud", "units", "--by-area", "district", "town", "--database", url]) == 2
