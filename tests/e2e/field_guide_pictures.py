"""Make the pictures of docs/field-guide.md: what the commands really print in a rehearsal, in both languages.

usage: python tests/e2e/field_guide_pictures.py DIR
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.text import Text
from ten_minutes import NODE, PIN, POND, TECHNICIAN, Rehearsal  # it makes `tests` importable

from tests.provisioning import firmware_files


def widened(text: str) -> str:
    """Make the column of a table that holds ``localhost`` as wide as the name that takes its place needs."""
    at = next((line.index("localhost") for line in text.splitlines() if line.startswith("│") and "localhost" in line), None)
    if at is None:
        return text
    lines, end = [], at + len("localhost")
    for line in text.splitlines():
        if line[:1] in set("┏┃┡│└") and "localhost" not in line:
            fill = line[end] if line[end] in "━─" else " "
            lines.append(line[:end] + 2 * fill + line[end:])
        else:
            lines.append(line)
    return "\n".join(lines)


class Photographer(Rehearsal):
    """A rehearsal that keeps what was typed and printed."""

    def __init__(self, folder: Path, target: Path, language: str) -> None:
        super().__init__(folder)
        self.environment["VUONG_LANG"] = language
        self._target, self._language = target, language

    def picture(self, name: str, *words: object) -> None:
        """Run a command and save its screen as ``field-guide-<name>-<language>.svg``."""
        out = self.vuong(*words)
        typed = " ".join(f'"{w}"' if " " in str(w) else str(w) for w in words)
        console = Console(record=True, width=104, file=io.StringIO(), force_terminal=True)
        clean = (f"$ vuong {typed}\n{out}").replace(str(self.folder) + "/", "").replace("laptop/", "~/.vuong/")
        clean = (
            re.sub(r"/\S*/board-\w+/ttyUSB0", "/dev/ttyUSB0", clean)
            .replace(f"http://127.0.0.1:{self.cloud}", "https://vuong.example")
            .replace(f"localhost:{self.port}", "vuong.local")
            .replace("gw-localhost", "gw-vuong")
        )
        clean = widened(clean).replace("localhost", "vuong.local")
        console.print(Text(clean))
        path = self._target / f"field-guide-{name}-{self._language}.svg"
        drawn = console.export_svg(title="vuong", unique_id="p" + name)
        # Its fonts lie on a server somewhere; whoever reads this on a dyke has the fonts of the laptop.
        path.write_text(re.sub(r"@font-face \{.*?\}\n?", "", drawn, flags=re.DOTALL), encoding="utf-8")

    def photograph(self) -> None:
        """Take all pictures."""
        with ExitStack() as ends:
            cloud = self.serve_cloud(ends)
            self.picture("1-ca", "fleet", "init", "--name", "HTX Vĩnh Châu")
            self.picture("1-cloud", "fleet", "cloud", "--url", cloud, "--login", TECHNICIAN)
            self.picture("2-bundle", "fleet", "gateway", "localhost", "--out", self.folder / "bundle.tar")
            self.card()
            self.install()
            self.picture(
                "3-provision", "node", "provision", NODE, "--pond", POND, "--gateway", f"localhost:{self.port}", "--wifi", "pond",
                "--probes", "analog_ph:channel=0",
            )  # fmt: skip
            board = self.board(ends)
            firmware = firmware_files.write(self.folder / "ESP32_GENERIC.bin")
            self.picture(
                "4-flash", "node", "flash", board.port, "--firmware", firmware, "--trust", "--node", NODE, "--label",
                self.folder / "label.png",
            )  # fmt: skip
            (self._target / "field-guide-label.png").write_bytes((self.folder / "label.png").read_bytes())
            self.picture("5-list", "node", "list")
            self.picture("5-sync", "fleet", "sync")

    def card(self) -> None:
        """Take the picture of a card; the wheels are empty files here (`tests/provisioning/test_card.py` has real ones)."""
        wheels = self.folder / "wheels"
        wheels.mkdir()
        for name in ("vuong-0.1.0-py3-none-any.whl", "pip-25.0-py3-none-any.whl"):
            (wheels / name).touch()
        (self.folder / "id_ed25519.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA tam\n", encoding="utf-8")
        (self.folder / "pin.txt").write_text(f"{PIN}\n", encoding="utf-8")
        self.picture(
            "2-card", "gateway", "card", "vuong.local", "--out", self.folder / "bootfs", "--wheels", wheels,
            "--ssh-key", self.folder / "id_ed25519.pub", "--pin-file", self.folder / "pin.txt",
        )  # fmt: skip


if __name__ == "__main__":
    for chosen in ("vi", "en"):
        with tempfile.TemporaryDirectory() as temporary:
            Photographer(Path(temporary), Path(sys.argv[1]), chosen).photograph()
