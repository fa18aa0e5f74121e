"""The diary's page: forms that write, in three languages, for those who may."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from cloud.farms.kinds import KINDS

OUTLINE = {"type": "Polygon", "coordinates": [[[105.9, 9.6], [105.901, 9.6], [105.901, 9.601], [105.9, 9.601], [105.9, 9.6]]]}


def send(client: httpx.Client, path: str, **data: str) -> httpx.Response:
    page = client.get("/ponds/ao-b1/diary").text
    token = page.split('name="token" value="')[1].split('"')[0]
    return client.post(f"/ponds/ao-b1/{path}", data={"token": token} | data)


def test_a_manager_writes_strikes_out_stocks_and_draws(sign_in: Callable[[str], httpx.Client]) -> None:
    client = sign_in("nam")
    reply = send(client, "diary", kind="feed", mass="12,5", product="Thức ăn <b>số</b> 3", when="2026-11-20T06:30", note="sáng")
    assert (reply.status_code, reply.headers["Location"]) == (303, "/ponds/ao-b1/diary?kind=feed")
    page = client.get("/ponds/ao-b1/diary").text
    assert "Khối lượng 12,5 kg · Sản phẩm: Thức ăn &lt;b&gt;số&lt;/b&gt; 3" in page
    assert "06:30" in page
    struck = page.split("/diary/")[1].split("/strike")[0]
    assert send(client, f"diary/{struck}/strike").status_code == 303
    assert "12,5 kg" not in client.get("/ponds/ao-b1/diary").text
    wrong = send(client, "diary", kind="feed", mass="nhiều", product="x")
    assert wrong.status_code == 422
    assert "mass is &#39;nhiều&#39;" in wrong.text
    assert 'value="x"' in wrong.text  # what was typed is still there
    assert send(client, "crops", species="monodon", started="2026-11-01", stocked="300.000").status_code == 303
    assert "300.000" in client.get("/ponds/ao-b1/diary").text
    assert send(client, "crops", species="monodon", started="hôm qua").status_code == 422
    settings = {"name": "Ao B1 mới", "depth": "1,4", "polygon": json.dumps(OUTLINE)}
    assert send(client, "settings", **settings).status_code == 303
    assert "Ao B1 mới" in client.get("/ponds/ao-b1").text
    assert send(client, "settings", **settings | {"polygon": "{"}).status_code == 422


@pytest.mark.parametrize("language", ["vi", "en", "km"])
def test_every_kind_has_its_form(sign_in: Callable[[str], httpx.Client], language: str) -> None:
    client = sign_in("sau")
    for kind, fields in KINDS.items():
        page = client.get(f"/ponds/ao-a1/diary?kind={kind}&lang={language}").text
        for field in fields:
            assert f'name="{field.name}"' in page


def test_who_may_not_write_is_shown_no_form_and_refused(sign_in: Callable[[str], httpx.Client]) -> None:
    client = sign_in("canbo")
    page = client.get("/ponds/ao-b1/diary").text
    assert "/ponds/ao-b1/settings" not in page
    assert send(client, "diary", kind="feed", mass="1", product="x").status_code == 403
    assert send(client, "settings", name="x").status_code == 403


def test_forms_from_elsewhere_and_other_coops_ponds_are_refused(sign_in: Callable[[str], httpx.Client]) -> None:
    client = sign_in("nam")
    assert client.post("/ponds/ao-b1/diary", data={"kind": "feed", "mass": "1", "product": "x"}).status_code == 403
    assert client.get("/ponds/ao-a1/diary").status_code == 404
    token = client.get("/ponds/ao-b1/diary").text.split('name="token" value="')[1].split('"')[0]
    assert client.post("/ponds/ao-a1/settings", data={"token": token, "name": "x"}).status_code == 404
