"""Does stock ngspice see what training saw?

Two ways to ask: `replay` sends every sample through an engine and compares the outputs; `run_bench` runs an
exported test bench with ``ngspice -b``, as a stranger without this package would.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from analogpnn.errors import NetlistError, SimulatorError
from analogpnn.export.testbench import MARK

TOLERANCE = 1e-5
"""Largest deviation that passes when nobody asks for another [V]: ten times what the engines differ by."""


@dataclass(frozen=True, eq=False)
class Replay:
    """Outputs of an engine against those that training saw.

    Parameters
    ----------
    deviations : ndarray, shape (n_samples, n_outputs)
        |engine - expected| [V].
    tolerance : float
        Largest deviation that passes [V].
    """

    deviations: np.ndarray
    tolerance: float

    @property
    def largest(self) -> float:
        """The largest deviation [V]; NaN counts as infinite."""
        if not self.deviations.size:
            return 0.0
        return float(np.max(np.where(np.isnan(self.deviations), np.inf, self.deviations)))

    @property
    def sample(self) -> int:
        """Index of the sample it belongs to."""
        return int(np.argmax(np.max(self.deviations, axis=-1))) if self.deviations.size else 0

    @property
    def samples(self) -> int:
        """Number of samples compared."""
        return len(self.deviations)

    @property
    def failed(self) -> int:
        """Number of samples beyond the tolerance."""
        return int(np.sum(~np.all(self.deviations <= self.tolerance, axis=-1)))

    @property
    def passed(self) -> bool:
        """Whether every sample is within the tolerance."""
        return self.failed == 0


def replay(
    circuit,
    theta: np.ndarray,
    inputs: np.ndarray,
    outputs: np.ndarray,
    *,
    engine,
    tolerance: float = TOLERANCE,
) -> Replay:
    """Send the samples through `engine` and compare.

    Parameters
    ----------
    circuit : Circuit
    theta : ndarray, shape (n_trainable,)
    inputs : ndarray, shape (n_samples, n_inputs)
        [V or A]
    outputs : ndarray, shape (n_samples, n_outputs)
        What training saw [V].
    engine : Engine
        Ngspice(), usually.
    tolerance : float
        Largest deviation that passes [V].

    Raises
    ------
    SimulatorError, ConvergenceError
        As the engine does.
    """
    seen = engine.equilibrium(circuit, theta, inputs).outputs
    return Replay(np.abs(np.asarray(seen) - outputs), tolerance)


@dataclass(frozen=True)
class BenchSample:
    """What a bench said about one sample; the deviation is in V, infinite without an operating point."""

    label: str
    passed: bool
    deviation: float


@dataclass(frozen=True)
class BenchResult:
    """What a bench said.

    Parameters
    ----------
    passed : bool
        Its own verdict.
    summary : str
        Its last line.
    samples : tuple of BenchSample
    simulator : str
        Which ngspice ran it.
    """

    passed: bool
    summary: str
    samples: tuple[BenchSample, ...] = field(default=())
    simulator: str = "ngspice"

    @property
    def largest(self) -> float:
        """The largest deviation [V]."""
        return max((s.deviation for s in self.samples), default=0.0)

    @property
    def failed(self) -> int:
        """Number of samples that failed."""
        return sum(not s.passed for s in self.samples)


def is_bench(path: str | Path) -> bool:
    """Whether a file is a test bench written by `analogpnn.export.bench`."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return any(file.readline(4096).strip() == MARK for _ in range(2))
    except OSError:
        return False


def run_bench(path: str | Path, *, timeout: float = 600.0) -> BenchResult:
    """Run a test bench with ``ngspice -b`` and read what it says.

    Parameters
    ----------
    path : path
        A deck that `bench` wrote. Nothing else is run: a .control block can start programs.
    timeout : float
        Seconds after which ngspice is stopped.

    Raises
    ------
    NetlistError
        The file isn't such a bench, or holds commands that no bench of ours has.
    SimulatorError
        There is no ngspice, or it ended without a verdict.
    """
    path = Path(path)
    _check_harmless(path)
    program = ngspice_program()
    # -n: no .spiceinit; an empty directory, so that none is found either and nothing can be overwritten
    with tempfile.TemporaryDirectory() as empty:
        shutil.copyfile(path, Path(empty) / "bench.cir")
        try:
            done = subprocess.run(
                [program, "-n", "-b", "bench.cir"],
                cwd=empty,
                env={**os.environ, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            what = f"ngspice didn't finish in {timeout:g} s"
            raise SimulatorError(what, path=path, cure="Export a bench with fewer samples.") from None
    text = done.stdout.decode("utf-8", "replace")
    samples = tuple(
        BenchSample(label, verdict == "PASS", float(number) if number else float("inf"))
        for label, verdict, number in re.findall(
            r"^sample (\S+): (PASS|FAIL) +(?:deviation (\S+) V|no operating)", text, re.MULTILINE
        )
    )
    summary = re.search(r"^bench: (PASS|FAIL).*$", text, re.MULTILINE)
    if summary is None:
        words = (done.stderr.decode("utf-8", "replace").strip() or text.strip()).splitlines()
        raise SimulatorError(
            f"ngspice ended without a verdict (exit code {done.returncode})",
            path=path,
            cure="Its last words:\n" + "\n".join(f"  {line}" for line in words[-5:]),
        )
    return BenchResult(summary[1] == "PASS", summary[0].strip(), samples, f"{ngspice_version(program)}")


def ngspice_program() -> str:
    """Path of the ngspice command.

    Raises
    ------
    SimulatorError
        It isn't there.
    """
    program = shutil.which("ngspice")
    if program is None:
        cure = "Install it: apt install ngspice; or run the bench elsewhere with ngspice -b."
        raise SimulatorError("the command 'ngspice' isn't on this machine", cure=cure)
    return program


def ngspice_version(program: str = "ngspice") -> str:
    """``ngspice-39``, or as it calls itself."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return "ngspice"
    found = re.search(r"ngspice-[\w.+-]+", done.stdout)
    return found[0] if found else "ngspice"


ALLOWED = {"alter", "op", "let", "if", "else", "end", "echo", "quit", "destroy", "setplot"}
"""The commands a bench of ours uses."""


def _check_harmless(path: Path) -> None:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise NetlistError(f"can't be read: {error.strerror or error}", path=path) from None
    if MARK not in (line.strip() for line in lines[:2]):
        cure = "analogpnn export RUN --to bench writes one."
        raise NetlistError("isn't a test bench of analogpnn", path=path, cure=cure)
    control = False
    for number, line in enumerate(lines, 1):
        word = line.strip().lower().split(maxsplit=1)[0] if line.strip() else ""
        if word == ".control":
            control = True
        elif word == ".endc":
            control = False
        elif word.startswith("*#") or "`" in line or (control and _forbidden(word, line)):
            raise NetlistError(
                "is a command that a test bench doesn't need; not run",
                path=path,
                line=number,
                text=line[:100],
                cure="Look at it, and run it yourself with ngspice -b if you trust it.",
            )
        elif word.startswith((".inc", ".lib")) or word[:1] in {"a", "n", "u"} and not control and number > 1:
            what = "reads other files or runs code models; a test bench stands alone; not run"
            raise NetlistError(what, path=path, line=number, text=line[:100])


def _forbidden(word: str, line: str) -> bool:
    if not word or word.startswith("*"):
        return False
    redirected = ">" in line and word not in {"if"} and not re.fullmatch(r"\s*op > /dev/null\s*", line)
    return word not in ALLOWED or ";" in line or redirected
