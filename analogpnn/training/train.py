"""Training: the only room where an engine meets a rule.

For every batch a method estimates an update: a local rule in phases (`analogpnn.training.phases`), others as they
must (`analogpnn.gradients`). The update is scaled by the rate and added to theta, which never leaves its bounds.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analogpnn.circuit.boundary import Free
from analogpnn.engines.arguments import check_kinds
from analogpnn.engines.bench import Bench
from analogpnn.errors import ConvergenceError, ExperimentError
from analogpnn.gradients import make_rule
from analogpnn.gradients.method import Estimate, Method
from analogpnn.learning import Cost, SquaredError, make_cost, make_step, rates
from analogpnn.learning.registry import described
from analogpnn.seeds import stream
from analogpnn.tasks.task import Task, as_task, check_shapes, read_out
from analogpnn.training import checkpoint as checkpoints
from analogpnn.training.checkpoint import Checkpoint
from analogpnn.training.descent import Descent, theta_type
from analogpnn.training.engines import make_engine, no_such
from analogpnn.training.evaluation import observer, score, settler
from analogpnn.training.meter import Meter
from analogpnn.training.phases import Phases
from analogpnn.training.records import Counts, Epoch

MANY = 10_000
"""Names of trainables up to which a checkpoint lists them all."""
CHECKPOINT_SECONDS = 1.0
"""Least time between two checkpoints; the last finished epoch is always written when training ends."""
STREAMS = ("shuffle", "rule", "noise")
"""Random streams of a run: order of the samples, draws of rules and methods, noise of a bench."""
OWN = "method."
"""How a method's memory is told from the optimiser's in a checkpoint."""


def train(
    circuit: Any,
    task: Any,
    *,
    engine: Any = None,
    rule: Any = "centred-equilibrium-propagation",
    rate: Any,
    epochs: int,
    batch: int | None = None,
    seed: int = 0,
    optimiser: Any = "sgd",
    cost: Any = None,
    evaluate_every: int = 1,
    resume: Any = None,
    checkpoint: Any = None,
) -> Iterator[Epoch]:
    """Train a circuit on a task; one record per epoch.

    ``theta <- clip(theta + step(rate, mean over the batch of rule.update(free, *others)))``

    Parameters
    ----------
    circuit : Circuit
        Never changed; its `theta` is the start.
    task : Task or pair of ndarray
        What to learn; a pair is training inputs, shape (n, n_inputs), and targets, shape (n, n_outputs).
    engine : Engine, str or table, optional
        What settles the circuit: 'fast' (the default), 'ngspice', or an engine. If its `equilibrium` takes `start`,
        the free state is handed to the other phases as their first guess.
    rule : Rule, Method, str or table
        What to impose and how to change: a local rule of `analogpnn.learning` or a method of `analogpnn.gradients`.
    rate : number, table, schedule or ndarray of shape (n_trainable,)
        See `analogpnn.learning.rates` [unit of theta squared per unit of cost].
    epochs : int
        Epochs in all, those before a resumed checkpoint included.
    batch : int, optional
        Samples per update; all of them by default. The last batch of an epoch may be smaller.
    seed : int
        Decides the order of the samples, the draws of random rules and the noise of a `Bench`. Same seed, same run,
        bit for bit (unless the engine or the rule draw random numbers from elsewhere).
    optimiser : Step, str or table
        'sgd' (plain), 'momentum' or 'adam'.
    cost : Cost, str or table, optional
        What is gone down on and reported; by default the rule's own, and the squared error if it has none.
    evaluate_every : int
        Epochs between evaluations on the test set; 0: only after the last.
    resume : path or Checkpoint, optional
        Go on from there instead of from ``circuit.theta``. Only new epochs are yielded; the earlier ones are
        in the checkpoint's `history`.
    checkpoint : path, optional
        Where to keep a checkpoint: at most once a second, and when training ends, however it does.

    Returns
    -------
    iterator of Epoch

    Raises
    ------
    ExperimentError
        Something in the arguments doesn't fit, said before the first epoch.
    ConvergenceError
        A sample has no operating point; it is named by its place in the training set.
    """
    check_kinds(circuit, Free())
    task = as_task(task)
    check_shapes(task, circuit)
    rule, cost = _rule_and_cost(rule, cost)
    step = make_step(optimiser)
    rate_at = rates(rate, circuit.trainable)
    engine = make_engine("fast" if engine is None else engine)
    samples = len(task.train_inputs)
    epochs, seed = _whole("epochs", epochs, 0), _whole("seed", seed, 0)
    evaluate_every = _whole("evaluate_every", evaluate_every, 0)
    batch = samples if batch is None else min(_whole("batch", batch, 1), samples)
    settings = {
        "seed": seed,
        "batch": batch,
        "samples": samples,
        "optimiser": described(step),
        "trainable": _names(circuit.trainable),
    }
    method = rule if hasattr(rule, "estimate") else Phases(rule)
    run = _Run(circuit, task, engine, method, cost, step, rate_at, epochs, batch, evaluate_every, settings)
    start = _fresh(run, seed, theta_type(engine, circuit)) if resume is None else _resumed(run, resume)
    return _epochs(run, start, checkpoint)


@dataclass(frozen=True)
class _Run:
    """The fixed part of a training run."""

    circuit: Any
    task: Task
    engine: Any
    method: Method
    cost: Cost
    step: Any
    rate_at: Callable[[int, int], np.ndarray]
    epochs: int
    batch: int
    evaluate_every: int
    settings: dict[str, Any]


def _epochs(run: _Run, state: Checkpoint, path: Any) -> Iterator[Epoch]:
    rows: list[dict[str, Any]] = []
    counts = _counts(state.history)
    saved, saved_at = state.epoch, time.monotonic()
    start = state
    try:
        while state.epoch < run.epochs:
            record, new = _epoch(run, state, counts)
            rows.append(record.row())
            state, counts = new, record.counts
            if path is not None and time.monotonic() - saved_at > CHECKPOINT_SECONDS:
                checkpoints.save(path, _with_history(state, start, rows))
                saved, saved_at = state.epoch, time.monotonic()
            yield record
    finally:  # the end, Ctrl-C, a circuit that doesn't settle, a caller who has seen enough
        done = rows[: state.epoch - start.epoch]  # not the row of an epoch that Ctrl-C cut off
        if path is not None and saved < state.epoch:
            checkpoints.save(path, _with_history(state, start, done))


def _epoch(run: _Run, state: Checkpoint, counts: Counts) -> tuple[Epoch, Checkpoint]:
    """One pass over the training set: state in, record and new state out."""
    began = time.perf_counter()
    circuit, task = run.circuit, run.task
    streams = {name: _generator(state.random[name]) for name in STREAMS}
    engine = run.engine.with_rng(streams["noise"]) if isinstance(run.engine, Bench) else run.engine
    settle = settler(engine)
    rate = run.rate_at(state.epoch, run.epochs)
    descent = Descent(circuit, run.step, rate, state.theta, engine.write if isinstance(engine, Bench) else None)
    theta, epoch = descent.theta, state.epoch + 1
    memory, own = _parted(state.step)
    losses, right = [], []
    order = streams["shuffle"].permutation(len(task.train_inputs))
    for chosen in np.split(order, range(run.batch, len(order), run.batch)):
        inputs, targets = task.train_inputs[chosen], task.train_targets[chosen]
        try:
            meter = Meter(engine, settle)
            found = run.method.estimate(
                circuit, meter, theta, inputs, targets, cost=run.cost, rng=streams["rule"], rate=rate, memory=own
            )
        except ConvergenceError as error:
            raise _named(error, epoch, chosen) from error
        outputs, own = found.outputs, found.memory
        theta, memory, changed = descent.step(memory, found.update, found.direct)
        if changed is None:
            raise ExperimentError(
                f"training ran away in epoch {epoch}: an update isn't a finite number",
                cure="Lower the learning rate.",
            )
        counts += _done(meter, found, changed, memory)
        losses.append(run.cost.value(outputs, targets))
        if task.train_labels is not None:
            right.append(read_out(task, outputs) == task.train_labels[chosen])
    final = circuit.snap(theta)
    final.setflags(write=False)
    test_loss = test_accuracy = None
    wanted = epoch == run.epochs or (run.evaluate_every > 0 and epoch % run.evaluate_every == 0)
    if wanted and task.test_inputs is not None:
        watching = observer(run.engine, run.settings["seed"], epoch)
        test_loss, test_accuracy = score(settler(watching), circuit, final, task, "test", run.cost)
    record = Epoch(
        epoch=epoch,
        theta=final,
        train_loss=float(np.mean(np.concatenate(losses))),
        train_accuracy=float(np.mean(np.concatenate(right))) if right else None,
        test_loss=test_loss,
        test_accuracy=test_accuracy,
        counts=counts,
        seconds=time.perf_counter() - began,
    )
    random = {name: generator.bit_generator.state for name, generator in streams.items()}
    step = {**memory, **{OWN + name: value for name, value in own.items()}}
    return record, dataclasses.replace(state, epoch=epoch, theta=theta, step=step, random=random)


def _with_history(state: Checkpoint, start: Checkpoint, rows: list[dict[str, Any]]) -> Checkpoint:
    """The state with the history of `start` and the rows since."""
    history = {}
    for name in rows[0]:
        new = [np.nan if row[name] is None else row[name] for row in rows]
        history[name] = np.concatenate([start.history.get(name, np.empty(0)), np.array(new, dtype=float)])
    return dataclasses.replace(state, history=history)


def _parted(step: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The optimiser's memory and the method's own."""
    own = {name.removeprefix(OWN): value for name, value in step.items() if name.startswith(OWN)}
    return {name: value for name, value in step.items() if not name.startswith(OWN)}, own


def _done(meter: Meter, found: Estimate, updates: int, memory: Mapping[str, np.ndarray]) -> Counts:
    """What one update took."""
    held = sum(np.size(array) for kept in (memory, found.memory) for array in kept.values())
    return Counts(
        operating_points=meter.points + found.simulated,
        measurements=meter.outputs + found.measurements,
        updates=updates,
        energy=meter.energy,
        simulated=found.simulated,
        multiply_adds=found.multiply_adds,
        memory=held + found.stored,
    )


def _rule_and_cost(rule: Any, cost: Any) -> tuple[Any, Cost]:
    """One cost for both: the rule goes down on what is reported."""
    rule = make_rule(rule)
    if isinstance(rule, type) or not (
        hasattr(rule, "estimate") or hasattr(rule, "boundaries") and hasattr(rule, "update")
    ):
        raise no_such("rule", rule, "the methods boundaries(outputs, targets) and update(free, *others)")
    own = getattr(rule, "cost", None)
    if cost is None:
        return rule, SquaredError() if own is None else own
    cost = make_cost(cost)
    if own is not None and dataclasses.is_dataclass(rule) and not isinstance(rule, type):
        rule = dataclasses.replace(rule, cost=cost)
    return rule, cost


def _names(trainable: Any) -> list[str]:
    """What tells one circuit's trainables from another's: all names, or of very many how many and some."""
    if len(trainable) <= MANY:
        return [t.name for t in trainable]
    some = (trainable[k].name for k in range(0, len(trainable), MANY))
    return [f"{len(trainable)} trainables", *some, trainable[-1].name]


def _fresh(run: _Run, seed: int, kind: Any) -> Checkpoint:
    theta = run.circuit.clip(np.array(run.circuit.theta, dtype=float)).astype(kind)
    random = {name: stream(seed, name).bit_generator.state for name in STREAMS}
    own = {OWN + name: value for name, value in run.method.start(run.circuit, theta).items()}
    return Checkpoint(0, theta, {**run.step.start(theta), **own}, random, {}, run.settings)


def _resumed(run: _Run, resume: Any) -> Checkpoint:
    """The checkpoint to go on from, if it is one of this very run."""
    path = None if isinstance(resume, Checkpoint) else resume
    state = resume if isinstance(resume, Checkpoint) else checkpoints.load(resume)
    for name, wanted in run.settings.items():
        found = state.settings.get(name)
        if found != wanted:
            what = f"the checkpoint is of another run: {name} {_short(found)} there, {_short(wanted)} here"
            raise ExperimentError(what, path=path, cure="Start afresh, or go on with the same settings.")
    if not set(STREAMS) <= set(state.random):
        raise ExperimentError("the checkpoint is of an older version", path=path, cure="Start afresh.")
    return state


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ExperimentError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return int(value)


def _generator(state: Any) -> np.random.Generator:
    bits = np.random.PCG64()
    bits.state = state
    return np.random.Generator(bits)


def _counts(history: Any) -> Counts:
    if not history:
        return Counts()
    last = {field.name: history[field.name][-1] for field in dataclasses.fields(Counts) if field.name in history}
    energy = float(last.pop("energy"))
    return Counts(**{name: int(value) for name, value in last.items()}, energy=energy)


def _named(error: ConvergenceError, epoch: int, chosen: np.ndarray) -> ConvergenceError:
    """The same error, with the sample's place in the training set instead of in the batch."""
    sample = error.sample
    if sample is not None and 0 <= sample < len(chosen):
        sample = int(chosen[sample])
        where = f"epoch {epoch}, sample {sample} of the training set"
    else:
        where = f"epoch {epoch}"
    return ConvergenceError(
        f"{where}: {error.what}",
        sample=sample,
        node=error.node,
        residual=error.residual,
        path=error.path,
        line=error.line,
        cure=error.cure,
    )
