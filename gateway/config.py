"""The gateway's configuration: one TOML file, read into frozen dataclasses. Secrets lie in files of their own."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.observation import Pond
from vuong.limits import limits_of

_MISSING: Final = object()


class ConfigError(ValueError):
    """A field that is wrong: the message names the field, its value and the remedy."""


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


class _Table:
    """A TOML table that knows its own path, so that an error can name the field."""

    def __init__(self, values: Any, path: str, known: tuple[str, ...]) -> None:  # noqa: ANN401 - whatever TOML held
        if not isinstance(values, dict):
            raise ConfigError(f"{path} is {values!r}; write it as a table")
        for name in values:
            if name not in known:
                raise ConfigError(f"{path}.{name} is not known; known are {', '.join(known)}")
        self._values: dict[str, Any] = values
        self.path = path

    def _get(self, name: str, kinds: tuple[type, ...], what: str, default: object) -> Any:  # noqa: ANN401 - checked here
        value = self._values.get(name, default)
        if value is _MISSING:
            raise ConfigError(f"{self.path}.{name} is missing; give {what}")
        if value is not default and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise ConfigError(f"{self.path}.{name} is {value!r}; give {what}")
        return value

    def text(self, name: str, default: object = _MISSING) -> Any:  # noqa: ANN401
        value = self._get(name, (str,), "a text in quotes", default)
        if value == "":
            raise ConfigError(f"{self.path}.{name} is empty; give a text or leave the line out")
        return value

    def number(self, name: str, low: float, high: float, default: object = _MISSING) -> Any:  # noqa: ANN401
        value = self._get(name, (int, float), f"a number from {low:g} to {high:g}", default)
        if not low <= value <= high:
            raise ConfigError(f"{self.path}.{name} is {value!r}; give a number from {low:g} to {high:g}")
        return value

    def file(self, name: str, base: Path, default: object = _MISSING) -> Any:  # noqa: ANN401
        value = self.text(name, default)
        return value if value is default else base / Path(value).expanduser()

    def yes(self, name: str, default: bool) -> bool:
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise ConfigError(f"{self.path}.{name} is {value!r}; give true or false")
        return value

    def raw(self, name: str, default: Any) -> Any:  # noqa: ANN401
        return self._values.get(name, default)


def _pond(values: Any, path: str) -> Pond:  # noqa: ANN401
    table = _Table(values, path, ("id", "name", "species", "limits", "longitude", "neighbours"))
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
    )


def _mqtt(values: Any, base: Path) -> Mqtt:  # noqa: ANN401
    table = _Table(values, "mqtt", ("host", "port", "username", "password_file", "ca_file", "cert_file", "key_file"))
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
    table = _Table(values, "lan", ("host", "port", "cert_file", "key_file"))
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
    table = _Table(values, "home_assistant", ("enabled", "prefix"))
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
    top = _Table(document, "the file", ("gateway", "mqtt", "cloud", "lan", "home_assistant", "ponds", "nodes"))
    own = _Table(top.raw("gateway", {}), "gateway", ("id", "name", "database", "offline_after"))
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
        row = _Table(values, f"nodes[{number}]", ("id", "pond"))
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
    cloud = None
    if top.raw("cloud", None) is not None:
        table = _Table(top.raw("cloud", None), "cloud", ("url", "token_file"))
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
    )


def _rows(top: _Table, name: str) -> list[Any]:
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
