"""``vuong node build``: what lies in a node's flash behind MicroPython, program and file system, as one file."""

from __future__ import annotations

import argparse
from pathlib import Path

from provisioning.failure import Failure
from provisioning.image import build, layout
from provisioning.session import Session
from provisioning.workspace import write_whole
from vuong.i18n import number


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Write the image and tell its size and what is left for readings."""
    identity = session.workspace.node(arguments.node) if arguments.node else None
    chosen = layout.known(arguments.layout, arguments.flash_size * layout.MIB)
    image = build.made(identity, chosen)
    out: Path = arguments.out or Path(f"{arguments.node or 'vuong'}-{chosen.name}.image")
    try:
        write_whole(out, image.content, 0o600 if identity else 0o644)  # it holds the node's key
    except OSError as error:
        raise Failure("file_unwritable", file=out, problem=error.strerror or error) from None
    found = build.summary(image)

    def kib(size: int) -> str:
        return number(size / 1024, 0, session.language)

    session.say(
        "build.done", file=out, files=found["files"], size=kib(found["size"]), used=kib(found["used"]), free=kib(found["free"])
    )
    session.say("build.where", layout=found["layout"], offset=f"0x{found['offset']:x}", sha256=found["sha256"])
    session.say(
        "build.table",
        rom=f"0x{chosen.rom:x}",
        rom_size=f"0x{2 * layout.HALF:x}",
        vfs=f"0x{chosen.offset:x}",
        size=f"0x{chosen.size:x}",
    )
    session.result({"ok": True, "file": str(out), **found})
