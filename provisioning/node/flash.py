"""``vuong node flash``: MicroPython and the node's files onto a board, in one go, and the node's own word that it is well."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from provisioning.board import cable, label, port
from provisioning.board.firmware_file import Firmware, check_pin, read
from provisioning.board.flash import Board, connected
from provisioning.cloud import tell_cloud
from provisioning.failure import Failure
from provisioning.image import build, layout
from provisioning.registry import Registry
from provisioning.session import Session
from provisioning.workspace import read_json
from vuong.clock import SystemClock
from vuong.i18n import number


def _image(board: Board, firmware: Firmware, identity: Path | None) -> tuple[build.Image, bytes]:
    """Return what goes behind MicroPython, and its own file with the partition table that says so."""
    if board.chip != firmware.chip:
        raise Failure("chip", found=board.chip, wanted=firmware.chip, file=firmware.path)
    if firmware.offset + len(firmware.content) > board.flash_size:
        raise Failure("image_large", size=len(firmware.content), room=board.flash_size)
    try:
        room, table = layout.extended(firmware.table, min(board.flash_size, firmware.flash_size))
    except Failure as failure:
        failure.numbers["file"] = firmware.path
        raise
    return build.made(identity, room), firmware.with_table(table)


def _label(session: Session, node: str, pond: str, path: Path) -> None:
    try:
        label.write(node, pond, path)
    except (OSError, ValueError) as error:
        raise Failure("file_unwritable", file=path, problem=error) from None
    session.say("flash.label", file=path)


def _installed(session: Session, node: str, heard: dict[str, Any]) -> None:
    """Note which program the node runs since when, and tell the cloud where it can be reached."""
    registry = Registry(session.workspace)
    if node in registry.nodes:
        new = {"firmware": heard.get("firmware"), "installed": int(SystemClock().now()), "cloud_pending": True}
        registry.nodes[node].update(new)
        registry.save()
        tell_cloud(session, registry)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Check, write, verify, restart, listen."""
    firmware = read(arguments.firmware)
    check_pin(firmware, session.workspace.pins, given=arguments.sha256, trust=arguments.trust)
    identity = session.workspace.node(arguments.node) if arguments.node else None
    where = port.find(arguments.port)
    session.say("flash.connecting", port=where)
    with connected(where) as board:
        session.say("flash.found", chip=board.chip, size=board.flash_size // layout.MIB, version=firmware.version_text)
        if not firmware.in_place:
            session.say("flash.heap")
        image, system = _image(board, firmware, identity)
        told: dict[str, Any] = {
            "ok": True,
            "port": where,
            "chip": board.chip,
            "flash_size": board.flash_size,
            "micropython": firmware.version_text,
            "in_place": firmware.in_place,
            "image": build.summary(image),
        }
        if arguments.dry_run:
            session.say("flash.dry")
            session.result({**told, "written": False})
            return
        with session.progress("flash.writing", 100) as report:
            board.write([(firmware.offset, system), (image.layout.rom, image.content)], report)
        session.say("flash.verified", free=number(image.free / 1024, 0, session.language))
        board.restart()
    heard = cable.self_test(where, arguments.wait)
    faults = cable.faults(heard)
    if identity is None:  # a board without an identity cannot have these
        faults = {name: fault for name, fault in faults.items() if name not in {"config", "certificate"}}
    if faults:
        raise Failure("self_test", faults="; ".join(f"{name}: {fault}" for name, fault in faults.items()))
    session.say("flash.well", firmware=heard.get("firmware"), heap=number(heard["free_heap"] / 1024, 0, session.language))
    if arguments.node:
        _installed(session, arguments.node, heard)
    if arguments.node and arguments.label:
        pond = str(read_json(session.workspace.node(arguments.node) / "config.json").get("pond", ""))
        _label(session, arguments.node, pond, arguments.label)
    session.result({**told, "written": True, "self_test": heard})
