"""A whole job: netlist + task + engine + rule + schedule + seed -> a run directory.

``Experiment.from_file("iris.toml").run()`` is what ``analogpnn train iris.toml`` does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from analogpnn import learning
from analogpnn.circuit.circuit import Circuit
from analogpnn.errors import ExperimentError
from analogpnn.experiments.generators import generated
from analogpnn.experiments.initial import initial_theta
from analogpnn.experiments.rundir import Run
from analogpnn.experiments.schema import EXPERIMENT, TRAIN, VERIFY, Source, check_table
from analogpnn.experiments.toml import dump_toml, override, read_toml
from analogpnn.gradients import make_rule
from analogpnn.netlist.netlist import Netlist
from analogpnn.tasks.task import Task, make_task
from analogpnn.training.engines import make_engine
from analogpnn.training.train import train


@dataclass(frozen=True, eq=False)
class Experiment:
    """An experiment file, read and checked.

    Parameters
    ----------
    name : str
        The file's name without its ending.
    table : dict
        Its content, defaults filled in.
    folder : Path
        What paths in it are relative to.
    source : Source
        Where it came from, for errors.

    Examples
    --------
    >>> experiment = Experiment.from_file("netlists/iris.toml", ["seed=3"])  # doctest: +SKIP
    >>> experiment.run(out="runs/third").final["test_accuracy"]  # doctest: +SKIP
    0.9777777777777777
    """

    name: str
    table: Mapping[str, Any]
    folder: Path
    source: Source

    @classmethod
    def from_file(cls, path: str | Path, overrides: Iterable[str] = ()) -> Experiment:
        """Read a TOML file; `overrides` are ``key=value`` texts, keys dotted, as after ``--set``.

        Raises
        ------
        ExperimentError
            Naming line and key, with the nearest known key for a misspelt one.
        """
        path = Path(path)
        table, text = read_toml(path)
        table, seen = override(table, overrides)
        return cls._checked(table, path.parent, path.stem, Source(str(path), text, seen))

    @classmethod
    def from_table(cls, table: Mapping[str, Any], folder: str | Path = ".", name: str = "experiment") -> Experiment:
        """The same from a dict as a TOML file would give it."""
        return cls._checked(dict(table), Path(folder), name, Source(f"<{name}>"))

    @classmethod
    def _checked(cls, table: dict[str, Any], folder: Path, name: str, source: Source) -> Experiment:
        table = check_table(table, EXPERIMENT, source)
        table["train"] = check_table(table["train"], TRAIN, source, ("train",))
        if table["verify"] is not None:
            table["verify"] = check_table(table["verify"], VERIFY, source, ("verify",))
        for key, value in (table["params"] or {}).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise source.error(("params", key), f"'{key}' must be a number, not {value!r}")
        return cls(name, table, folder, source)

    @property
    def netlist_path(self) -> Path | None:
        """The netlist file; None where the circuit is generated."""
        netlist = self.table["netlist"]
        return self.folder / netlist if isinstance(netlist, str) else None

    @cached_property
    def circuit(self) -> Circuit:
        """The circuit, at its initial theta (``[train] init``)."""
        table, path = self.table, self.netlist_path
        if path is None:
            with self._at("netlist"):
                circuit = generated(table["netlist"], table["seed"])
        elif not path.is_file():
            cure = "The path is relative to the experiment file."
            raise self.source.error(("netlist",), f"there is no netlist '{table['netlist']}'", cure)
        else:
            circuit = self.read(path)
        with self._at("train", "init"):
            theta = initial_theta(circuit, table["train"]["init"], table["seed"])
        return circuit.with_theta(theta)

    def read(self, netlist: Path) -> Circuit:
        """A netlist compiled as this experiment's is: with its ``params`` and ``allow_include``."""
        include = [self.folder / folder for folder in self.table["allow_include"] or ()]
        with self._at("params"):
            return read_circuit(netlist, self.table["params"] or {}, include)

    @cached_property
    def task(self) -> Task:
        """What is to be learned: ``task`` of the file, or the netlist's ``*@ task``."""
        spec = self.table["task"]
        if spec is None:
            spec = _task_directive(self.circuit)
        if spec is None:
            cure = 'Add task = "iris", or a table [task] with name = ... or path = ....'
            raise self.source.error((), "neither the experiment nor its netlist names a task", cure)
        with self._at("task"):
            return make_task(spec, self.circuit, self.table["seed"], folder=self.folder)

    @cached_property
    def engine(self) -> Any:
        """What finds the equilibria."""
        with self._at("engine"):
            return make_engine(self.table["engine"], self.folder)

    @cached_property
    def rule(self) -> Any:
        """The learning rule, going down on ``[train] cost`` if there is one."""
        with self._at("rule"):
            rule = make_rule(self.table["rule"], self.folder)
        if self.table["train"]["cost"] is not None and hasattr(rule, "cost"):
            rule = dataclasses.replace(rule, cost=self.cost)  # type: ignore[type-var]
        return rule

    @cached_property
    def cost(self) -> Any:
        """The cost: ``[train] cost``, else the rule's own, else the squared error."""
        spec = self.table["train"]["cost"]
        if spec is None:
            spec = getattr(self.rule, "cost", None) or "squared-error"
        with self._at("train", "cost"):
            return learning.make_cost(spec, self.folder)

    @cached_property
    def optimiser(self) -> Any:
        """From the update to the change of theta."""
        with self._at("train", "optimiser"):
            return learning.make_step(self.table["train"]["optimiser"], self.folder)

    def check(self) -> None:
        """Build everything once, so that whatever is wrong is said before anything is written.

        Raises
        ------
        ExperimentError, NetlistError, SimulatorError
        """
        _ = self.circuit, self.task, self.engine, self.cost, self.optimiser
        if not self.circuit.trainable:
            cure = "Mark some: *@ train R* min=0.1u max=10u"
            raise ExperimentError("nothing in the circuit is trainable", path=self.netlist_path, cure=cure)
        with self._at("train", "rate"):
            learning.rates(self.table["train"]["rate"], self.circuit.trainable, self.folder)
        if self.table["verify"] is not None:
            with self._at("verify", "engine"):
                make_engine(self.table["verify"]["engine"], self.folder)

    @contextmanager
    def _at(self, *keys: str):
        """Point errors that know no place at a key of the file."""
        try:
            yield
        except ExperimentError as error:
            if error.path is not None:
                raise
            raise self.source.error(keys, error.what, error.cure) from error

    def epochs(self, *, resume: Any = None, checkpoint: Any = None):
        """Train; yields one record per epoch (see `analogpnn.training.train.train`)."""
        settings = self.table["train"]
        with self._at("train"):
            return train(
                self.circuit,
                self.task,
                engine=self.engine,
                rule=self.rule,
                rate=settings["rate"],
                epochs=settings["epochs"],
                batch=settings["batch"],
                seed=self.table["seed"],
                optimiser=self.optimiser,
                cost=self.cost,
                resume=resume,
                checkpoint=checkpoint,
            )

    def run(
        self,
        out: str | Path | None = None,
        *,
        resume: bool = False,
        progress: Callable[[Any], None] | None = None,
    ) -> Run:
        """Train, and write a run directory.

        Parameters
        ----------
        out : path, optional
            The run directory; ``runs/<name>-<date>-<time>`` by default.
        resume : bool
            Go on with the interrupted run in `out`, exactly where it stopped. Only ``train.epochs`` and
            ``verify`` may differ from what it was started with.
        progress : callable, optional
            Called with every epoch's record.

        Returns
        -------
        Run

        Raises
        ------
        ExperimentError, NetlistError
            Something doesn't fit; nothing was written.
        ConvergenceError
            The circuit doesn't settle; what was learned until then is in the run directory.
        KeyboardInterrupt
            The same.
        """
        from analogpnn.experiments.running import run  # the longer half of this class, in a file of its own

        return run(self, out, resume=resume, progress=progress)

    def resolved(self, netlist: str | None) -> dict[str, Any]:
        """The table as it is run: defaults filled in, paths that hold from anywhere.

        `netlist` is the netlist's place; None where the circuit is generated.
        """
        table = {key: value for key, value in self.table.items() if value is not None}
        if netlist is not None:
            table["netlist"] = netlist
        if isinstance(table.get("task"), Mapping) and "path" in table["task"]:
            path = (self.folder / str(table["task"]["path"])).resolve()
            table["task"] = {**table["task"], "path": str(path)}
        if "allow_include" in table:
            table["allow_include"] = [str((self.folder / f).resolve()) for f in table["allow_include"]]
        for part in ("train", "verify"):
            if part in table:
                table[part] = {key: value for key, value in table[part].items() if value is not None}
        return table

    def to_toml(self, netlist: str | None) -> str:
        """`resolved` as text."""
        return dump_toml(self.resolved(netlist))


def read_circuit(
    source: Path | Netlist, params: Mapping[str, float], allow_include: Iterable[str | Path] = ()
) -> Circuit:
    """`Circuit.from_netlist` with the values of .params as a mapping, in any case."""
    values: dict[str, Any] = {name.lower(): float(value) for name, value in params.items()}
    for name in ("source", "devices", "allow_include"):
        if name in values:
            what = f"a .param called '{name}' can't be given another value"
            raise ExperimentError(what, cure="Rename it in the netlist.")
    return Circuit.from_netlist(source, allow_include=allow_include, **values)


def _task_directive(circuit: Circuit) -> dict[str, Any] | None:
    """``*@ task name key=value`` as a task table."""
    for directive in circuit.flat.directives:
        if directive.word == "task" and directive.arguments:
            options = {key: _plain(text) for key, text in directive.options.items()}
            return {"name": directive.arguments[0], **options}
    return None


def _plain(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
