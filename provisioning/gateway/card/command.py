"""``vuong gateway card``: prepare a card on the laptop; the Raspberry Pi makes itself a gateway when it first starts."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

import bcrypt

from provisioning import secrets
from provisioning.failure import Failure, WrongCall
from provisioning.fleet.gateway import HOST, identity_of, make
from provisioning.gateway.card.files import CMDLINE, PYTHON, Machine, check, files, pairwise_key
from provisioning.gateway.card.wheels import fetch, missing
from provisioning.node.provision import ask_passphrase
from provisioning.session import Session

_LONGEST = 72  # what bcrypt takes, B


def _machine(arguments: argparse.Namespace, session: Session, host: str) -> Machine:
    psk = None
    if arguments.wifi:
        typed = secrets.ask(session, "ask.wifi", file=arguments.wifi_password_file, variable="VUONG_WIFI_PASSWORD")
        psk = pairwise_key(arguments.wifi, typed)
        session.mask.add(psk)
    hashed = None
    if arguments.password_file:
        typed = secrets.ask(session, "ask.card_password", file=arguments.password_file)
        if not 8 <= len(typed.encode()) <= _LONGEST:
            raise WrongCall("card_password", length=len(typed.encode()), longest=_LONGEST)
        hashed = bcrypt.hashpw(typed.encode(), bcrypt.gensalt(10)).decode()
        session.mask.add(hashed)
    key = None
    if arguments.ssh_key:
        try:
            key = arguments.ssh_key.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise WrongCall("file_unreadable", file=arguments.ssh_key, problem=error) from None
    found = Machine(host.partition(".")[0], arguments.user, hashed, key, arguments.wifi, psk, arguments.country)
    check(found)
    return found


def _wheels(arguments: argparse.Namespace, session: Session) -> Path:
    folder: Path = arguments.wheels
    if arguments.download:
        session.say("card.fetching", place=folder)
        fetch(folder, PYTHON[arguments.system])
    if lacking := missing(folder):
        raise WrongCall("wheels_missing", place=folder, missing=", ".join(lacking))
    return folder


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Write the card's files."""
    hosts = [host.strip() for host in arguments.host.split(",")]
    if not all(HOST.fullmatch(host) for host in hosts):
        raise WrongCall("gateway_host", value=arguments.host)
    machine, identity = _machine(arguments, session, hosts[0]), arguments.id or identity_of(hosts[0])
    pin = secrets.ask(session, "ask.pin", file=arguments.pin_file) if arguments.pin_file else None
    wheels = _wheels(arguments, session)
    bundle = make(session, hosts, identity, ask_passphrase(arguments, session))
    out: Path = arguments.out
    try:
        (out / "vuong").mkdir(parents=True, exist_ok=True)
        for name, text in files(machine, arguments.system).items():
            _write(out / name, text.encode())
        _write(out / "vuong/bundle.tar", bundle)
        if pin:
            _write(out / "vuong/pin", f"{pin}\n".encode())
        _copy(wheels, out / "vuong/wheels", "*.whl")
        if arguments.debs:
            _copy(arguments.debs, out / "vuong/debs", "*.deb")
        if arguments.system == "bookworm":
            _append(out / "cmdline.txt")
    except OSError as error:
        raise Failure("file_unwritable", file=error.filename or out, problem=error.strerror or error) from None
    session.say("card.done", place=out, host=hosts[0], system=arguments.system)
    session.say("card.secret", place=out)
    if not arguments.debs:
        session.say("card.no_debs")
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    session.result({"ok": True, "folder": str(out), "id": identity, "system": arguments.system, "files": written})


def _write(path: Path, content: bytes) -> None:
    """Write a file that nobody else may read; a card's FAT knows no rights and lets none be set."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _copy(source: Path, target: Path, pattern: str) -> None:
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    for file in sorted(source.glob(pattern)):
        shutil.copyfile(file, target / file.name)


def _append(cmdline: Path) -> None:
    """Have the kernel told of ``firstrun.sh``: in the card's own file where it is there, else beside it, to be appended by hand."""
    if not cmdline.exists():
        _write(cmdline.with_name("cmdline.add"), CMDLINE.encode())
        return
    text = cmdline.read_text(encoding="utf-8").rstrip("\n")
    if CMDLINE not in text:
        _write(cmdline, (text + CMDLINE + "\n").encode())
