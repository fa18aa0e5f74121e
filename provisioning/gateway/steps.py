"""The steps that turn a fresh 64-bit Raspberry Pi OS or Debian into a gateway; each knows whether it is done: a second run changes nothing."""

from __future__ import annotations

import grp
import io
import json
import logging
import os
import pwd
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Final

import tomlkit

from gateway.system.files import Layout, SystemFile, system_files
from provisioning.failure import Failure, WrongCall
from provisioning.workspace import write_whole

_LOG = logging.getLogger(__name__)
PACKAGES: Final = ("mosquitto", "nftables", "ca-certificates", "tzdata")
ZONE: Final = Path("/usr/share/zoneinfo/Asia/Ho_Chi_Minh")
TIMESYNC: Final = "[Time]\nNTP=0.vn.pool.ntp.org 1.asia.pool.ntp.org\nFallbackNTP=time.cloudflare.com 0.debian.pool.ntp.org\nSaveIntervalSec=60\n"
SERVICES: Final = ("mosquitto.service", "vuong-gateway.service", "vuong-gateway-lan.service", "nftables.service")
# file of the bundle → group that may read it; keys by 0640, the rest by all
_KEYS: Final = {"broker.key": "broker_user", "gateway.key": "gateway_user", "cloud.token": "gateway_user"}
BUNDLE: Final = ("ca.crt", "revoked.pem", "broker.crt", "broker.key", "gateway.crt", "gateway.key")
TOKEN: Final = "cloud.token"  # noqa: S105 - a file: in the bundle of a gateway that the cloud was told of
ABOUT: Final = "gateway.json"  # its id, and the cloud's address


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the gateway is to be.

    Attributes
    ----------
    identity : the gateway's id in its configuration
    bundle : tar file of ``vuong fleet gateway``; ``None`` where the certificates are there already
    pin : for people on the LAN; ``None`` leaves it as it is
    layout : where things lie
    """

    identity: str
    bundle: Path | None = None
    pin: str | None = None
    layout: Layout = field(default_factory=Layout)

    @property
    def config(self) -> Path:
        """Return the gateway's configuration file."""
        return self.layout.etc / "gateway.toml"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: text key, what is still to be done (empty where nothing is), and the doing."""

    name: str
    missing: Callable[[Wanted], list[str]]
    do: Callable[[Wanted], None]


def command(*words: str, give: str | None = None) -> str:
    """Run a system command and return its output.

    Raises
    ------
    Failure
        if it fails
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(words, input=give, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise Failure("step", command=words[0], problem=error) from None
    if done.returncode:
        raise Failure("step", command=" ".join(words), problem=(done.stderr or done.stdout).strip()[-300:])
    return done.stdout


def booted() -> bool:
    """Return whether systemd runs here: in a chroot services can be enabled, not started."""
    return Path("/run/systemd/system").exists()


def _packages(_: Wanted) -> list[str]:
    found = []
    for name in PACKAGES:
        done = subprocess.run(["dpkg-query", "-W", "-f=${Status}", name], capture_output=True, text=True, check=False)  # noqa: S603, S607
        if "ok installed" not in done.stdout:
            found.append(name)
    return found


def _install(wanted: Wanted) -> None:
    missing = _packages(wanted)
    try:
        command("apt-get", "-q", "-y", "--no-install-recommends", "install", *missing)
    except Failure:  # a fresh card has no lists yet
        command("apt-get", "-q", "update")
        command("apt-get", "-q", "-y", "--no-install-recommends", "install", *missing)


def _files(wanted: Wanted) -> Iterator[SystemFile]:
    yield from system_files(wanted.layout)
    yield SystemFile(Path("/etc/systemd/timesyncd.conf.d/50-vuong.conf"), TIMESYNC)
    firewall = (resources.files("provisioning.gateway") / "nftables.conf").read_text(encoding="utf-8")
    yield SystemFile(Path("/etc/nftables.conf"), firewall.replace("$port", str(wanted.layout.port)), mode=0o644)


def _owned(path: Path, owner: str, group: str, mode: int) -> bool:
    state = path.stat()
    try:
        same = pwd.getpwuid(state.st_uid).pw_name == owner and grp.getgrgid(state.st_gid).gr_name == group
    except KeyError:
        return False
    return same and state.st_mode & 0o7777 == mode


def _stale(wanted: Wanted) -> list[str]:
    found = []
    for file in _files(wanted):
        try:
            same = file.destination.read_text(encoding="utf-8") == file.text
        except (OSError, UnicodeDecodeError):
            same = False
        if not same or not _owned(file.destination, file.owner, file.group, file.mode):
            found.append(str(file.destination))
    return found


def _write_files(wanted: Wanted) -> None:
    stale = set(_stale(wanted))
    for file in _files(wanted):
        if str(file.destination) in stale:
            write_whole(file.destination, file.text.encode(), file.mode)
            shutil.chown(file.destination, file.owner, file.group)
    if booted():
        command("nft", "--check", "--file", "/etc/nftables.conf")  # a chroot has no network of its own to check against
        command("systemctl", "daemon-reload")
        for name in ("systemd-journald", "systemd-timesyncd", "systemd-sysctl"):
            _says_yes("systemctl", "try-restart", name)
        _stop()


def _stop() -> None:
    """Stop what runs with files that have changed (Debian starts its broker at once, with its own); the last step starts it."""
    for name in SERVICES:
        _says_yes("systemctl", "stop", name)


def _users(wanted: Wanted) -> list[str]:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return [name for name in (wanted.layout.gateway_user,) if name not in known]


def _add_users(wanted: Wanted) -> None:
    home = str(wanted.layout.data / "gateway")
    for name in _users(wanted):
        command(
            "useradd", "--system", "--user-group", "--home-dir", home, "--no-create-home", "--shell", "/usr/sbin/nologin", name
        )


def _folders(wanted: Wanted) -> list[tuple[Path, str, int]]:
    layout = wanted.layout
    return [
        (layout.data, "root", 0o755),
        (layout.tls, "root", 0o755),
        (layout.broker_state, layout.broker_user, 0o700),
        (layout.data / "gateway", layout.gateway_user, 0o750),
    ]


def _missing_folders(wanted: Wanted) -> list[str]:
    return [str(p) for p, user, mode in _folders(wanted) if not p.is_dir() or not _owned(p, user, user, mode)]


def _make_folders(wanted: Wanted) -> None:
    for path, user, mode in _folders(wanted):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        shutil.chown(path, user, user)


def _unpacked(bundle: Path) -> dict[str, bytes]:
    try:
        with tarfile.open(fileobj=io.BytesIO(bundle.read_bytes())) as tar:
            found = {entry.name: tar.extractfile(entry) for entry in tar.getmembers() if entry.isfile()}
            content = {name: file.read() for name, file in found.items() if file is not None}
    except (OSError, tarfile.TarError) as error:
        raise WrongCall("file_unreadable", file=bundle, problem=error) from None
    absent = [name for name in BUNDLE if name not in content]
    if absent:
        raise WrongCall("bundle", file=bundle, missing=", ".join(absent))
    return content


def _certificates(wanted: Wanted) -> list[str]:
    new = _unpacked(wanted.bundle) if wanted.bundle else {}
    found = []
    for name in (*BUNDLE, *([TOKEN] if TOKEN in new else [])):
        path = wanted.layout.tls / name
        group = getattr(wanted.layout, _KEYS[name]) if name in _KEYS else "root"
        if not path.exists() or not _owned(path, "root", group, 0o640 if name in _KEYS else 0o644):
            found.append(str(path))
        elif name in new and name != "revoked.pem" and path.read_bytes() != new[name]:
            found.append(str(path))  # a list of revoked ones that came by an enrolment is newer than the bundle's
    return found


def _install_certificates(wanted: Wanted) -> None:
    if wanted.bundle is None:
        raise Failure("no_certificates", place=wanted.layout.tls)
    content = _unpacked(wanted.bundle)
    for name in _certificates(wanted):
        file = Path(name)
        group = getattr(wanted.layout, _KEYS[file.name]) if file.name in _KEYS else "root"
        write_whole(file, content[file.name], 0o640 if file.name in _KEYS else 0o644)
        shutil.chown(file, "root", group)
    if booted():
        _stop()


def about(bundle: Path | None) -> dict[str, str]:
    """Return what a bundle says of its gateway: ``id``, and ``cloud`` where it has a token for one; empty without a bundle.

    Raises
    ------
    WrongCall
        if the bundle cannot be read
    """
    content = _unpacked(bundle).get(ABOUT) if bundle else None
    found = json.loads(content) if content else {}
    return {name: str(value) for name, value in found.items()}


def configuration(wanted: Wanted) -> str:
    """Return the first configuration of a gateway; nodes and ponds come by enrolment."""
    tls = wanted.layout.tls
    cloud = about(wanted.bundle).get("cloud")
    return (
        f'[gateway]\nid = "{wanted.identity}"\ndatabase = "{wanted.layout.data}/gateway/gateway.db"\n\n'
        f'[mqtt]\nhost = "localhost"\nport = {wanted.layout.port}\nca_file = "{tls}/ca.crt"\n'
        f'cert_file = "{tls}/gateway.crt"\nkey_file = "{tls}/gateway.key"\n'
        + (f'\n[cloud]\nurl = "{cloud}"\ntoken_file = "{tls}/{TOKEN}"\n' if cloud else "")
    )


def _configuration(wanted: Wanted) -> list[str]:
    if not wanted.config.exists():
        return [str(wanted.config)]
    cloud = about(wanted.bundle).get("cloud")
    return ["[cloud]"] if cloud and "cloud" not in tomlkit.parse(wanted.config.read_text(encoding="utf-8")) else []


def _configure(wanted: Wanted) -> None:
    text = configuration(wanted)
    if wanted.config.exists():  # the cloud was told of the gateway after its first bundle; all else stays as it is
        document = tomlkit.parse(wanted.config.read_text(encoding="utf-8"))
        document["cloud"] = tomlkit.parse(text)["cloud"]
        text = tomlkit.dumps(document)
    write_whole(wanted.config, text.encode())
    if booted():
        _stop()


def _zone(_: Wanted) -> list[str]:
    here = Path("/etc/localtime")
    return [] if here.is_symlink() and here.resolve() == ZONE.resolve() else [str(here)]


def _set_zone(_: Wanted) -> None:
    here = Path("/etc/localtime")
    here.unlink(missing_ok=True)
    here.symlink_to(ZONE)
    Path("/etc/timezone").write_text("Asia/Ho_Chi_Minh\n", encoding="utf-8")


def _pin(wanted: Wanted) -> list[str]:
    import sqlite3  # noqa: PLC0415
    from contextlib import closing  # noqa: PLC0415

    from gateway.lan.entries import beside  # noqa: PLC0415

    database = beside(wanted.layout.data / "gateway" / "gateway.db")
    if wanted.pin is None:
        return []
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            count = connection.execute("SELECT count(*) FROM pins WHERE role = 'farmer'").fetchone()[0]
    except sqlite3.Error as error:
        _LOG.info("%s: %s", database, error)
        return ["PIN"]
    return [] if count else ["PIN"]  # it is kept hashed; a new one is set with `vuong gateway pin`


def _set_pin(wanted: Wanted) -> None:
    # As the gateway's own user, whose database it is.
    command(
        "runuser", "-u", wanted.layout.gateway_user, "--", str(wanted.layout.vuong), "gateway", "pin", "--config", str(wanted.config),
        give=f"{wanted.pin}\n",
    )  # fmt: skip


def _says_yes(*words: str) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0  # noqa: S603 (fixed words)


def _services(_: Wanted) -> list[str]:
    found = []
    for name in SERVICES:
        enabled = _says_yes("systemctl", "is-enabled", name)
        if not enabled or (booted() and not _says_yes("systemctl", "is-active", name)):
            found.append(name)
    return found


def _start(wanted: Wanted) -> None:
    missing = _services(wanted)
    command("systemctl", "enable", *missing)
    if booted():
        command("systemctl", "restart", *missing)


STEPS: Final = (
    Step("packages", _packages, _install),
    Step("users", _users, _add_users),
    Step("folders", _missing_folders, _make_folders),
    Step("files", _stale, _write_files),
    Step("certificates", _certificates, _install_certificates),
    Step("config", _configuration, _configure),
    Step("zone", _zone, _set_zone),
    Step("pin", _pin, _set_pin),
    Step("services", _services, _start),
)
