"""What goes into the node's image, and how it is made smaller."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from firmware.build import build, modules
from firmware.shorten import shorten


def run(sources: dict[str, str], folder: Path, program: str) -> str:
    """Return what a program prints that finds modules with these sources."""
    root = Path(tempfile.mkdtemp(dir=folder))
    for name, text in sources.items():
        path = root / (name.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return subprocess.run([sys.executable, "-S", "-c", program], cwd=root, capture_output=True, text=True, check=True).stdout


def test_everything_of_the_image_compiles_for_micropython(tmp_path: Path) -> None:
    made = build(tmp_path)
    assert {path.with_suffix("") for path in made} >= {(tmp_path / path).with_suffix("") for path in modules()}
    assert not [path for path in made if path.stem in {"build", "boundaries"}]
    assert sum(path.stat().st_size for path in made) < 100_000


def test_the_image_needs_nothing_that_is_not_in_it(tmp_path: Path) -> None:
    """Import every module with nothing but the image's sources on the path."""
    root = Path(__file__).parents[2]
    for path in modules():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((root / path).read_bytes())
    names = [path.with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__") for path in modules()]
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import importlib\nfor name in {names}: importlib.import_module(name)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_the_node_needs_no_name_for_loses_it_and_nothing_else(tmp_path: Path) -> None:
    sources = {
        "small.table": (
            "TYPE_CHECKING = False\n"
            "if TYPE_CHECKING:\n"
            "    from typing import Any\n"
            "LIMIT, _STEP = 3, 1\n"
            "WIDE = 16 * LIMIT\n"
            "ROWS = {'a': LIMIT}\n"
            "def of(name: str, number: int, *, most: int = WIDE) -> str:\n"
            "    return f'{name} {min(number + _STEP, most)}'\n"
        ),
        "small.user": (
            "from small import table\n"
            "from small.table import LIMIT, of\n"
            "class A:\n"
            "    def __init__(self, value: int) -> None:\n"
            "        self._value, self.shown = value, f'{value:.1f} of {LIMIT}'\n"
            "        self._other: int = _twice(self._value)\n"
            "    def sum(self, error: str, names: 'list[str]') -> str:\n"
            "        def inner(name: str) -> str:\n"
            "            return name + error\n"
            "        try:\n"
            "            found = [inner(name) for name in names] + [{}['none']]\n"
            "        except KeyError as error:\n"
            "            found = [str(error), table.of('wide', 99), of(name='narrow', number=1, most=table.LIMIT)]\n"
            "        return f'{self._value + self._other} {self.shown} {found} {table.ROWS}'\n"
            "def _twice(n: int) -> int:\n"
            "    return 2 * n\n"
        ),
    }
    made = shorten(sources, {})
    assert not re.search("LIMIT|WIDE|_STEP|TYPE_CHECKING|typing", made["small.table"] + made["small.user"])
    assert not re.search("_value|_twice|names|[*],", made["small.user"])
    assert "shown" in made["small.user"]
    assert "name" in made["small.table"]  # a call says it
    program = "from small.user import A; print(A(2).sum('!', ['x']))"
    assert run(sources, tmp_path, program) == "6 2.0 of 3 [\"'none'\", 'wide 48', 'narrow 2'] {'a': 3}\n"
    assert run(made, tmp_path, program) == run(sources, tmp_path, program)
    with pytest.raises(ValueError, match="line 1"):
        shorten({"a": "from firmware.node import _secret\nROWS = [_secret]\n"}, {})


def test_joined_modules_do_what_they_did_apart(tmp_path: Path) -> None:
    sources = {
        "small.clock": (
            "import json\n"
            "__all__ = ['parse']\n"
            "_TEXT = [1]\n"
            "def parse(text: str) -> int:\n"
            "    return json.loads(text) + _TEXT[0]\n"
            "def late() -> int:\n"
            "    return 7\n"
        ),
        "small.order": (
            "from small.clock import late\n"
            "__all__ = ['parse']\n"
            "_TEXT = [20]\n"
            "def parse(text: str) -> int:\n"
            "    return int(text) + _TEXT[0] + late()\n"
            "class Box:\n"
            "    def parse(self) -> int:\n"
            "        return parse('3') + self._twice(_TEXT[0])\n"
            "    def _twice(self, n: int) -> int:\n"
            "        return 2 * n\n"
        ),
        "small.whole": (
            "from small import clock, order\n"
            "from small.order import Box\n"
            "import json\n"
            "def tell() -> 'list[int]':\n"
            "    from small.clock import late as later\n"
            "    return [clock.parse('1'), order.parse('1'), Box().parse(), later(), json.loads('5')]\n"
        ),
        "small.user": (
            "from small import whole, order\n"
            "from small.clock import parse as first\n"
            "def tell() -> 'list[int]':\n"
            "    from small.order import parse\n"
            "    return whole.tell() + [parse('1'), first('1'), order.Box().parse()]\n"
        ),
    }
    made = shorten(sources, {"small.whole": ("small.clock", "small.order", "small.whole")})
    assert re.fullmatch(r"from small.whole import _\d as Box, _\d as late, order_parse as parse", made["small.order"])
    program = "import sys; from small import user; print(user.tell(), 'small.clock' in sys.modules)"
    assert run(sources, tmp_path, program) == "[2, 28, 70, 7, 5, 28, 2, 70] True\n"
    assert run(made, tmp_path, program) == "[2, 28, 70, 7, 5, 28, 2, 70] False\n"
    assert run(made, tmp_path, "from small.order import parse, late; print(parse('1'), late())") == "28 7\n"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("print(3)\n", "small.b, line 1: only definitions"),
        (
            "__all__ = ['late']\ndef parse(late):\n    return late\ndef late():\n    return 3\n",
            "small.b, parse: late: a name of the module",
        ),
        ("def early():\n    return 2\n", "small.c, line 2: small.b does not define late"),
        ("import json as late\nROWS = [late]\n", "small.a, small.b: one name is imported for two things"),
    ],
    ids=["does", "hides", "lacks", "two"],
)
def test_what_cannot_be_joined_is_refused(source: str, reason: str) -> None:
    first = "import os as late\nSHELF = [late]\n" if "import" in source else "__all__ = ['late']\ndef late():\n    return 1\n"
    sources = {"small.a": first, "small.b": source}
    if "small.c" in reason:
        sources["small.c"] = "from small import a, b\nBOTH = [a.late, b.late]\n"
    with pytest.raises(ValueError, match=reason):
        shorten(sources, {"small.all": ("small.a", "small.b")})
