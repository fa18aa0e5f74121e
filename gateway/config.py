"""The gateway's configuration: one TOML file, read into frozen dataclasses. Secrets lie in files of their own."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.aerators import config as aerators
from gateway.aerators.config import Aerator
from gateway.escalation import ladder
from gateway.escalation.ladder import Escalation
from gateway.fields import ConfigError, Table
from gateway.observation import Pond
from vuong.limits import limits_of

__all__ = ["Cloud", "Config", "ConfigError", "HomeAssistant", "Lan", "Mqtt", "load", "load_pond", "parse"]


@dataclass(frozen=True, slots=True)
class Mqtt:
    """The broker; with `ca_file` the connection is TLS, with `cert_file` and `key_file` the gateway shows a certificate of its own."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where the outbox goes: base URL, and the file that holds the gateway's token."""

    url: str
    token_file: Path


@dataclass(frozen=True, slots=True)
class Lan:
    """Where API and page for the pond's own network are served; with `cert_file` and `key_file` by TLS."""

    host: str = "0.0.0.0"  # noqa: S104 - phones on the LAN are whom it is for; who may come in is gateway/lan/access.py
    port: int = 8080
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class HomeAssistant:
    """Ponds as devices of a Home Assistant that reads the same broker; off unless asked for."""

    enabled: bool = False
    prefix: str = "homeassistant"


@dataclass(frozen=True, slots=True)
class Config:
    """One gateway.

    Attributes
    ----------
    id, name : identity in the cloud, and what people call it
    database : the SQLite file
    offline_after : seconds of silence after which a node counts as off-line
    nodes : node id → pond
    """

    id: str
    name: str
    database: Path
    mqtt: Mqtt
    cloud: Cloud | None
    ponds: dict[str, Pond]
    nodes: dict[str, Pond]
    offline_after: int = 900
    lan: Lan = Lan()
    home_assistant: HomeAssistant = HomeAssistant()
    escalation: Escalation = field(default_factory=Escalation)
    aerators: tuple[Aerator, ...] = ()


def _pond(values: Any, path: str) -> Pond:  # noqa: ANN401
    table = Table(values, path, ("id", "name", "species", "limits", "longitude", "neighbours", "aerators"))
    limits = table.raw("limits", {})
    if not isinstance(limits, dict):
        raise ConfigError(f"{path}.limits is {limits!r}; write it as a table, e.g. limits = {{ do = {{ low_warning = 4.5 }} }}")
    neighbours = table.raw("neighbours", [])
    if not isinstance(neighbours, list) or not all(isinstance(n, str) for n in neighbours):
        raise ConfigError(f"{path}.neighbours is {neighbours!r}; give a list of pond ids")
    name = table.text("id")
    try:
        found = limits_of(table.text("species", "vannamei"), limits)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} ({name}): {error}") from None
    return Pond(
        id=name,
        name=table.text("name", name),
        limits=found,
        neighbours=tuple(neighbours),
        longitude=float(table.number("longitude", -180, 180, 105.97)),
        species=table.text("species", "vannamei"),
        aerators=int(table.number("aerators", 0, 1000, 0)),
    )


def _mqtt(values: Any, base: Path) -> Mqtt:  # noqa: ANN401
    table = Table(values, "mqtt", ("host", "port", "username", "password_file", "ca_file", "cert_file", "key_file"))
    found = Mqtt(
        host=table.text("host", "127.0.0.1"),
        port=int(table.number("port", 1, 65535, 1883)),
        username=table.text("username", None),
        password_file=table.file("password_file", base, None),
        ca_file=table.file("ca_file", base, None),
        cert_file=table.file("cert_file", base, None),
        key_file=table.file("key_file", base, None),
    )
    if (found.cert_file is None) != (found.key_file is None):
        raise ConfigError("mqtt.cert_file and mqtt.key_file belong together; give both or neither")
    return found


def _lan(values: Any, base: Path) -> Lan:  # noqa: ANN401
    table = Table(values, "lan", ("host", "port", "cert_file", "key_file"))
    found = Lan(
        host=table.text("host", Lan().host),
        port=int(table.number("port", 1, 65535, Lan().port)),
        cert_file=table.file("cert_file", base, None),
        key_file=table.file("key_file", base, None),
    )
    if (found.cert_file is None) != (found.key_file is None):
        raise ConfigError("lan.cert_file and lan.key_file belong together; give both or neither")
    return found


def _home_assistant(values: Any) -> HomeAssistant:  # noqa: ANN401
    table = Table(values, "home_assistant", ("enabled", "prefix"))
    return HomeAssistant(enabled=table.yes("enabled", default=False), prefix=table.text("prefix", "homeassistant"))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}; give the path of a TOML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None


def parse(document: dict[str, Any], base: Path) -> Config:
    """Return the configuration that a TOML document describes.

    Parameters
    ----------
    document : the parsed document
    base : folder against which relative paths are taken

    Raises
    ------
    ConfigError
        naming field, value and remedy
    """
    top = Table(
        document,
        "the file",
        ("gateway", "mqtt", "cloud", "lan", "home_assistant", "ponds", "nodes", "contacts", "ladders", "siren", "aerators"),
    )
    own = Table(top.raw("gateway", {}), "gateway", ("id", "name", "database", "offline_after"))
    ponds: dict[str, Pond] = {}
    for number, values in enumerate(_rows(top, "ponds"), 1):
        pond = _pond(values, f"ponds[{number}]")
        if pond.id in ponds:
            raise ConfigError(f"ponds[{number}].id is {pond.id!r}, which an earlier pond has; give each pond an id of its own")
        ponds[pond.id] = pond
    for pond in ponds.values():
        for neighbour in pond.neighbours:
            if neighbour not in ponds:
                raise ConfigError(f"pond {pond.id!r} has neighbour {neighbour!r}, which is no pond of this file; correct the id")
    nodes: dict[str, Pond] = {}
    for number, values in enumerate(_rows(top, "nodes"), 1):
        row = Table(values, f"nodes[{number}]", ("id", "pond"))
        node, pond_id = row.text("id"), row.text("pond")
        if len(node) != 16 or any(c not in "0123456789abcdef" for c in node):
            raise ConfigError(f"nodes[{number}].id is {node!r}; give the node's EUI-64, 16 lower-case hex digits")
        if node in nodes:
            raise ConfigError(f"nodes[{number}].id is {node!r}, which is given twice; remove one")
        if pond_id not in ponds:
            raise ConfigError(f"nodes[{number}].pond is {pond_id!r}; known ponds are {', '.join(ponds) or 'none: add [[ponds]]'}")
        nodes[node] = ponds[pond_id]
    name = own.text("id")
    lan, home = _lan(top.raw("lan", {}), base), _home_assistant(top.raw("home_assistant", {}))
    escalation = ladder.parse(top, ponds, base)
    switched = aerators.parse(top, ponds, (escalation.siren.pin,) if escalation.siren else ())
    cloud = None
    if top.raw("cloud", None) is not None:
        table = Table(top.raw("cloud", None), "cloud", ("url", "token_file"))
        url = table.text("url")
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"cloud.url is {url!r}; give an address that begins with https:// or http://")
        cloud = Cloud(url=url.rstrip("/"), token_file=table.file("token_file", base))
    return Config(
        id=name,
        name=own.text("name", name),
        database=own.file("database", base),
        mqtt=_mqtt(top.raw("mqtt", {}), base),
        cloud=cloud,
        ponds=ponds,
        nodes=nodes,
        offline_after=int(own.number("offline_after", 30, 604800, 900)),
        lan=lan,
        home_assistant=home,
        escalation=escalation,
        aerators=switched,
    )


def _rows(top: Table, name: str) -> list[Any]:
    rows = top.raw(name, [])
    if not isinstance(rows, list):
        raise ConfigError(f"{name} is {rows!r}; write one [[{name}]] table for each")
    return rows


def load(path: Path) -> Config:
    """Read a configuration file; relative paths in it are taken from its own folder.

    Raises
    ------
    ConfigError
        naming file or field, value and remedy
    """
    return parse(_read(path), path.resolve().parent)


def load_pond(path: Path) -> Pond:
    """Read the one pond of a replay: the fields of a ``[[ponds]]`` entry at the top of a TOML file."""
    return _pond(_read(path), "pond")
