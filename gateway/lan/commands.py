"""``vuong gateway lan``, ``pin``, ``pair``, ``devices``."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vuong import clock
from vuong.command import CommandError
from vuong.i18n import moment, terminal_language

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.lan.access import Access

_ROLES = ("viewer", "farmer", "technician")
_DEFAULT = Path("/etc/vuong/gateway.toml")


def register(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add them to the gateway's commands."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--config", type=Path, default=_DEFAULT, metavar="FILE", help="the gateway's TOML file (default: %(default)s)"
    )

    def add(name: str, help: str, examples: str) -> argparse.ArgumentParser:  # noqa: A002
        return actions.add_parser(
            name,
            parents=[shared],
            help=help,
            description=help[0].upper() + help[1:] + ".",
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    lan = add(
        "lan",
        "serve page and API for phones on the pond's own network until stopped",
        "  vuong gateway lan\n  vuong gateway lan --config gateway.toml --no-announce\n",
    )
    lan.add_argument("--clock", metavar="ANCHOR,START,FACTOR", help="a clock that runs FACTOR times as fast (demo)")
    lan.add_argument("--no-announce", action="store_true", help="do not tell the network by mDNS (_vuong._tcp)")
    lan.set_defaults(run=_lan)

    pin = add(
        "pin",
        "set the PIN by which people sign in on the page; it is asked for twice, or read from standard input",
        "  sudo vuong gateway pin\n  sudo vuong gateway pin --role technician\n  echo 493817 | sudo vuong gateway pin\n",
    )
    pin.add_argument("--role", choices=_ROLES, default="farmer", help="what who knows it may do (default: %(default)s)")
    pin.set_defaults(run=_pin)

    pair = add(
        "pair",
        "print a QR code that signs one phone in, once, within ten minutes",
        "  sudo vuong gateway pair --name 'Cô Sáu'\n  sudo vuong gateway pair --role technician --png pair.png\n",
    )
    pair.add_argument("--role", choices=_ROLES, default="farmer", help="what the phone may do (default: %(default)s)")
    pair.add_argument("--name", default="", help="what the phone is called; it stands beside what it acknowledges")
    pair.add_argument("--png", type=Path, metavar="FILE", help="write the code as a picture too; delete it afterwards")
    pair.add_argument("--url", help="address of the page, where the found one is not the right one (http://192.168.4.1:8080)")
    pair.add_argument("--json", action="store_true", help="print one JSON object with address and code instead of the picture")
    pair.set_defaults(run=_pair)

    devices = add(
        "devices",
        "list the phones and browsers that are signed in, or take one's right away",
        "  sudo vuong gateway devices\n  sudo vuong gateway devices --revoke 3f9a01c2\n",
    )
    devices.add_argument("--revoke", metavar="ID", help="the device with this id must sign in anew")
    devices.add_argument("--json", action="store_true", help="print one JSON object")
    devices.set_defaults(run=_devices)


def _load(path: Path) -> Config:
    from gateway.config import ConfigError, load  # noqa: PLC0415 - the libraries of this extra are loaded by whoever needs them

    try:
        return load(path)
    except ConfigError as error:
        raise CommandError(str(error)) from None


@contextmanager
def _access(config: Config) -> Iterator[Access]:
    from gateway.lan.access import Access  # noqa: PLC0415
    from gateway.lan.entries import Entries  # noqa: PLC0415
    from gateway.store.schema import StoreError  # noqa: PLC0415

    try:
        entries = Entries(config.database)
    except StoreError as error:
        raise CommandError(str(error)) from None
    try:
        yield Access(entries.connection)
    finally:
        entries.close()


def _lan(arguments: argparse.Namespace) -> int:
    from gateway.lan.server import LanError, run  # noqa: PLC0415
    from gateway.store.schema import StoreError  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        chosen = clock.parse(arguments.clock)
    except ValueError as error:
        raise CommandError(f"--clock: {error}") from None
    try:
        asyncio.run(run(_load(arguments.config), chosen, announced=not arguments.no_announce))
    except (LanError, StoreError) as error:
        raise CommandError(str(error)) from None
    return 0


def _pin(arguments: argparse.Namespace) -> int:
    from gateway.lan.access import AccessError  # noqa: PLC0415

    config = _load(arguments.config)
    if sys.stdin.isatty():
        pin = getpass.getpass("PIN: ")
        if getpass.getpass("PIN (2): ") != pin:
            raise CommandError("the two PINs differ; nothing was changed")
    else:
        pin = sys.stdin.readline().strip()
    with _access(config) as access:
        try:
            access.set_pin(pin, arguments.role, clock.SystemClock().now())
        except AccessError as error:
            raise CommandError(str(error)) from None
    sys.stderr.write(f"the PIN of role {arguments.role} is set\n")
    return 0


def _pair(arguments: argparse.Namespace) -> int:
    import segno  # noqa: PLC0415

    from gateway.lan.access import CODE_SECONDS  # noqa: PLC0415
    from gateway.lan.discovery import served_addresses  # noqa: PLC0415
    from gateway.lan.texts import ui  # noqa: PLC0415

    config = _load(arguments.config)
    base = arguments.url
    if base is None:
        reached = served_addresses(config.lan.host)
        if not reached:
            raise CommandError("this machine has no address on a network yet; connect it, or give --url")
        base = f"{'https' if config.lan.cert_file else 'http'}://{reached[0]}:{config.lan.port}"
    with _access(config) as access:
        code = access.pairing_code(arguments.role, arguments.name, clock.SystemClock().now())
    address = f"{base.rstrip('/')}/pair?code={code}"
    picture = segno.make(address, micro=False)
    if arguments.png:
        arguments.png.touch(mode=0o600)
        picture.save(str(arguments.png), kind="png", scale=8, border=4)
    if arguments.json:
        sys.stdout.write(json.dumps({"url": base, "code": code, "address": address, "seconds": CODE_SECONDS}) + "\n")
        return 0
    sys.stdout.write(ui("pair.scan", terminal_language(), minutes=CODE_SECONDS // 60) + "\n\n")
    picture.terminal(out=sys.stdout, compact=True)
    sys.stdout.write(f"\n{address}\n")
    return 0


def _devices(arguments: argparse.Namespace) -> int:
    with _access(_load(arguments.config)) as access:
        if arguments.revoke is not None and not access.revoke(arguments.revoke):
            raise CommandError(f"there is no device {arguments.revoke!r}; `vuong gateway devices` lists them")
        found = access.devices()
    if arguments.json:
        rows = [
            {"id": d.id, "name": d.name, "role": d.role, "created": d.created, "expires": d.expires, "seen": d.seen}
            for d in found
        ]
        sys.stdout.write(json.dumps({"devices": rows}, ensure_ascii=False) + "\n")
        return 0
    for device in found:
        seen = moment(device.seen, "%d/%m/%Y %H:%M")
        sys.stdout.write(f"{device.id}  {device.role:<10}  {seen}  {device.name}\n")
    return 0
