"""A run, taken away in one of four formats; what was exported before is written again when the run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from analogpnn.errors import ExperimentError, NetlistError
from analogpnn.experiments.rundir import BENCH, DECK, TABLE, TRAINED, Run, write_text
from analogpnn.experiments.schema import suggest

FORMATS = {"netlist": TRAINED, "deck": DECK, "bench": BENCH, "csv": TABLE}
"""Formats, and the files they have in a run directory."""


def known_format(name: str) -> str:
    """The name of a format, or an error that lists them."""
    if name not in FORMATS:
        known = f"Formats: {', '.join(FORMATS)}."
        raise ExperimentError(f"there is no export format '{name}'", cure=suggest(name, FORMATS) or known)
    return name


def export_run(run: Run, to: str, out: Path | None = None) -> Path:
    """Write a run's trained circuit in a format, into the run directory if `out` doesn't say where.

    Raises
    ------
    ExperimentError
        The run has nothing trained yet.
    NetlistError
        A bench of a circuit without outputs.
    """
    samples, circuit = run.samples(), run.circuit()
    text = exported_text(circuit, samples["theta"], to, samples["inputs"], samples["outputs"])
    return write_text(out or run.file(FORMATS[to]), text, circuit.netlist.encoding)


def export_again(run: Run) -> None:
    """Bring the exports that lie in a run directory up to date; trained.cir always is."""
    for to, name in FORMATS.items():
        if name != TRAINED and run.file(name).exists():
            export_run(run, to)


def exported_text(circuit: Any, theta: np.ndarray, to: str, inputs: np.ndarray, outputs: np.ndarray | None) -> str:
    """The text of a circuit in a format; `inputs` and `outputs` are what a bench replays and expects."""
    from analogpnn import export  # sympy comes with it

    if to == "netlist":
        return export.trained_netlist(circuit, theta)
    if to == "deck":
        return export.trained_deck(circuit, theta)
    if to == "csv":
        return export.trainables_csv(circuit, theta)
    if not circuit.outputs:
        cure = "Name them: *@ output v(out)"
        raise NetlistError("a test bench compares outputs, and the circuit has none", path=circuit.path, cure=cure)
    assert outputs is not None
    return export.trained_bench(circuit, theta, inputs, outputs)
