"""ngspice itself on a deck's own text, for decks that are trusted."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from analogpnn.errors import ConvergenceError, SimulatorError
from analogpnn.netlist.includes import decode, read_bytes
from analogpnn.netlist.netlist import Netlist

OPTIONS = ".options reltol=1e-9 vntol=1e-12 abstol=1e-15 itl1=1000"
_ANALYSES = re.compile(
    r"\s*\.(op|dc|tran|ac|print|plot|save|probe|meas|measure|four|noise|tf|sens|pz|disto|step|backanno)\b", re.I
)
_FORMAT = re.compile(r"\s*\.opt\w*\s.*filetype", re.I)
_INCLUDE = re.compile(r"(\s*\.(?:include|inc|lib)\s+)(\"[^\"]+\"|'[^']+'|\S+)(.*)", re.I)
_POLY = re.compile(r"a\$poly\$(.+)")


@dataclass(frozen=True)
class OriginalDeck:
    """A deck's text and the folder its files are looked for in."""

    text: str
    folder: Path

    @classmethod
    def from_netlist(cls, netlist: Netlist) -> OriginalDeck:
        return cls(netlist.text, Path(netlist.path).parent.resolve())

    @classmethod
    def from_file(cls, path: str | Path) -> OriginalDeck:
        return cls(decode(read_bytes(Path(path)))[0], Path(path).parent.resolve())

    def lines(self) -> list[str]:
        """The deck with tight tolerances and one analysis, the operating point."""
        first, *rest = self.text.splitlines() or [""]
        lines, control = ["deck"], False
        for line in rest:
            word = line.strip().lower()
            control = control or word.startswith(".control")
            if word == ".end":
                break
            if not (control or _ANALYSES.match(line) or _FORMAT.match(line) or word.startswith("*#")):
                match = _INCLUDE.match(line)
                lines.append(self._absolute(match) if match else line)
            if word.startswith(".endc"):
                control = False
        return [*lines, OPTIONS, ".op", ".end", ""]

    def _absolute(self, match: re.Match) -> str:
        path = self.folder / match[2].strip("\"'")
        return f'{match[1]}"{path}"{match[3]}' if path.exists() else match[0]


def run_original(deck: OriginalDeck, timeout: float = 60.0) -> dict[str, float]:
    """Node voltages ``v(...)`` and branch currents ``i(...)`` of the operating point.

    Raises
    ------
    SimulatorError
        The program is missing, or refuses the deck.
    ConvergenceError
        It finds no operating point.
    """
    program = shutil.which("ngspice")
    if program is None:
        raise SimulatorError("the ngspice program is not installed", cure="apt install ngspice")
    with tempfile.TemporaryDirectory() as folder:
        path, raw = Path(folder) / "deck.cir", Path(folder) / "deck.raw"
        path.write_text("\n".join(deck.lines()), errors="surrogateescape")
        try:
            done = subprocess.run(
                [program, "-n", "-b", "-r", str(raw), str(path)],
                capture_output=True, timeout=timeout, cwd=folder, env={**os.environ, "SPICE_ASCIIRAWFILE": "1"},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise ConvergenceError(f"ngspice found nothing in {timeout:g} s") from None
        said = (done.stdout + done.stderr).decode("latin-1")
        found = _read(raw.read_bytes().decode("latin-1")) if raw.exists() else {}
    if found:
        return found
    if re.search(r"iteration limit|timestep too small|no convergence|singular matrix", said, re.I):
        raise ConvergenceError("ngspice found no operating point")
    reasons = [line.strip() for line in said.splitlines() if re.search(r"error|unknown|can't|undefined", line, re.I)]
    raise SimulatorError(f"ngspice refuses the deck: {' | '.join(reasons[:2])[:200] or 'it does not say why'}")


def _read(text: str) -> dict[str, float]:
    match = re.search(r"Variables:\s*\n(.*?)Values:\s*\n(.*)", text, re.DOTALL)
    if match is None:
        return {}
    names = [line.split()[1] for line in match[1].strip().splitlines()]
    numbers = [float(word) for word in match[2].split()[1:]]
    found = {}
    for name, value in zip(names, numbers):
        kind, inner = name[0], name[2:-1] if name[1:2] == "(" else name
        poly = _POLY.fullmatch(inner)  # a POLY is a code model in ngspice, and that has the current
        found[f"{kind}({poly[1] if poly else inner})"] = value
    return found
