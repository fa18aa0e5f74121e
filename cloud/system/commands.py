"""``vuong cloud system``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cloud.system.files import INSTALLED, Server, system_files
from vuong.command import CommandError


def register(own: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = own.add_parser(
        "system",
        help="write what a server needs around the cloud: a service with a user of its own, a proxy with TLS",
        epilog="examples:\n  vuong cloud system vuong.htx.example --root /\n  vuong cloud system vuong.htx.example --root ./look",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", help="by which people ask for the server")
    parser.add_argument("--root", type=Path, required=True, help="write below this folder: / installs; what is there is replaced")
    parser.add_argument("--certificate", type=Path, help="PEM, with its chain (default: where certbot leaves it)")
    parser.add_argument("--key", type=Path, help="PEM (default: where certbot leaves it)")
    parser.add_argument("--vuong", type=Path, default=INSTALLED, help="the installed command (default: %(default)s)")
    parser.set_defaults(run=_write)


def _write(arguments: argparse.Namespace) -> int:
    server = Server(name=arguments.name, certificate=arguments.certificate, key=arguments.key, vuong=arguments.vuong)
    try:
        files = system_files(server)
        for place, text in files.items():
            file = arguments.root / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{file}\n")
    except (ValueError, OSError) as error:
        raise CommandError(str(error)) from None
    sys.stderr.write(
        "then: systemd-sysusers; systemctl daemon-reload; systemctl enable --now vuong-cloud@serve; nginx -t; systemctl reload nginx\n"
    )
    return 0
