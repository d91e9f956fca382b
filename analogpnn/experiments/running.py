"""Running an experiment: train, keep what was learned whatever happens, check it in ngspice."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analogpnn.circuit.boundary import Free
from analogpnn.errors import AnalogError, ExperimentError, NetlistError, SimulatorError
from analogpnn.experiments import report, rundir, versions
from analogpnn.experiments.exporting import export_again
from analogpnn.experiments.inputs import changed_input, netlist_name, write_inputs
from analogpnn.experiments.rundir import Run
from analogpnn.experiments.settling import settling_time
from analogpnn.export import Replay, replay, trained_deck, trained_netlist
from analogpnn.export.verify import TOLERANCE
from analogpnn.tasks.task import read_out
from analogpnn.training import checkpoint as checkpoints
from analogpnn.training.engines import make_engine
from analogpnn.training.evaluation import CHUNK, observer, settler
from analogpnn.training.records import Counts

if TYPE_CHECKING:
    from analogpnn.experiments.experiment import Experiment

KEPT = 1000
"""So many samples go into samples.npz, and so into test benches and verifications."""
MANY = 0.9
"""Share of trainables at their bounds that is worth a word."""
COUNTED = tuple(field.name for field in dataclasses.fields(Counts))
"""What is in run.json's `physical`."""


def default_directory(name: str) -> Path:
    """``runs/<name>-<date>-<time>``, with a number if that is taken."""
    stem = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    directory, k = stem, 2
    while directory.exists():
        directory, k = stem.with_name(f"{stem.name}-{k}"), k + 1
    return directory


def latest_unfinished(name: str) -> Path:
    """The newest run of an experiment below ``runs`` that can be gone on with.

    Raises
    ------
    ExperimentError
        There is none.
    """
    for directory in sorted(Path("runs").glob(f"{name}-*"), reverse=True):
        if (directory / rundir.RECORD).exists() and not Run.from_directory(directory).finished:
            return directory
    cure = "Name its directory: --out DIR --resume."
    raise ExperimentError(f"no unfinished run of '{name}' in the folder runs", cure=cure)


def run(
    experiment: Experiment,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    progress: Callable[[Any], None] | None = None,
) -> Run:
    """See `analogpnn.experiments.experiment.Experiment.run`."""
    experiment.check()
    directory = Path(out) if out is not None else default_directory(experiment.name)
    earlier = _earlier(experiment, directory, resume)
    netlist = write_inputs(experiment, directory)
    record: dict[str, Any] = {
        "name": earlier.get("name", experiment.name),
        "experiment": experiment.resolved(netlist),
        "seed": experiment.table["seed"],
        "versions": versions.versions(),
        "engine": _name(experiment.table["engine"]),
        "rule": _name(experiment.table["rule"]),
        "started": earlier.get("started", datetime.now().astimezone().isoformat(timespec="seconds")),
        "status": "running",
        "final": earlier.get("final", {}),
        "epochs": earlier.get("epochs", 0),
        "wall_seconds": earlier.get("wall_seconds", 0.0),
        "physical": earlier.get("physical", {}),
        "notes": list(experiment.circuit.notes),
    }
    rundir.write_json(directory / rundir.RECORD, record)

    began, before = time.monotonic(), record["wall_seconds"]
    checkpoint = directory / rundir.CHECKPOINT
    start = checkpoints.load(checkpoint) if resume and checkpoint.exists() else None
    rows = [] if start is None else _rows(start.history)
    wanted = experiment.table["train"]["epochs"]
    if start is not None and start.epoch >= wanted and earlier.get("status") == "finished":
        record["notes"].append(f"all {wanted} epochs were done before: for more, --set train.epochs=N")
    theta = experiment.circuit.theta if start is None else experiment.circuit.snap(start.theta)
    stopped: BaseException | None = None
    epochs = experiment.epochs(resume=start, checkpoint=checkpoint)
    try:
        for epoch in epochs:
            rows.append(epoch.row())
            theta = epoch.theta
            if progress is not None:
                progress(epoch)
        record["status"] = "finished"
    except KeyboardInterrupt as error:
        record["status"], stopped = "interrupted", error
    except AnalogError as error:
        record["status"], record["error"], stopped = "failed", str(error), error
    finally:
        epochs.close()  # writes the checkpoint
    record["final"] = {}
    record["notes"] += _at_bounds(experiment.circuit, theta)
    record["wall_seconds"] = before + time.monotonic() - began
    record["epochs"] = len(rows)
    record["physical"] = _physical(rows) | _timed(experiment, theta, rows)
    try:
        samples = _evaluate(experiment, theta, record)
        _write_results(experiment, directory, theta, rows, samples, record)
        if stopped is None and experiment.table["verify"] is not None:
            _verify(experiment, theta, samples, record)
    except AnalogError as error:
        if stopped is None:  # a circuit that stopped settling needn't settle now: the first error counts
            record["status"], record["error"], stopped = "failed", str(error), error
    except KeyboardInterrupt as error:
        record["status"], stopped = "interrupted", error
    finally:
        report.write_history(directory / rundir.HISTORY, rows)
        rundir.write_json(directory / rundir.RECORD, record)  # last: a run that says it has finished is complete
    if stopped is not None:
        raise stopped
    return Run(directory, record)


def _earlier(experiment: Experiment, directory: Path, resume: bool) -> dict[str, Any]:
    """The record of the run to go on with, if it is one of this experiment; {} for a new one."""
    there = (directory / rundir.RECORD).exists()
    if not resume:
        if there:
            cure = "Go on with it by --resume, or choose another directory."
            raise ExperimentError("there is a run in it already", path=directory, cure=cure)
        return {}
    if not there:
        cure = "Start it without --resume."
        raise ExperimentError("there is no run in it to go on with", path=directory, cure=cure)
    record = Run.from_directory(directory).record
    old = _comparable(record["experiment"])
    new = _comparable(experiment.resolved(netlist_name(experiment)))
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            raise ExperimentError(
                f"was started with another '{key}': {old.get(key)!r} then, {new.get(key)!r} now",
                path=directory,
                cure="Only train.epochs and verify may change; start afresh in another directory.",
            )
    changed = changed_input(experiment, directory)
    if changed is not None:
        cure = "Start afresh in another directory."
        raise ExperimentError(f"was started with another text of {changed}", path=directory, cure=cure)
    return record


def _comparable(table: dict[str, Any]) -> dict[str, Any]:
    flat = {key: value for key, value in table.items() if key not in ("train", "verify", "allow_include")}
    train = {f"train.{key}": value for key, value in table.get("train", {}).items() if key != "epochs"}
    return flat | train


def _name(spec: Any) -> str:
    return str(spec["name"]) if isinstance(spec, dict) and "name" in spec else str(spec)


def _rows(history: Any) -> list[dict[str, Any]]:
    """A checkpoint's columns as rows; it holds nan where an epoch had no value."""
    names = list(history)
    rows = []
    for values in zip(*(history[name] for name in names)):
        row: dict[str, Any] = {}
        for name, value in zip(names, values):
            whole = name in ("epoch", *COUNTED) and name != "energy"
            row[name] = None if np.isnan(value) else int(value) if whole else float(value)
        rows.append(row)
    return rows


def _physical(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: rows[-1].get(name, 0) if rows else 0 for name in COUNTED}


def _timed(experiment: Experiment, theta: np.ndarray, rows: list[dict[str, Any]]) -> dict[str, float]:
    """Settling time [s] and energy [J], where capacitances are known."""
    try:
        seconds = settling_time(experiment.circuit, theta, experiment.task.train_inputs)
    except AnalogError:  # a circuit that doesn't settle is reported elsewhere
        return {}
    energy = rows[-1]["energy"] if rows else 0.0
    return {} if seconds is None else {"settling_time": seconds, "joules": energy * seconds}


def _at_bounds(circuit: Any, theta: np.ndarray) -> list[str]:
    """A note where training pushed nearly everything against its bounds: such a run has lost its way."""
    number = int(np.count_nonzero((theta <= circuit.bounds[0]) | (theta >= circuit.bounds[1])))
    if number < 2 or number < MANY * len(theta):
        return []
    cure = "train.rate may be too large, or min and max in '*@ train' too narrow"
    return [f"{number} of {len(theta)} trainables ended at a bound: {cure}"]


def _evaluate(experiment: Experiment, theta: np.ndarray, record: dict[str, Any]) -> dict[str, np.ndarray]:
    """Final figures into the record; what verification and export need as arrays."""
    task = experiment.task
    settle = settler(observer(experiment.engine, experiment.table["seed"], 0))
    circuit, cost = experiment.circuit, experiment.cost
    tested = "train" if task.test_inputs is None else "test"
    seen: dict[str, np.ndarray] = {}
    figures: dict[str, tuple[float, float | None]] = {}
    for part in dict.fromkeys(("train", tested)):
        inputs, targets, labels = (getattr(task, f"{part}_{name}") for name in ("inputs", "targets", "labels"))
        chunks = np.split(inputs, range(CHUNK, len(inputs), CHUNK))
        outputs = np.concatenate([settle(circuit, theta, chunk, Free(), None).outputs for chunk in chunks])
        loss = float(np.mean(cost.value(outputs, targets)))
        figures[part] = loss, None if labels is None else float(np.mean(read_out(task, outputs) == labels))
        seen = {"inputs": inputs[:KEPT], "targets": targets[:KEPT], "outputs": outputs[:KEPT]}
    for part, place in (("train", "train"), ("test", tested)):
        loss, accuracy = figures[place]
        record["final"][f"{part}_loss"] = loss
        if accuracy is not None:
            record["final"][f"{part}_accuracy"] = accuracy
    number = len(getattr(task, f"{tested}_inputs"))
    record["tested_on"] = f"{number} {tested} sample{'' if number == 1 else 's'}"
    return {"theta": theta, "theta0": experiment.circuit.theta, **seen}


def _write_results(
    experiment: Experiment,
    directory: Path,
    theta: np.ndarray,
    rows: list[dict[str, Any]],
    samples: dict[str, np.ndarray],
    record: dict[str, Any],
) -> None:
    circuit = experiment.circuit
    rundir.write_samples(directory / rundir.SAMPLES, samples)
    try:
        trained = trained_netlist(circuit, theta)
    except NetlistError as error:
        trained = trained_deck(circuit, theta)
        record["notes"].append(f"{rundir.TRAINED} is a flat deck: {error.what}")
    rundir.write_text(directory / rundir.TRAINED, trained, circuit.netlist.encoding)
    title = f"{record['name']}, {record['rule']}"
    if rows:
        report.save_history_plot(rows, directory / rundir.LOSS_PLOT, title)
    export_again(Run(directory, record))
    before, plot = samples["theta0"], directory / rundir.CONDUCTANCES_PLOT
    report.save_conductances_plot(circuit.trainable, before, theta, plot, bounds=circuit.bounds, title=title)


def _verify(experiment: Experiment, theta: np.ndarray, samples: dict[str, np.ndarray], record: dict[str, Any]) -> None:
    """Replay the samples as ``[verify]`` asks; a missing ngspice is a note, a failing one an error."""
    asked = experiment.table["verify"]
    if _name(asked["engine"]) == "ngspice" and versions.find_ngspice() is None:
        record["notes"].append("not verified: ngspice isn't here (apt install libngspice0)")
        return
    number = asked["samples"] or len(samples["inputs"])
    try:
        result = replay(
            experiment.circuit,
            theta,
            samples["inputs"][:number],
            samples["outputs"][:number],
            engine=make_engine(asked["engine"], experiment.folder),
            tolerance=TOLERANCE if asked["tolerance"] is None else float(asked["tolerance"]),
        )
    except SimulatorError as error:
        record["verified"] = {"passed": False, "error": str(error)}
        return
    record["verified"] = verified(result, _name(asked["engine"]))


def verified(result: Replay, engine: str) -> dict[str, Any]:
    """A replay as it stands in run.json."""
    return {
        "passed": result.passed,
        "engine": engine,
        "samples": result.samples,
        "failed": result.failed,
        "largest_deviation": result.largest,
        "sample": result.sample,
        "tolerance": result.tolerance,
    }
