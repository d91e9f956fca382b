"""What a training method is to the trainer: something that turns a batch into an update.

Local rules need only what `analogpnn.learning` grants them. The methods in this room need more: a model of the
circuit, the global cost, digital memory. They get the whole bench, and must not pass for local.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from analogpnn.learning.costs import Cost

Memory = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a method made of a batch.

    Parameters
    ----------
    update : ndarray, shape (n_trainable,)
        What is added to theta, before the rate: minus the gradient of the mean cost [cost per unit of theta].
    outputs : ndarray, shape (batch, n_outputs)
        The outputs that were seen, at theta or about it [V].
    memory : dict of ndarray
        What evolves from update to update.
    direct : bool
        True: the update is the change of theta itself; neither rate nor optimiser touch it.
    measurements : int
        Quantities read, besides the outputs of every operating point.
    simulated : int
        Equilibria of the model instead of the hardware.
    multiply_adds : int
        Digital arithmetic.
    stored : int
        Numbers kept digitally while the update was made.
    """

    update: np.ndarray
    outputs: np.ndarray
    memory: Memory = field(default_factory=dict)
    direct: bool = False
    measurements: int = 0
    simulated: int = 0
    multiply_adds: int = 0
    stored: int = 0


class Method(Protocol):
    """Anything that estimates an update from a batch; nothing to inherit."""

    def start(self, circuit: Any, theta: np.ndarray) -> Memory:
        """The memory before the first update; {} if there is none."""
        ...

    def estimate(
        self,
        circuit: Any,
        engine: Any,
        theta: np.ndarray,
        inputs: np.ndarray,
        targets: np.ndarray,
        *,
        cost: Cost,
        rng: np.random.Generator,
        rate: np.ndarray,
        memory: Memory,
    ) -> Estimate:
        """The update from one batch.

        Parameters
        ----------
        circuit : Circuit
            As the netlist has it: the model, for whoever uses one.
        engine : Engine
            The hardware. Every call is counted.
        theta : ndarray, shape (n_trainable,)
        inputs : ndarray, shape (batch, n_inputs)
        targets : ndarray, shape (batch, n_outputs)
        cost : Cost
        rng : numpy Generator
            The only source of randomness: it is part of a run's checkpoint.
        rate : ndarray, shape (n_trainable,)
            For methods that make their own steps; others leave it to the trainer.
        memory : dict of ndarray
            As `start` or the last estimate gave it; not written to.
        """
        ...


def no_memory(method: Any, circuit: Any, theta: np.ndarray) -> Memory:
    """The `start` of methods in which nothing evolves but theta."""
    return {}


def perturbation_scale(circuit: Any, theta: np.ndarray) -> np.ndarray:
    """How large a trainable is, so that a perturbation can be a share of it, shape (n_trainable,).

    For a conductance the root mean square over all conductances; for anything else its range, at most 1 (volt).
    """
    lower, upper = np.broadcast_to(circuit.bounds, (2, len(theta)))
    scale = np.clip(np.where(np.isfinite(upper - lower), upper - lower, 1.0), 1e-12, 1.0)
    conductance = np.array([getattr(t, "quantity", "G") == "G" for t in circuit.trainable], dtype=bool)
    if conductance.any():
        scale[conductance] = np.sqrt(np.mean(theta[conductance] ** 2))
    return scale


def costs_at(engine: Any, circuit: Any, theta: np.ndarray, inputs: np.ndarray, targets: np.ndarray, cost: Cost):
    """(mean cost, outputs) of a batch at theta."""
    outputs = engine.equilibrium(circuit, theta, inputs).outputs
    return float(np.mean(cost.value(outputs, targets))), outputs
