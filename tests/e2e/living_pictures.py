"""Make the pictures of docs/field-guide.md that show living nodes: calibrate, monitor, doctor, update, at a terminal, in both languages.

usage: python tests/e2e/living_pictures.py DIR

Real and not real: see `tests/provisioning/site.py`.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
import types
from pathlib import Path

from rich.console import Console

if not __package__:  # a script: a library of the gateway brings a package `tests` of its own, which must not be found
    sys.modules["tests"] = types.ModuleType("tests")
    sys.modules["tests"].__path__ = [str(Path(__file__).parents[1])]

from rich.text import Text

from tests.provisioning.site import NODE, OLD, OTHER, Site
from tests.provisioning.terminal import Terminal

COLUMNS = 104
# A used electrode: slope 97 %, offset 8 mV.
SEVEN, FOUR = 8.0, 8.0 + 2.995 * 59.159 * 0.97


class Photographer:
    """Takes the pictures of one language."""

    def __init__(self, site: Site, target: Path, language: str) -> None:
        self._site, self._target, self._language = site, target, language
        site.environment["VUONG_LANG"] = language

    def _at_terminal(self, *words: object) -> Terminal:
        return Terminal(*words, environment=self._site.environment, columns=COLUMNS, lines=40)

    def save(self, name: str, typed: str, terminal: Terminal) -> None:
        """Save a terminal's screen as ``field-guide-<name>-<language>.svg``."""
        console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
        shown = Text.assemble((f"$ vuong {typed}\n", "bold"), terminal.drawn())
        for found, written in (
            (str(self._site.nodes[NODE].port), "/dev/ttyUSB0"),
            (self._site.host, "vuong.local"),
            ("localhost", "vuong.local"),
        ):
            while (at := shown.plain.find(found)) >= 0:
                shown = shown[:at].append(written).append_text(shown[at + len(found) :])
        console.print(shown, end="")
        drawn = console.export_svg(title="vuong", unique_id="p" + name)
        # Its fonts lie on a server somewhere; whoever reads this on a dyke has the fonts of the laptop.
        plain = re.sub(r"@font-face \{.*?\}\n?", "", drawn, flags=re.DOTALL)
        (self._target / f"field-guide-{name}-{self._language}.svg").write_text(plain, encoding="utf-8")

    def calibrate(self) -> None:
        """Go through two buffers, as a technician does."""
        node = self._site.nodes[NODE]
        node.probe(SEVEN)
        terminal = self._at_terminal("node", "calibrate", "--quantity", "ph", "--node", NODE, "--temperature", "28.5")
        for answer in ("", "Lan", "A7-2026"):
            terminal.wait_for("] " if answer != "A7-2026" else "?")
            terminal.type_in(answer)
        for i, millivolts in ((1, SEVEN), (2, FOUR)):
            terminal.wait_for(f"{i}/2: ")
            node.probe(millivolts)
            terminal.wait_for("Enter")
            terminal.type_in("")
        terminal.wait_for("[C/k]" if self._language == "vi" else "[Y/n]")
        terminal.type_in("")
        assert terminal.end() == 0
        self.save("6-calibrate", f"node calibrate --quantity ph --node {NODE} --temperature 28.5", terminal)

    def monitor(self) -> None:
        """Take the live view with both nodes."""
        terminal = self._at_terminal("node", "monitor", "--gateway", self._site.host)
        while sum("7,00" in line or "7.00" in line for line in terminal.lines()) < 2:
            terminal.wait_for("ao-2")
        self.save("7-monitor", "node monitor --gateway vuong.local", terminal)
        terminal.interrupt()
        assert terminal.end() == 0

    def doctor(self) -> None:
        """Examine a node that is well."""
        terminal = self._at_terminal("node", "doctor", "--node", NODE)
        assert terminal.end(60) == 0
        self.save("8-doctor", f"node doctor --node {NODE}", terminal)

    def update(self) -> None:
        """Let one node prove it, and the other follow."""
        terminal = self._at_terminal("node", "update", "--all", "--gateway", self._site.host)
        assert terminal.end(240) == 0
        self.save("9-update", "node update --all --gateway vuong.local", terminal)


def main(target: Path) -> None:
    """Take all pictures, each language at a site of its own."""
    for language in ("vi", "en"):
        with tempfile.TemporaryDirectory() as folder:
            site = Site(Path(folder))
            try:
                site.provision(NODE)
                site.provision(OTHER, pond="ao-2")
                site.start()
                for node in (NODE, OTHER):
                    site.heard(node, OLD)
                photographer = Photographer(site, target, language)
                photographer.monitor()
                photographer.calibrate()
                photographer.doctor()
                photographer.update()
            finally:
                site.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
