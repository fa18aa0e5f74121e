"""``vuong node …`` and ``vuong fleet …``: the table of commands."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from provisioning.arguments import Command, add
from provisioning.texts import say
from vuong.i18n import terminal_language

_FLAG: Final[dict[str, Any]] = {"action": "store_true"}
_FILE: Final[dict[str, Any]] = {"type": Path, "metavar": "FILE"}

_CA: Final[dict[str, dict[str, Any]]] = {"--passphrase-file": _FILE}
_VIA: Final[dict[str, dict[str, Any]]] = {"--via": {"metavar": "COMMAND"}}
_PORT: Final[dict[str, dict[str, Any]]] = {"port": {"nargs": "?", "metavar": "PORT"}}
# A living node: at the cable, or through its gateway.
_LINE: Final[dict[str, dict[str, Any]]] = {
    **_PORT,
    "--node": {"metavar": "ID"},
    "--gateway": {"metavar": "HOST[:PORT]"},
    "--wait": {"type": float, "metavar": "SECONDS"},
}
_CONFIG: Final[dict[str, Any]] = {**_FILE, "default": Path("/etc/vuong/gateway.toml")}

NODE: Final = (
    Command(
        "build",
        "provisioning.node.build",
        {
            "--node": {"metavar": "ID"},
            "--layout": {"choices": ("standard", "ota"), "default": "standard"},
            "--flash-size": {"type": int, "choices": (4, 8, 16), "default": 4},
            "--out": _FILE,
        },
    ),
    Command(
        "flash",
        "provisioning.node.flash",
        {
            "port": {"nargs": "?", "metavar": "PORT"},
            "--firmware": {**_FILE, "required": True},
            "--node": {"metavar": "ID"},
            "--sha256": {"metavar": "HEX"},
            "--trust": _FLAG,
            "--label": _FILE,
            "--wait": {"type": float, "metavar": "SECONDS", "default": 20.0},
            "--dry-run": _FLAG,
        },
    ),
    Command(
        "provision",
        "provisioning.node.provision",
        {
            "id": {"metavar": "ID"},
            "--pond": {"required": True, "metavar": "POND"},
            "--gateway": {"required": True, "metavar": "HOST[:PORT]"},
            "--wifi": {"metavar": "SSID"},
            "--wifi-password-file": _FILE,
            "--probes": {
                "default": "ds18b20,ezo:quantity=conductivity,salinity,ezo:quantity=do,ezo:quantity=ph",
                "metavar": "LIST",
            },
            "--interval": {"type": int, "default": 900, "metavar": "SECONDS"},
            **_CA,
            **_VIA,
        },
    ),
    Command("revoke", "provisioning.node.revoke", {"id": {"metavar": "ID"}, "--reason": {"metavar": "TEXT"}, **_CA, **_VIA}),
    Command("list", "provisioning.node.listing", {"--gateway": {"metavar": "HOST[:PORT]"}}),
    Command("show", "provisioning.node.show", {"id": {"metavar": "ID"}, "--gateway": {"metavar": "HOST[:PORT]"}}),
    Command("doctor", "provisioning.node.doctor", _LINE),
    Command("config", "provisioning.node.config", {**_LINE, "--set": {"action": "append", "metavar": "FIELD=VALUE"}}),
    Command(
        "calibrate",
        "provisioning.node.calibrate",
        {
            **_LINE,
            "--quantity": {"choices": ("ph", "do", "conductivity", "temperature"), "required": True},
            "--method": {"choices": ("buffers", "air", "zero", "standard", "reference")},
            "--points": {"metavar": "TRUE[=RAW],…"},
            "--temperature": {"type": float, "metavar": "°C"},
            "--salinity": {"type": float, "metavar": "‰"},
            "--pressure": {"type": float, "metavar": "HPA"},
            "--operator": {"metavar": "NAME"},
            "--lot": {"metavar": "LOT"},
            "--settle": {"type": float, "metavar": "SECONDS", "default": 300.0},
            "--accept": _FLAG,
            "--dry-run": _FLAG,
        },
    ),
    Command(
        "monitor",
        "provisioning.node.monitor",
        {
            "--gateway": {"metavar": "HOST[:PORT]"},
            "--node": {"metavar": "ID,…"},
            "--seconds": {"type": float, "metavar": "SECONDS"},
        },
    ),
    Command(
        "update",
        "provisioning.node.update",
        {
            **_PORT,
            "--node": {"metavar": "ID,…"},
            "--all": _FLAG,
            "--canary": {"metavar": "ID"},
            "--gateway": {"metavar": "HOST[:PORT]"},
            "--wait": {"type": float, "metavar": "SECONDS"},
            "--prove": {"type": float, "metavar": "SECONDS", "default": 2400.0},
            **_CA,
        },
    ),
    Command("shell", "provisioning.node.shell", _PORT),
    Command("wipe", "provisioning.node.wipe", {**_PORT, "--yes": {"nargs": 2, "metavar": "ID"}}),
)
FLEET: Final = (
    Command("init", "provisioning.fleet.init", {"--name": {"required": True}, **_CA}),
    Command(
        "cloud",
        "provisioning.fleet.cloud",
        {"--url": {"required": True, "metavar": "URL"}, "--login": {"required": True}, "--password-file": _FILE, "--code": {}},
    ),
    Command(
        "gateway",
        "provisioning.fleet.gateway",
        {"host": {"metavar": "HOST[,HOST…]"}, "--id": {"metavar": "ID"}, "--out": _FILE, **_CA},
    ),
    Command(
        "technician",
        "provisioning.fleet.technician",
        {
            "person": {"metavar": "NAME"},
            "--out": _FILE,
            "--identity": _FILE,
            "--revoke": _FLAG,
            "--gateway": {"metavar": "HOST"},
            **_CA,
            **_VIA,
        },
    ),
    Command("sync", "provisioning.fleet.sync", {"--gateway": {"metavar": "HOST"}, "--cloud": _FLAG, **_CA, **_VIA}),
    Command(
        "import",
        "provisioning.fleet.load",
        {"csv": {"type": Path, "metavar": "CSV"}, "--wifi-password-file": _FILE, **_CA, **_VIA},
    ),
    Command("completion", "provisioning.fleet.completion", {"shell": {"choices": ("bash", "zsh")}}),
)
GROUPS: Final[dict[str, tuple[Command, ...]]] = {"node": NODE, "fleet": FLEET}
GATEWAY: Final = (
    Command(
        "setup",
        "provisioning.gateway.setup",
        {"--bundle": _FILE, "--id": {"metavar": "ID"}, "--pin-file": _FILE, "--check": _FLAG},
    ),
    Command(
        "card",
        "provisioning.gateway.card.command",
        {
            "host": {"metavar": "HOST[,HOST…]"},
            "--out": {"type": Path, "metavar": "DIR", "required": True},
            "--system": {"choices": ("trixie", "bookworm"), "default": "trixie"},
            "--wheels": {"type": Path, "metavar": "DIR", "required": True},
            "--download": _FLAG,
            "--debs": {"type": Path, "metavar": "DIR"},
            "--id": {"metavar": "ID"},
            "--user": {"default": "pi", "metavar": "NAME"},
            "--ssh-key": _FILE,
            "--password-file": _FILE,
            "--wifi": {"metavar": "SSID"},
            "--wifi-password-file": _FILE,
            "--country": {"default": "VN", "metavar": "CC"},
            "--pin-file": _FILE,
            **_CA,
        },
    ),
    Command("enrol", "provisioning.gateway.enrol", {"file": {**_FILE, "nargs": "?"}, "--config": _CONFIG}),
)


def register_gateway(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add what is done on the gateway itself to ``vuong gateway``."""
    for row in GATEWAY:
        add(actions, "gateway", row)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this folder."""
    import rich  # noqa: F401, PLC0415 (without this folder's extra the commands are not offered)

    language = terminal_language()
    for group, rows in GROUPS.items():
        title = say(f"help.{group}", language)
        parser = commands.add_parser(group, help=title, description=title)
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for row in rows:
            add(actions, group, row)
