"""Tasks: samples as voltages for a circuit's inputs, and what its outputs should be.

A task comes by name (``make_task("iris", circuit)``), as a table with options, or as a path to data of one's
own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analogpnn.errors import ExperimentError
from analogpnn.learning.registry import suggestion
from analogpnn.tasks.datafiles import from_path
from analogpnn.tasks.datasets import DATASETS, Samples
from analogpnn.tasks.options import bind
from analogpnn.tasks.problems import GATES, PROBLEMS
from analogpnn.tasks.volts import as_they_are, data_in_volts, gate_in_volts


@dataclass(frozen=True, eq=False)
class Task:
    """What a circuit is to learn.

    Parameters
    ----------
    name : str
    train_inputs : ndarray, shape (n, n_inputs)
        [V or A], in the order of the circuit's inputs.
    train_targets : ndarray, shape (n, n_outputs)
        [V]
    test_inputs, test_targets : ndarray, optional
        The same for the test set; without one, nothing is tested.
    train_labels, test_labels : ndarray of int, shape (n,), optional
        Numbers of the classes; None for a regression.
    classes : tuple of str
        Names of the classes.
    levels : tuple of float
        With a single output: its voltage for each class [V]. Otherwise empty: one output a class.
    """

    name: str
    train_inputs: np.ndarray
    train_targets: np.ndarray
    test_inputs: np.ndarray | None = None
    test_targets: np.ndarray | None = None
    train_labels: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    levels: tuple[float, ...] = ()

    def __post_init__(self):
        for part in ("train", "test"):
            inputs, targets = getattr(self, f"{part}_inputs"), getattr(self, f"{part}_targets")
            labels = getattr(self, f"{part}_labels")
            if inputs is None and targets is None and part == "test":
                continue
            arrays = {
                "inputs": _table(self, part, "inputs", inputs),
                "targets": _table(self, part, "targets", targets),
            }
            if labels is not None:
                arrays["labels"] = np.asarray(labels)
            lengths = {name: len(array) for name, array in arrays.items()}
            if len(set(lengths.values())) != 1 or not lengths["inputs"]:
                counts = ", ".join(f"{n} {name}" for name, n in lengths.items())
                what = f"the task '{self.name}' has {counts} in its {part} set"
                raise ExperimentError(what, cure="One of each for every sample, and at least one sample.")
            for name, array in arrays.items():
                object.__setattr__(self, f"{part}_{name}", array)


def _table(task: Task, part: str, what: str, values: Any) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.ndim != 2 or not np.all(np.isfinite(array)):
        how = f"shape {array.shape}" if array.ndim != 2 else "values that are not finite numbers"
        raise ExperimentError(
            f"the {part} {what} of the task '{task.name}' have {how}",
            cure="Numbers in a table, one row a sample, one column a source or an output: y[:, None], say.",
        )
    return array


def as_task(task: Any) -> Task:
    """A task, or training inputs and targets as a pair of arrays."""
    if isinstance(task, Task):
        return task
    if isinstance(task, tuple | list) and len(task) == 2:
        return Task("data", *task)
    raise ExperimentError(
        f"a {type(task).__name__} is no task",
        cure="Use make_task('iris', circuit), Task(...), or (inputs, targets).",
    )


def read_out(task: Task, outputs: np.ndarray) -> np.ndarray:
    """The classes that outputs stand for: the highest output, or the nearest level of a single one.

    Parameters
    ----------
    outputs : ndarray, shape (..., n_outputs)
        [V]

    Returns
    -------
    ndarray of int, shape (...,)
    """
    outputs = np.asarray(outputs)
    if task.levels:
        return np.argmin(np.abs(outputs - np.array(task.levels)), axis=-1)
    return np.argmax(outputs, axis=-1)


def make_task(spec: Any, circuit: Any = None, seed: int = 0, *, folder: Any = None) -> Task:
    """Build a task for a circuit.

    Parameters
    ----------
    spec : str, mapping or Task
        A name (`NAMES`), a table ``{"name": ..., option: ...}`` or ``{"path": ..., option: ...}``. Values may
        be text, as in a netlist's ``*@ task xor inputs=0,450m``.
    circuit : Circuit, optional
        What it is for: decides whether inputs are doubled, whether two classes have one output or two, and is
        checked against. Without one, nothing is doubled and every class of a data set has an output.
    seed : int
        Of the split into training and test set, and of problems that are drawn.
    folder : path, optional
        Where a relative `path` starts.

    Returns
    -------
    Task

    Raises
    ------
    ExperimentError
        Unknown name or option, data that can't be read, or that don't fit the circuit.

    Examples
    --------
    >>> xor = make_task({"name": "xor", "levels": [0, 0.3]})
    >>> xor.train_targets.ravel()
    array([0. , 0.3, 0.3, 0. ])
    """
    if isinstance(spec, Task):
        if circuit is not None:
            check_shapes(spec, circuit)
        return spec
    options = {"name": spec} if isinstance(spec, str) else dict(spec) if isinstance(spec, Mapping) else {}
    if "path" in options:
        if not isinstance(options["path"], str | Path):
            raise ExperimentError(f"a task's path must be text, not {options['path']!r}")
        options["path"] = str(Path(folder or ".") / options["path"])
        name = str(options.pop("name", Path(options["path"]).name))
        make: Callable[..., Samples] = from_path
        volts: Callable[..., Samples] = data_in_volts
    else:
        name = options.pop("name", None)
        if not isinstance(name, str) or name not in NAMES:
            cure = suggestion(str(name or ""), NAMES) + ' Data of your own: path = "data.csv".'
            raise ExperimentError(f"no task is called '{name}'" if name else "a task needs a name", cure=cure)
        make = DATASETS.get(name) or PROBLEMS[name]
        volts = data_in_volts if name in DATASETS else gate_in_volts if name in GATES else as_they_are
    own, electrical = bind(f"task '{name}'", options, make, volts)
    samples = volts(name, make(circuit, seed, **own), circuit, seed, **electrical)
    assert samples.targets is not None
    test = samples if samples.same else samples.test
    made = Task(
        name=name,
        train_inputs=samples.features,
        train_targets=samples.targets,
        test_inputs=None if test is None else test.features,
        test_targets=None if test is None else test.targets,
        train_labels=samples.labels,
        test_labels=None if test is None else test.labels,
        classes=samples.classes,
        levels=samples.levels,
    )
    if circuit is not None:
        check_shapes(made, circuit)
    return made


NAMES = (*PROBLEMS, *DATASETS)
"""Tasks by name."""


def check_shapes(task: Task, circuit: Any) -> None:
    """Refuse a task that doesn't fit the circuit: which is how many, and what to do."""
    have, want = task.train_inputs.shape[1], circuit.n_inputs
    if have != want:
        listed = _listed(circuit.inputs)
        if want > have:
            cure = "'*@ input' lists only sources that data drive; a bias is an ordinary V source, not listed."
            if have and want == 2 * have:
                cure = "For inputs in both signs set doubled = true."
        else:
            cure = "List one source per feature with '*@ input', in card order, or leave features out."
            if have == 2 * want and _mirrored(task.train_inputs):
                cure = "Set doubled = false, or list the sources of the negative inputs too."
        what = f"the task '{task.name}' has {have} inputs a sample, the circuit has {want} ({listed})"
        raise ExperimentError(what, cure=cure)
    have, want = task.train_targets.shape[1], circuit.n_outputs
    if have != want:
        why = f", one for each of its {len(task.classes)} classes" if have == len(task.classes) > 1 else ""
        listed = _listed(f"v({a})" if b == "0" else f"v({a},{b})" for a, b in circuit.outputs)
        cure = "List the outputs with '*@ output v(a) v(b,c) ...'"
        cure += ", one per class (or a single one for two classes)." if task.classes else ", one per target."
        what = f"the task '{task.name}' has {have} targets a sample{why}"
        raise ExperimentError(f"{what}; the circuit has {want} outputs ({listed})", cure=cure)


def _mirrored(inputs: np.ndarray) -> bool:
    """Whether the second half of the inputs is the first with the other sign, but for a constant."""
    both = inputs[:, : inputs.shape[1] // 2] + inputs[:, inputs.shape[1] // 2 :]
    return bool(np.allclose(both, both[:1], atol=1e-9))


def _listed(names: Any) -> str:
    names = list(names)
    if not names:
        return "none"
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:6])}, ... {names[-1]}"
