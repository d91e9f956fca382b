"""What ``analogpnn verify`` does: a run, a test bench or a plain netlist against stock ngspice."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from analogpnn.circuit.circuit import Circuit
from analogpnn.errors import SimulatorError
from analogpnn.experiments import rundir
from analogpnn.experiments.experiment import Experiment
from analogpnn.experiments.rundir import Run, write_text
from analogpnn.experiments.versions import find_ngspice
from analogpnn.export import Replay, replay, run_bench, trained_bench
from analogpnn.export.verify import TOLERANCE, ngspice_program
from analogpnn.training.engines import make_engine


def verify_run(run: Run, *, tolerance: float | None = None, samples: int | None = None) -> dict[str, Any]:
    """Replay trained.cir, the file one takes away, in libngspice, and run its test bench with ``ngspice -b``.

    Parameters
    ----------
    run : Run
    tolerance : float, optional
        Largest deviation that passes [V]; by default as the experiment says, else 1e-5.
    samples : int, optional
        How many of the kept samples; all by default.

    Returns
    -------
    dict
        `passed`, `largest_deviation` [V], `checks` (one for each way it was asked) and `notes`.

    Raises
    ------
    SimulatorError
        There is neither the library nor the command.
    """
    asked = (run.record["experiment"].get("verify") or {}) if tolerance is None else {}
    limit = float(asked.get("tolerance", TOLERANCE)) if tolerance is None else tolerance
    arrays = run.samples()
    inputs, outputs = arrays["inputs"][:samples], arrays["outputs"][:samples]
    experiment = Experiment.from_file(run.file(rundir.EXPERIMENT))
    circuit = experiment.read(run.file(rundir.TRAINED))
    checks, notes = [], []
    simulator = find_ngspice()
    if simulator is None:
        notes.append("libngspice isn't here (apt install libngspice0): not replayed in it")
    else:
        found = replay(circuit, circuit.theta, inputs, outputs, engine=make_engine("ngspice"), tolerance=limit)
        checks.append(_check(f"ngspice {simulator}", found))
    try:
        ngspice_program()
    except SimulatorError:
        notes.append("the command ngspice isn't here (apt install ngspice): the test bench was not run")
    else:
        with tempfile.TemporaryDirectory() as folder:
            text = trained_bench(circuit, circuit.theta, inputs, outputs, tolerance=limit)
            checks.append(_bench(write_text(Path(folder) / rundir.BENCH, text)))
    if not checks:
        cure = "Debian, Ubuntu: apt install ngspice libngspice0."
        raise SimulatorError("there is no ngspice here to verify with", cure=cure)
    return _result(checks, notes)


def verify_bench(path: Path) -> dict[str, Any]:
    """Run an exported test bench with ``ngspice -b``."""
    return _result([_bench(path)], [])


def verify_netlist(circuit: Circuit, *, tolerance: float | None = None) -> dict[str, Any]:
    """Compare both engines at the values on the cards: every node voltage."""
    inputs = circuit.input_values[None, :]
    fast, spice = (
        make_engine(name).equilibrium(circuit, circuit.theta, inputs).node_voltages for name in ("fast", "ngspice")
    )
    found = Replay(np.abs(np.atleast_2d(spice - fast)), TOLERANCE if tolerance is None else tolerance)
    node = circuit.nodes[int(np.argmax(found.deviations[0]))] if circuit.nodes else ""
    check = _check(f"ngspice {find_ngspice()}", found)
    check["text"] += f", all nodes compared with the fast engine; the largest at '{node}'"
    return _result([check], [])


def _check(name: str, found: Replay) -> dict[str, Any]:
    return {
        "name": name,
        "passed": found.passed,
        "samples": found.samples,
        "failed": found.failed,
        "largest_deviation": found.largest,
        "sample": found.sample,
        "tolerance": found.tolerance,
        "text": f"{name}: {found.samples - found.failed} of {found.samples} samples, largest deviation "
        f"{found.largest:.3g} V (tolerance {found.tolerance:g} V)",
    }


def _bench(path: Path) -> dict[str, Any]:
    result = run_bench(path)
    return {
        "name": f"{result.simulator} -b",
        "passed": result.passed,
        "samples": len(result.samples),
        "failed": result.failed,
        "largest_deviation": result.largest,
        "per_sample": [{"sample": s.label, "passed": s.passed, "deviation": s.deviation} for s in result.samples],
        "text": f"{result.simulator} -b: {result.summary}",
    }


def _result(checks: list[dict[str, Any]], notes: list[str]) -> dict[str, Any]:
    return {
        "passed": all(check["passed"] for check in checks),
        "largest_deviation": max(check["largest_deviation"] for check in checks),
        "checks": checks,
        "notes": notes,
    }
