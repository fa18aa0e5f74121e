"""The files that a gateway's system needs, rendered for one machine: tests run the very files that a technician installs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where things lie on a gateway, who runs them, and how much they may take.

    Attributes
    ----------
    etc : configuration; nothing here changes while the gateway runs, so it may be read-only
    data : all that changes: ``gateway/`` (database), ``broker/`` (queues), ``tls/`` (certificates); a partition of its own if the root is
        read-only
    vuong : the installed command
    gateway_user, broker_user : system users
    gateway_identity : common name of the gateway's client certificate, its user name and client id at the broker
    address, port : where the broker listens; an empty address is every interface
    max_connections, packet_bytes, queued_messages, queued_bytes, memory_bytes : the broker's limits
    autosave_changes : changes after which the broker saves its queues; a power cut loses at most these, and nodes send them again
    gateway_memory, gateway_memory_high, broker_memory : systemd's limits
    """

    etc: Path = Path("/etc/vuong")
    data: Path = Path("/var/lib/vuong")
    vuong: Path = Path("/opt/vuong/bin/vuong")
    gateway_user: str = "vuong"
    broker_user: str = "mosquitto"
    gateway_identity: str = "gateway"
    address: str = ""
    port: int = 8883
    max_connections: int = 1000
    packet_bytes: int = 64 * 1024
    queued_messages: int = 20_000
    queued_bytes: int = 16 * MIB
    memory_bytes: int = 96 * MIB
    autosave_changes: int = 500
    gateway_memory: str = "300M"
    gateway_memory_high: str = "250M"
    broker_memory: str = "128M"

    @property
    def tls(self) -> Path:
        """Folder of ``ca.crt``, ``revoked.pem``, ``broker.crt``, ``broker.key``, ``gateway.crt``, ``gateway.key``."""
        return self.data / "tls"

    @property
    def broker_state(self) -> Path:
        """Folder of the broker's saved queues and retained messages."""
        return self.data / "broker"


@dataclass(frozen=True, slots=True)
class SystemFile:
    """One file to install: its text is rendered, so it can be compared with what is there."""

    destination: Path
    text: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644


# source in this folder → where Debian's tools look for it
_SYSTEM: Final = {
    "vuong-gateway.service": "/etc/systemd/system/vuong-gateway.service",
    "vuong-gateway-lan.service": "/etc/systemd/system/vuong-gateway-lan.service",
    "mosquitto-service.conf": "/etc/systemd/system/mosquitto.service.d/vuong.conf",
    "journald.conf": "/etc/systemd/journald.conf.d/50-vuong.conf",
    "system.conf": "/etc/systemd/system.conf.d/50-vuong.conf",
    "sysctl.conf": "/etc/sysctl.d/50-vuong.conf",
    "sysusers.conf": "/etc/sysusers.d/vuong.conf",
    "tmpfiles.conf": "/etc/tmpfiles.d/vuong.conf",
}


def render(source: str, layout: Layout) -> str:
    """Return one shipped file with the places of `layout` filled in.

    Raises
    ------
    ValueError
        if the data folder is not below ``/var/lib``, where systemd makes state directories
    KeyError
        if the file names a place that `Layout` does not have: a mistake of ours
    """
    state = layout.data.relative_to("/var/lib") if layout.data.is_relative_to("/var/lib") else None
    if source.endswith(".service") and state is None:
        raise ValueError(f"data folder is {layout.data}; it must lie below /var/lib: mount the data partition there")
    fields = asdict(layout) | {
        "tls": layout.tls,
        "broker_state": layout.broker_state,
        "acl_file": layout.etc / "mosquitto.acl",
        "state_directory": f"{state}/gateway",
    }
    return Template((resources.files(__package__) / source).read_text(encoding="utf-8")).substitute(fields)


def broker_files(layout: Layout) -> list[SystemFile]:
    """Return the broker's own two files; what a broker needs wherever it runs."""
    return [
        SystemFile(layout.etc / "mosquitto.conf", render("mosquitto.conf", layout)),
        # Newer Mosquitto wants the list to be its own and nobody else's to read; systemd keeps it from being written.
        SystemFile(
            layout.etc / "mosquitto.acl", render("mosquitto.acl", layout), layout.broker_user, layout.broker_user, mode=0o600
        ),
    ]


def system_files(layout: Layout) -> list[SystemFile]:
    """Return every file that `gateway setup` installs, the broker's first."""
    shipped = [SystemFile(Path(destination), render(source, layout)) for source, destination in _SYSTEM.items()]
    return broker_files(layout) + shipped
