"""Ponds, crops, the diary and certification records over the JSON API."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from geographiclib.geodesic import Geodesic
from hypothesis import given
from hypothesis import strategies as st
from shapely import Polygon
from sqlalchemy import Engine

from cloud.accounts import audit
from cloud.farms.kinds import KINDS, fault
from cloud.farms.outline import OutlineError, ground_area, outline
from tests.cloud.batches import NOW
from vuong.command import main

SQUARE = [[105.90, 9.60], [105.901, 9.60], [105.901, 9.6005], [105.90, 9.6005], [105.90, 9.60]]
FEED = {"kind": "feed", "content": {"mass": 12.5, "product": "Thức ăn số 3"}}


@given(st.floats(-180, 179), st.floats(-60, 60), st.floats(1e-4, 5e-3), st.floats(1e-4, 5e-3))
def test_the_area_is_that_of_the_ellipsoid(west: float, south: float, width: float, height: float) -> None:
    corners = [(west, south), (west + width, south), (west + width, south + height), (west, south + height)]
    exact = Geodesic.WGS84.Polygon()
    for longitude, latitude in corners:
        exact.AddPoint(latitude, longitude)
    assert ground_area(Polygon(corners)) == pytest.approx(exact.Compute()[2], rel=2e-4)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (None, "no GeoJSON Polygon"),
        ({"type": "Point", "coordinates": [1, 2]}, "no GeoJSON Polygon"),
        ({"type": "Polygon", "coordinates": "x"}, "coordinates is not usable"),
        ({"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}, "polygon"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [0.01, 0.01], [0.01, 0], [0, 0.01], [0, 0]]]}, "not simple"),
        (
            {"type": "Polygon", "coordinates": [[[9.6, 105.9], [9.7, 105.9], [9.7, 106], [9.6, 105.9]]]},
            "longitude before latitude",
        ),
        ({"type": "Polygon", "coordinates": [[[100, 9], [106, 9], [106, 15], [100, 9]]]}, "give 1 to"),
        ({"type": "Polygon", "coordinates": [[[float("nan"), 9], [106, 9], [106, 15], [100, 9]]]}, "coordinates is not usable"),
    ],
)
def test_an_outline_that_cannot_be_is_told(document: object, told: str) -> None:
    with pytest.raises(OutlineError, match=told):
        outline(document)


VALUES = st.none() | st.text() | st.floats() | st.booleans()


@given(st.sampled_from(sorted(KINDS)), st.dictionaries(st.sampled_from(["mass", "product", "x"]), VALUES))
def test_no_content_breaks_the_check(kind: str, content: dict[str, object]) -> None:
    found = fault(kind, content)
    assert found is None or found.strip()


def test_a_manager_makes_and_draws_a_pond(ask: Callable[..., httpx.Response]) -> None:
    new = {"id": "ao-b2", "cooperative": "coop-b", "name": "Ao B2", "species": "monodon", "depth": 1.4}
    assert ask("sau", "POST", "/ponds", json=new).status_code == 403
    assert ask("nam", "POST", "/ponds", json=new | {"cooperative": "coop-a"}).status_code == 422
    assert ask("nam", "POST", "/ponds", json=new | {"id": "ao-a1"}).status_code == 422  # another co-op's
    assert ask("nam", "POST", "/ponds", json=new).json() == {"id": "ao-b2"}
    reply = ask("nam", "PATCH", "/ponds/ao-b2", json={"polygon": {"type": "Polygon", "coordinates": [SQUARE]}})
    assert reply.status_code == 200, reply.text
    assert reply.json()["area"] == pytest.approx(109.8 * 55.3, rel=0.01)
    assert (reply.json()["longitude"], reply.json()["latitude"]) == (105.9005, 9.60025)
    for wrong in (
        {"depth": 99},
        {"depth": True},
        {"colour": "red"},
        {"name": ""},
        {"species": "cod"},
        {"limits": {"do": {"x": 1}}},
    ):
        assert ask("nam", "PATCH", "/ponds/ao-b2", json=wrong).status_code == 422, wrong
    assert ask("nam", "PATCH", "/ponds/ao-a1", json={"depth": 1}).status_code == 404
    outlined = ask("nam", "GET", "/ponds/ao-b2/outline").json()
    assert outlined["geometry"]["coordinates"] == [SQUARE]
    assert outlined["properties"]["unit"] is None


def test_the_diary_is_corrected_by_new_entries(ask: Callable[..., httpx.Response], engine: Engine) -> None:
    first = ask("sau", "POST", "/ponds/ao-a1/diary", json=FEED | {"id": "3f9a01c2-1"}).json()
    assert ask("sau", "POST", "/ponds/ao-a1/diary", json=FEED | {"id": "3f9a01c2-1"}).json() == first  # a repeat
    right = FEED | {"content": {"mass": 15.2, "product": "Thức ăn số 3"}, "replaces": first["id"]}
    second = ask("sau", "POST", "/ponds/ao-a1/diary", json=right).json()
    assert ask("sau", "POST", "/ponds/ao-a1/diary", json=right).status_code == 422  # replaced already
    assert [row["id"] for row in ask("sau", "GET", "/ponds/ao-a1/diary").json()] == [second["id"]]
    gone = ask("sau", "POST", "/ponds/ao-a1/diary", json={"kind": "feed", "replaces": second["id"]})
    assert gone.status_code == 201, gone.text
    assert ask("sau", "GET", "/ponds/ao-a1/diary").json() == []
    assert len(ask("sau", "GET", "/ponds/ao-a1/diary?all=true").json()) == 3
    assert audit.verify(engine).sound
    wrong: list[dict[str, Any]] = [
        {"kind": "dancing", "content": {}},
        {"kind": "feed"},
        {"kind": "feed", "content": {"mass": -1, "product": "x"}},
        {"kind": "feed", "content": {"mass": 1}},
        {"kind": "feed", "content": {"mass": 1, "product": "x", "y": 1}},
        FEED | {"time": NOW + 400},
        FEED | {"replaces": 99_999},
        FEED | {"id": "x"},
    ]
    for entry in wrong:
        assert ask("sau", "POST", "/ponds/ao-a1/diary", json=entry).status_code == 422, entry
    assert ask("nam", "POST", "/ponds/ao-a1/diary", json=FEED).status_code == 404
    assert ask("nam", "POST", "/ponds/ao-b1/diary", json=FEED | {"replaces": first["id"]}).status_code == 422
    assert ask("canbo", "POST", "/ponds/ao-a1/diary", json=FEED).status_code == 403


def test_a_new_crop_ends_the_one_before(ask: Callable[..., httpx.Response]) -> None:
    crop = {"species": "vannamei", "started": "2026-03-01", "stocked": 300_000, "hatchery": "Trại giống Ninh Thuận"}
    assert ask("sau", "POST", "/ponds/ao-a1/crops", json=crop).status_code == 201
    assert ask("sau", "POST", "/ponds/ao-a1/crops", json=crop).status_code == 422  # not after the one before
    for wrong in ({"started": "1/3/2026"}, {"species": "cod"}, {"stocked": 0}):
        assert ask("sau", "POST", "/ponds/ao-a1/crops", json=crop | {"started": "2026-09-01"} | wrong).status_code == 422
    assert (
        ask("sau", "POST", "/ponds/ao-a1/crops", json=crop | {"started": "2026-09-01", "species": "monodon"}).status_code == 201
    )
    rows = ask("sau", "GET", "/ponds/ao-a1/crops").json()
    assert [(row["started"], row["ended"]) for row in rows] == [("2026-09-01", None), ("2026-03-01", "2026-09-01")]
    assert ask("sau", "GET", "/ponds/ao-a1").json()["species"] == "monodon"


def test_a_record_grows_at_its_end_and_tells_tampering(
    ask: Callable[..., httpx.Response], engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for mass in (5.0, 6.0):
        ask("nam", "POST", "/ponds/ao-b1/diary", json=FEED | {"content": {"mass": mass, "product": "x"}})
    ask("nam", "POST", "/ponds/ao-b1/hand-readings", json={"quantity": "alkalinity", "value": 120})
    early = ask("nam", "GET", "/ponds/ao-b1/certification?standard=asc").json()
    ask("nam", "POST", "/ponds/ao-b1/diary", json={"kind": "harvest", "content": {"mass": 1500.0, "size": 40}})
    late = ask("nam", "GET", "/ponds/ao-b1/certification").json()
    assert late["diary"]["lines"][:2] == early["diary"]["lines"]
    assert late["diary"]["head"] != early["diary"]["head"]
    assert late["measured"] == early["measured"]
    assert len(late["measured"]["lines"]) == 1
    assert "Dì Năm" not in json.dumps([late["diary"], late["measured"]], ensure_ascii=False)
    assert ask("sau", "GET", "/ponds/ao-a1/certification").status_code == 403
    assert ask("nam", "GET", "/ponds/ao-a1/certification").status_code == 404
    assert ask("nam", "GET", "/ponds/ao-b1/certification?standard=iso").status_code == 422
    url = engine.url.render_as_string(hide_password=False)
    capsys.readouterr()
    assert main(["cloud", "record", "ao-b1", "--standard", "bap", "--database", url]) == 0
    file = tmp_path / "record.json"
    document = json.loads(capsys.readouterr().out)

    def check() -> int:
        file.write_text(json.dumps(document))
        return main(["cloud", "record", "--check", str(file)])

    assert check() == 0
    document["diary"]["lines"][1]["content"]["mass"] = 60.0
    assert check() == 1
    assert "diary: line 2 was changed" in capsys.readouterr().out
    document["diary"]["lines"][1]["content"]["mass"] = 6.0
    assert check() == 0
    document["diary"]["lines"].pop()
    assert check() == 1
    file.write_text("[]")
    assert main(["cloud", "record", "--check", str(file)]) == 2
