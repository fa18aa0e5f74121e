"""The card's files: cloud-init's for Raspberry Pi OS trixie, ``firstrun.sh`` for bookworm, and what both start.

JSON is YAML too, and cloud-init reads it.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from provisioning.failure import WrongCall

SYSTEMS: Final = ("trixie", "bookworm")
PYTHON: Final = {"trixie": "3.13", "bookworm": "3.11"}
BOOT: Final = "/boot/firmware"
WIRELESS: Final = "/etc/NetworkManager/system-connections/vuong.nmconnection"
UNIT: Final = "vuong-first-start.service"
# Raspberry Pi OS bookworm runs `firstrun.sh` when the kernel is told to.
CMDLINE: Final = f" systemd.run={BOOT}/firstrun.sh systemd.run_success_action=reboot systemd.unit=kernel-command-line.target"
_NO_PASSWORD: Final = "*"  # noqa: S105 - nothing hashes to it
_NAME: Final = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_USER: Final = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_KEY: Final = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+|sk-\S+) [A-Za-z0-9+/=]+( [^\n]*)?")


@dataclass(frozen=True, slots=True)
class Machine:
    """What the Raspberry Pi is to be.

    Attributes
    ----------
    host : its name
    user : who signs in by SSH
    password : hashed for ``/etc/shadow``; ``None``: by key only
    key : public SSH key
    ssid, psk, country : Wi-Fi, its key (`pairwise_key`), and whose radio rules hold
    """

    host: str
    user: str
    password: str | None = None
    key: str | None = None
    ssid: str | None = None
    psk: str | None = None
    country: str = "VN"


def pairwise_key(ssid: str, passphrase: str) -> str:
    """Return WPA2's key of a network (hex), so that the passphrase itself is not on the card; IEEE 802.11-2020, annex J.4.

    Raises
    ------
    WrongCall
        if name or passphrase cannot be a Wi-Fi's
    """
    if not 1 <= len(ssid.encode()) <= 32:
        raise WrongCall("ssid", value=ssid)
    if not 8 <= len(passphrase.encode()) <= 63:
        raise WrongCall("wifi_password", ssid=ssid, length=len(passphrase))
    return hashlib.pbkdf2_hmac("sha1", passphrase.encode(), ssid.encode(), 4096, 32).hex()


def check(machine: Machine) -> None:
    """Refuse what a system would refuse later, where nobody sees it.

    Raises
    ------
    WrongCall
        naming field, value and remedy
    """
    if not _NAME.fullmatch(machine.host):
        raise WrongCall("card_host", value=machine.host)
    if not _USER.fullmatch(machine.user) or machine.user in {"root", "vuong", "mosquitto"}:
        raise WrongCall("card_user", value=machine.user)
    if machine.key is not None and not _KEY.fullmatch(machine.key):
        raise WrongCall("card_key", value=machine.key[:40])
    if not machine.key and not machine.password:
        raise WrongCall("card_no_login")
    if not re.fullmatch(r"[A-Z]{2}", machine.country):
        raise WrongCall("card_country", value=machine.country)


def shipped(name: str) -> str:
    """Return one of this folder's own files."""
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def user_data(machine: Machine) -> str:
    """Return cloud-init's ``user-data``."""
    user: dict[str, Any] = {
        "name": machine.user,
        "groups": "adm,dialout,sudo,users,netdev,gpio,i2c",
        "shell": "/bin/bash",
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "lock_passwd": machine.password is None,
    }
    if machine.password:
        user["passwd"] = machine.password
    if machine.key:
        user["ssh_authorized_keys"] = [machine.key]
    document: dict[str, Any] = {
        "hostname": machine.host,
        "manage_etc_hosts": True,
        "timezone": "Asia/Ho_Chi_Minh",
        "ssh_pwauth": machine.password is not None,
        "users": [user],
        "runcmd": [
            ["systemctl", "enable", "--now", "ssh"],
            ["install", "-m", "644", f"{BOOT}/vuong/{UNIT}", f"/etc/systemd/system/{UNIT}"],
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", UNIT],
            ["systemctl", "start", "--no-block", UNIT],
        ],
    }
    if machine.ssid:
        place = {"path": WIRELESS, "owner": "root:root", "permissions": "0600", "content": wireless(machine)}
        document["write_files"] = [place]
        radio = [["raspi-config", "nonint", "do_wifi_country", machine.country], ["nmcli", "connection", "reload"]]
        document["runcmd"] = [*radio, *document["runcmd"]]
    return "#cloud-config\n" + json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def wireless(machine: Machine) -> str:
    """Return NetworkManager's description of the Wi-Fi; the name as bytes, which needs no escaping."""
    name = "".join(f"{byte};" for byte in (machine.ssid or "").encode())
    return (
        "[connection]\nid=vuong\ntype=wifi\nautoconnect=true\n\n"
        f"[wifi]\nmode=infrastructure\nssid={name}\n\n"
        f"[wifi-security]\nkey-mgmt=wpa-psk\npsk={machine.psk}\n\n"
        "[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n"
    )


def first_run(machine: Machine) -> str:
    """Return bookworm's ``firstrun.sh``."""
    values = {
        "HOST": machine.host,
        "USER": machine.user,
        "PASSWORD": machine.password or _NO_PASSWORD,
        "KEY": machine.key or "",
        "SSID": machine.ssid or "",
        "PSK": machine.psk or "",
        "COUNTRY": machine.country,
    }
    return re.sub(r"@([A-Z]+)@", lambda found: shlex.quote(values[found[1]]), shipped("firstrun.sh"))


def files(machine: Machine, system: str) -> dict[str, str]:
    """Return the text files of a card by their path on the boot partition."""
    both = {f"vuong/{UNIT}": shipped(UNIT), "vuong/install.sh": shipped("install.sh")}
    if system == "bookworm":
        return both | {"firstrun.sh": first_run(machine)}
    identity = hashlib.sha256(user_data(machine).encode()).hexdigest()[:16]
    return both | {
        "user-data": user_data(machine),
        "meta-data": json.dumps({"instance-id": f"vuong-{identity}"}) + "\n",
    }
