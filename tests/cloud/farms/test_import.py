"""The farm file."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from cloud.accounts import people
from cloud.accounts.secrets import password_fits
from cloud.accounts.service import sender
from cloud.accounts.tables import User
from cloud.database import connect
from cloud.farms.importer import FarmError, import_farm, load
from cloud.farms.tables import Node, Pond
from cloud.schema import metadata
from tests.cloud.batches import FARM, NOW, TOKENS
from vuong.clock import ManualClock
from vuong.command import main


def counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {name: connection.scalar(select(func.count()).select_from(table)) or 0 for name, table in metadata.tables.items()}


def test_importing_again_changes_nothing(engine: Engine) -> None:
    before = counts(engine)
    with engine.connect() as connection:
        password = connection.scalar(select(User.password).where(User.login == "sau"))
    assert import_farm(engine, copy.deepcopy(FARM), Path()) == {
        "cooperatives": 2,
        "gateways": 2,
        "ponds": 3,
        "nodes": 3,
        "users": 3,
    }
    assert counts(engine) == before
    with engine.connect() as connection:
        assert connection.scalar(select(User.password).where(User.login == "sau")) == password


def test_importing_brings_up_to_date(engine: Engine, tmp_path: Path) -> None:
    farm = copy.deepcopy(FARM)
    (tmp_path / "token").write_text("a-new-token-from-a-file-0123\n")
    farm["ponds"][0]["name"] = "Ao mới"
    farm["nodes"][0]["pond"] = "ao-a2"
    farm["gateways"][0] = {"id": "gw-a", "cooperative": "coop-a", "token_file": "token"}
    import_farm(engine, farm, tmp_path)
    assert sender(engine, TOKENS["gw-a"], 0) is None
    assert sender(engine, "a-new-token-from-a-file-0123", 0) is not None
    with engine.connect() as connection:
        assert connection.scalar(select(Pond.name).where(Pond.id == "ao-a1")) == "Ao mới"
        assert connection.scalar(select(Node.pond_id).where(Node.eui == FARM["nodes"][0]["id"], Node.until.is_(None))) == "ao-a2"


MISTAKES: dict[str, tuple[str, int, dict[str, Any], str]] = {
    "id": ("ponds", 0, {"id": "Ao 1"}, "ponds[1].id is 'Ao 1'"),
    "coop": ("ponds", 1, {"cooperative": "coop-x"}, "ponds[2].cooperative is 'coop-x'; give one of coop-a, coop-b"),
    "species": ("ponds", 0, {"species": "cod"}, "give one of vannamei, monodon"),
    "area": ("ponds", 0, {"area": -1}, "ponds[1].area is -1"),
    "limits": ("ponds", 0, {"limits": {"do": {"low": 1}}}, "unknown field 'low'"),
    "limits that are a text": ("ponds", 0, {"limits": {"do": {"low_warning": "x"}}}, "ponds[1].limits"),
    "unknown field": ("nodes", 0, {"colour": "red"}, "nodes[1].colour is not known"),
    "eui": ("nodes", 2, {"id": "a1"}, "nodes[3].id is 'a1'; give an EUI-64"),
    "pond": ("nodes", 0, {"pond": "ao-x"}, "nodes[1].pond is 'ao-x', which is no pond here"),
    "token": ("gateways", 0, {"token": "s3cret"}, "gateways[1].token is not usable"),
    "token file": ("gateways", 0, {"token_file": "nowhere"}, "gateways[1].token_file"),
    "role": ("users", 0, {"role": "king"}, "users[1].role is 'king'"),
    "unbound farmer": ("users", 0, {"cooperative": None}, "users[1].cooperative"),
    "bound official": ("users", 2, {"cooperative": "coop-a"}, "sees all co-ops; leave it out"),
    "password": ("users", 0, {"password": "s3cret"}, "users[1].password is not usable"),
}


def test_a_first_password_is_its_owners_to_change_and_later_imports_leave_it_alone(engine: Engine) -> None:
    farm: dict[str, Any] = {
        "users": [
            {"login": "bay", "name": "Chú Bảy", "role": "farmer", "cooperative": "coop-a", "first_password": "tôm thẻ chân"}
        ]
    }
    import_farm(engine, farm, Path(), ManualClock(NOW))
    assert people.find(engine, "bay").initial_until == NOW + people.INITIAL_DAYS * 86_400
    people.set_password(engine, "bay", "của riêng tôi", now=NOW, actor="test")
    farm["users"][0]["name"] = "Chú Bảy Tôm"
    import_farm(engine, farm, Path(), ManualClock(NOW))
    bay = people.find(engine, "bay")
    assert (bay.name, bay.initial_until) == ("Chú Bảy Tôm", None)
    assert password_fits(bay.password, "của riêng tôi")
    farm["users"][0] |= {"role": "official", "cooperative": None, "login": "cb", "first_password": "tôm thẻ"}
    with pytest.raises(FarmError, match="first_password is not usable; give 12 to 128"):
        import_farm(engine, farm, Path())


@pytest.mark.parametrize(("section", "index", "change", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_by_field_and_nothing_is_stored(
    engine: Engine, section: str, index: int, change: dict[str, Any], expected: str
) -> None:
    before, farm = counts(engine), copy.deepcopy(FARM)
    farm["cooperatives"].append({"id": "coop-new", "name": "HTX mới"})
    farm[section][index] |= change
    with pytest.raises(FarmError) as caught:
        import_farm(engine, farm, Path())
    assert expected.replace("coop-a, coop-b", "coop-a, coop-b, coop-new") in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert counts(engine) == before


def test_the_command_prints_counts_and_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    farm, url = tmp_path / "farm.toml", f"sqlite:///{tmp_path / 'c.db'}"
    farm.write_text(
        '[[cooperatives]]\nid = "c"\nname = "HTX"\n[[gateways]]\nid = "g"\ncooperative = "c"\ntoken = "very-secret-token-0123456789"\n'
        '[[users]]\nlogin = "u"\nname = "U"\nrole = "farmer"\ncooperative = "c"\npassword = "very-secret"\n',
        encoding="utf-8",
    )
    assert main(["cloud", "import", str(farm), "--database", url]) == 0
    output = capsys.readouterr()
    assert "1 gateways" in output.err
    assert "secret" not in output.out + output.err
    engine = connect(url)
    assert sender(engine, "very-secret-token-0123456789", 0) is not None
    engine.dispose()


@pytest.mark.parametrize("content", [None, "[[ponds", "ponds = 5", "colour = 1"])
def test_a_file_that_is_no_farm_is_a_mistake_of_the_caller(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    farm = tmp_path / "farm.toml"
    if content is not None:
        farm.write_text(content, encoding="utf-8")
    assert main(["cloud", "import", str(farm), "--database", f"sqlite:///{tmp_path / 'c.db'}"]) == 2
    assert capsys.readouterr().err.startswith("vuong: ")


def test_a_database_that_is_none_is_a_mistake_of_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    for url in ("mysql://x/y", "nonsense", "sqlite://", "sqlite:////nowhere/at/all.db"):
        assert main(["cloud", "migrate", "--database", url]) == 2
        assert "database" in capsys.readouterr().err


def test_load_reads_toml(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text("ponds = []", encoding="utf-8")
    assert load(tmp_path / "f.toml") == {"ponds": []}
