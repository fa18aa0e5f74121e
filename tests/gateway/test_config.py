"""The configuration file: what is right, and what each wrong field is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import ConfigError, load, load_pond

GOOD = """
[gateway]
id = "gw-1"
name = "HTX Vĩnh Châu"
database = "data/gateway.db"
[mqtt]
host = "broker"
port = 8883
ca_file = "ca.pem"
[cloud]
url = "https://example.org/"
token_file = "token"
[[ponds]]
id = "p1"
name = "Ao Cô Sáu"
species = "monodon"
longitude = 106.1
limits = { do = { low_warning = 4.5 }, ph_swing = 0.4 }
[[ponds]]
id = "p2"
neighbours = ["p1"]
[[nodes]]
id = "00124b0000000001"
pond = "p1"
[[nodes]]
id = "00124b0000000002"
pond = "p2"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_full_file(tmp_path: Path) -> None:
    config = load(write(tmp_path, GOOD))
    assert (config.id, config.name) == ("gw-1", "HTX Vĩnh Châu")
    assert config.database == tmp_path / "data/gateway.db", "paths are relative to the file, not to where one stands"
    assert config.mqtt.port == 8883
    assert config.mqtt.ca_file == tmp_path / "ca.pem"
    assert config.cloud is not None
    assert config.cloud.url == "https://example.org"
    assert config.nodes["00124b0000000001"].limits.do.low_warning == 4.5
    assert config.nodes["00124b0000000001"].limits.do.low_critical == 3.0, "what is not overridden keeps its default"
    assert config.ponds["p2"].neighbours == ("p1",)
    assert config.ponds["p2"].name == "p2"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('id = "gw-1"', ""), ["gateway.id", "missing"]),
        (('database = "data/gateway.db"', "database = 3"), ["gateway.database", "3"]),
        (('id = "gw-1"', 'id = "gw-1"\nnmae = "x"'), ["gateway.nmae", "known are"]),
        (("port = 8883", "port = 99999"), ["mqtt.port", "99999", "65535"]),
        (("port = 8883", "port = true"), ["mqtt.port", "True"]),
        (('ca_file = "ca.pem"', 'cert_file = "c.pem"'), ["mqtt.cert_file", "key_file"]),
        (("https://example.org/", "example.org"), ["cloud.url", "example.org", "https://"]),
        (('species = "monodon"', 'species = "carp"'), ["ponds[1]", "carp", "vannamei"]),
        (("low_warning = 4.5", "low_wraning = 4.5"), ["ponds[1]", "low_wraning"]),
        (("low_warning = 4.5", "low_warning = 2.5"), ["ponds[1]", "must rise"]),
        (("longitude = 106.1", "longitude = 1061"), ["ponds[1].longitude", "1061"]),
        (('id = "p2"', 'id = "p1"'), ["ponds[2].id", "p1"]),
        (('neighbours = ["p1"]', 'neighbours = ["p9"]'), ["p2", "p9"]),
        (('neighbours = ["p1"]', "neighbours = 3"), ["ponds[2].neighbours", "3"]),
        (('pond = "p2"', 'pond = "p9"'), ["nodes[2].pond", "p9", "p1, p2"]),
        (("00124b0000000002", "00124B0000000002"), ["nodes[2].id", "00124B0000000002", "hex"]),
        (("00124b0000000002", "00124b0000000001"), ["nodes[2].id", "twice"]),
        (("[mqtt]", "[mqtt"), ["not TOML"]),
        (("[mqtt]", "[[mqtt]]"), ["mqtt", "table"]),
    ],
)
def test_an_error_names_field_value_and_remedy(tmp_path: Path, change: tuple[str, str], told: list[str]) -> None:
    old, new = change
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, GOOD.replace(old, new, 1)))
    for word in told:
        assert word in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file .*absent\.toml"):
        load(tmp_path / "absent.toml")


def test_a_pond_alone(tmp_path: Path) -> None:
    pond = load_pond(write(tmp_path, 'id = "x"\nspecies = "vannamei"\n[limits.do]\nlow_critical = 2.5\n'))
    assert (pond.id, pond.limits.do.low_critical) == ("x", 2.5)
