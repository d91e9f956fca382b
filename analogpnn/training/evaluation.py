"""How well one theta does: settle the samples freely, read the outputs, compare."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from analogpnn.circuit.boundary import Boundary, Free
from analogpnn.engines.bench import Bench
from analogpnn.errors import ExperimentError
from analogpnn.learning import Cost, make_cost
from analogpnn.seeds import stream
from analogpnn.tasks.task import Task, as_task, check_shapes, read_out

CHUNK = 1024
"""Samples settled at once when evaluating: bounds the memory, not the result."""


def evaluate(
    circuit: Any,
    theta: np.ndarray,
    task: Any,
    *,
    engine: Any,
    cost: Any = "squared-error",
    part: str = "test",
) -> tuple[float, float | None]:
    """Mean cost and accuracy of one theta on one part of a task.

    Parameters
    ----------
    part : {'test', 'train'}
        Which samples.

    Returns
    -------
    loss : float
    accuracy : float or None
        None if the task has no classes.
    """
    task = as_task(task)
    check_shapes(task, circuit)
    if getattr(task, f"{part}_inputs") is None:
        raise ExperimentError(f"the task '{task.name}' has no {part} set")
    return score(settler(engine), circuit, theta, task, part, make_cost(cost))


def score(
    settle: Callable[..., Any], circuit: Any, theta: np.ndarray, task: Task, part: str, cost: Cost
) -> tuple[float, float | None]:
    """The same with everything looked up: `settle` as `settler` gives it."""
    inputs, targets, labels = (getattr(task, f"{part}_{name}") for name in ("inputs", "targets", "labels"))
    chunks = np.split(inputs, range(CHUNK, len(inputs), CHUNK))
    outputs = np.concatenate([settle(circuit, theta, chunk, Free(), None).outputs for chunk in chunks])
    loss = float(np.mean(cost.value(outputs, targets)))
    return loss, None if labels is None else float(np.mean(read_out(task, outputs) == labels))


def observer(engine: Any, seed: int, epoch: int) -> Any:
    """The engine for evaluating after an epoch (0: at the end of a run).

    The noise of a `Bench` comes from a stream of that epoch's own, so that what was evaluated before, in this process
    or in one that was killed, changes nothing.
    """
    return engine.with_rng(stream(seed, "evaluation", epoch)) if isinstance(engine, Bench) else engine


def settler(engine: Any) -> Callable[..., Any]:
    """``(circuit, theta, inputs, boundary, start) -> operating point``, for engines with and without `start`.

    The contract of an engine has no `start`; ours take an operating point there as their first guess. Asked
    once, not per solve.
    """
    parameters = inspect.signature(engine.equilibrium).parameters.values()
    if any(p.name == "start" or p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):

        def settle(circuit: Any, theta: Any, inputs: Any, boundary: Boundary, start: Any) -> Any:
            return engine.equilibrium(circuit, theta, inputs, boundary, start=start)

        return settle
    return lambda circuit, theta, inputs, boundary, start: engine.equilibrium(circuit, theta, inputs, boundary)
