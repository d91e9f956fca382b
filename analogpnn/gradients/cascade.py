"""Cascades: circuits joined by buffers, and errors that reach the buffers by fixed random weights.

A buffer is a voltage-controlled voltage source that isn't half of a bidirectional amplifier: it copies a voltage
forward and lets nothing back. What is between buffers is a stage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from analogpnn.circuit.reciprocity import Regions, amplifiers
from analogpnn.devices import linear
from analogpnn.errors import ExperimentError
from analogpnn.gradients.method import Estimate, Memory
from analogpnn.gradients.stages import stages_backward
from analogpnn.learning.costs import Cost


@dataclass(frozen=True, eq=False)
class Buffers:
    """The buffers of a circuit, K of them.

    Parameters
    ----------
    group : int
        Their place among the circuit's groups.
    places : ndarray, shape (K,)
        Their places in the group.
    positive, negative : ndarray, shape (K,)
        Numbers of the unknowns whose difference they copy.
    origin, goal : ndarray, shape (K,)
        Stage they read and stage they feed.
    outputs : ndarray, shape (n_outputs,)
        Stage of each output of the circuit.
    """

    group: int
    places: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    origin: np.ndarray
    goal: np.ndarray
    outputs: np.ndarray


@lru_cache(maxsize=4)  # asked for at every update
def find_buffers(circuit: Any) -> Buffers:
    """The circuit as a cascade.

    Raises
    ------
    ExperimentError
        There is no buffer in it.
    """
    ground = circuit.n_unknowns
    paired = {h for h, _, _ in amplifiers(circuit)}
    regions = Regions(circuit)
    for g, group in enumerate(circuit.groups):
        if group.device is not linear.VCVS:
            continue
        p, n = group.control_positive[0], group.control_negative[0]
        places = np.array([k for k in range(len(p)) if not (int(p[k]) in paired and n[k] == ground)], dtype=int)
        if not places.size:
            break
        first = np.where(p[places] != ground, p[places], n[places])
        a, b = circuit.output_numbers
        return Buffers(
            g, places, p[places], n[places],
            origin=np.array([regions.of(int(k)) for k in first]),
            goal=np.array([regions.of(int(k)) for k in group.positive[places]]),
            outputs=np.array([regions.of(int(k)) for k in np.where(a != ground, a, b)]),
        )  # fmt: skip
    raise ExperimentError(
        "the circuit has no buffers, so it is one stage and there is nothing to align",
        path=circuit.path,
        cure="Join stages by E cards (E1 b 0 h 0 1), or use physics-aware-training.",
    )


def needs_buffers(method: Any, circuit: Any, theta: np.ndarray) -> Memory:
    """The `start` of methods for cascades: nothing evolves, but there must be buffers."""
    find_buffers(circuit)
    return {}


def by_feedback(
    circuit: Any,
    engine: Any,
    theta: np.ndarray,
    inputs: np.ndarray,
    targets: np.ndarray,
    cost: Cost,
    feedback: Callable[[Buffers, np.ndarray], np.ndarray],
    *,
    linear: bool = False,
) -> Estimate:
    """What feedback alignment is, whichever: one state, errors brought to the buffers, each stage's own pull-back.

    Parameters
    ----------
    feedback : callable
        ``(buffers, dC/do (batch, n_outputs)) -> errors at the buffers (batch, K)``.
    linear : bool
        As for `stages_backward`.
    """
    op = engine.equilibrium(circuit, theta, inputs)
    buffers = find_buffers(circuit)
    slope = cost.gradient(op.outputs, targets)
    return stages_backward(circuit, op, buffers, slope, feedback(buffers, slope), linear=linear)


def direct_feedback(buffers: Buffers, slope: np.ndarray, seed: int) -> np.ndarray:
    """Error at every buffer straight from the outputs: ``B dC/do``, shape (batch, K)."""
    weights = np.random.default_rng(seed).standard_normal((len(buffers.places), slope.shape[-1]))
    return slope @ weights.T / np.sqrt(slope.shape[-1])


def stagewise_feedback(buffers: Buffers, slope: np.ndarray, seed: int) -> np.ndarray:
    """Error at every buffer from the errors at the ends of the stage it feeds, and so on from the outputs back.

    Raises
    ------
    ExperimentError
        The stages feed each other in a circle.
    """
    error = np.zeros((len(slope), len(buffers.places)))
    done = np.zeros(len(buffers.places), dtype=bool)
    for _ in range(len(buffers.places)):
        ready = [
            k
            for k in np.flatnonzero(~done)
            if done[buffers.origin == buffers.goal[k]].all()  # all that leaves the stage it feeds
        ]
        if not ready:
            break
        for k in ready:
            ends = [slope[:, buffers.outputs == buffers.goal[k]], error[:, buffers.origin == buffers.goal[k]]]
            signal = np.concatenate(ends, axis=1)
            weights = np.random.default_rng([seed, int(k)]).standard_normal(signal.shape[1])
            error[:, k] = signal @ weights / np.sqrt(max(1, signal.shape[1]))
        done[ready] = True
        if done.all():
            return error
    raise ExperimentError(
        "the stages of the circuit feed each other in a circle", cure="Use direct-feedback-alignment."
    )
