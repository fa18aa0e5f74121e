"""The files that a server needs for the cloud, rendered for one name: tests run the very files that an operator installs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

# Mozilla's "intermediate", version 5.7, for TLS 1.2; TLS 1.3 has none that are weak.
CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
_NAME: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_PATH: Final = re.compile(r"/[A-Za-z0-9._/-]+")
INSTALLED: Final = Path("/opt/vuong/bin/vuong")
# source in this folder → where Debian's tools look for it
_FILES: Final = {
    "sysusers.conf": "etc/sysusers.d/vuong-cloud.conf",
    "vuong-cloud@.service": "etc/systemd/system/vuong-cloud@.service",
    "nginx.conf": "etc/nginx/conf.d/vuong.conf",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server.

    Attributes
    ----------
    name : by which people ask for it
    certificate, key : PEM files, as certbot leaves them where they are not given
    vuong : the installed command
    port : where the cloud listens on this machine
    http, https : where the proxy listens
    """

    name: str
    certificate: Path | None = None
    key: Path | None = None
    vuong: Path = INSTALLED
    port: int = 8000
    http: str = "80"
    https: str = "443"


def system_files(server: Server) -> dict[Path, str]:
    """Return the text of each file by its place below the root.

    Raises
    ------
    ValueError
        naming the field, its value and what to give
    """
    if not _NAME.fullmatch(server.name):
        raise ValueError(f"name is {server.name!r:.80}; give the server's name in DNS, such as vuong.htx.example")
    live = Path("/etc/letsencrypt/live") / server.name
    paths = {
        "certificate": server.certificate or live / "fullchain.pem",
        "key": server.key or live / "privkey.pem",
        "vuong": server.vuong,
    }
    for field, path in paths.items():
        if not _PATH.fullmatch(str(path)):
            raise ValueError(f"{field} is {str(path)!r:.120}; give an absolute path of letters, digits and . _ - /")
    values = {field: str(path) for field, path in paths.items()}
    values |= {"name": server.name, "port": str(server.port), "http": server.http, "https": server.https}
    values["ciphers"] = ":".join(CIPHERS)
    folder = resources.files("cloud.system")
    return {
        Path(place): Template(folder.joinpath(source).read_text(encoding="utf-8")).substitute(values)
        for source, place in _FILES.items()
    }
