"""The technician's folder on the laptop: the co-op's CA, each node's identity, what waits for gateway and cloud.

::

    ca/           ca.crt, ca.key and update.key (encrypted), revoked.pem, index.json
    technician/   ca.crt, technician.crt, technician.key: with which this laptop speaks to nodes through a gateway
    nodes/<id>/   config.json, node.crt, node.key
    registry.json nodes with their ponds, and what gateway and cloud have not been told yet
    cloud.json    the cloud's address, and this laptop's token for it
    firmware.json pinned firmware files
    log/          technician.log, with secrets masked
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from provisioning.failure import WrongCall


def default_root() -> Path:
    """Return ``$VUONG_WORKSPACE``, else ``~/.vuong``."""
    return Path(os.environ.get("VUONG_WORKSPACE") or Path.home() / ".vuong")


class Workspace:
    """Paths of one technician's folder; `root` is `default_root` where not given."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()
        self.authority = self.root / "ca"
        self.nodes = self.root / "nodes"
        self.technician = self.root / "technician"
        self.registry = self.root / "registry.json"
        self.pins = self.root / "firmware.json"
        self.cloud = self.root / "cloud.json"
        self.log = self.root / "log" / "technician.log"

    def node(self, node: str) -> Path:
        """Return the folder of one node's identity."""
        return self.nodes / node


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a file so that a power cut leaves the old or the new one, with its rights from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a file, empty where there is none.

    Raises
    ------
    WrongCall
        if the file holds anything else
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise WrongCall("file_unreadable", file=path, problem=error) from None
    if not isinstance(found, dict):
        raise WrongCall("file_unreadable", file=path, problem="no JSON object")
    return found


def write_json(path: Path, content: dict[str, Any], mode: int = 0o600) -> None:
    """Replace a JSON file."""
    write_whole(path, (json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode(), mode)
