"""Direct feedback alignment: every stage of a cascade gets the outputs' error through fixed random weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analogpnn.circuit.arrays import add_columns
from analogpnn.gradients.cascade import direct_feedback, find_buffers
from analogpnn.gradients.method import Estimate, Memory
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class DirectFeedbackAlignment:
    r"""Stages learn side by side, none waits for the way back through another.

    .. math:: \delta^l = B^l\, \frac{\partial C}{\partial o}, \qquad
              \Delta\theta^l = -\left(\frac{\partial h^l}{\partial\theta^l}\right)^T \delta^l

    h are the voltages that the buffers of stage l read, B fixed Gaussian numbers. Within a stage the model's adjoint is
    used, at the measured operating point as in physics-aware training; the stage before the outputs gets its exact
    gradient. Learning brings the forward path into line with B.

    Order: none; a pseudo-gradient. Needs from the hardware: one state, every node voltage; a model of each stage, the
    error broadcast to all stages; no transposed way through the cascade.

    Parameters
    ----------
    seed : int
        Which B.
    cost : Cost

    Notes
    -----
    For cascades: stages joined by buffers (`analogpnn.gradients.cascade`). Departures from the paper: stages are
    circuits with an adjoint of their own instead of ``W x`` and an activation.

    References
    ----------
    A. Nokland, "Direct feedback alignment provides learning in deep neural networks", NIPS 2016, arXiv:1609.01596.
    """

    seed: int = 0
    cost: Cost = field(default_factory=SquaredError)

    def start(self, circuit: Any, theta: np.ndarray) -> Memory:
        """No memory: B follows from the seed."""
        find_buffers(circuit)
        return {}

    def estimate(self, circuit, engine, theta, inputs, targets, *, cost, rng, rate, memory) -> Estimate:
        """Each stage's own pull-back of the error it is given."""
        op = engine.equilibrium(circuit, theta, inputs)
        buffers = find_buffers(circuit)
        slope = cost.gradient(op.outputs, targets)
        return stages_backward(circuit, op, buffers, slope, direct_feedback(buffers, slope, int(self.seed)))


def stages_backward(circuit, op, buffers, slope, error, *, linear: bool = False) -> Estimate:
    """Minus the pull-back, stage by stage, of errors at the outputs and at what the buffers read.

    ``J_cut^T lambda = r`` with J_cut the Jacobian whose buffers copy nothing: it falls apart into the stages.
    """
    from analogpnn.engines import adjoint

    n = circuit.n_unknowns
    x = op.unknowns.reshape(-1, n + 1)
    parameters = circuit.parameters(op.theta.reshape(-1))
    cut = [list(values) for values in parameters]
    names = list(circuit.groups[buffers.group].device.parameters)
    gain = np.array(cut[buffers.group][names.index("gain")], dtype=float)
    gain[buffers.places] = 0.0
    cut[buffers.group][names.index("gain")] = gain
    right = np.zeros_like(x)
    a, b = circuit.output_numbers
    for first, second, pull in ((a, b, slope), (buffers.positive, buffers.negative, error)):
        add_columns(right, first, pull)
        add_columns(right, second, -pull)
    multipliers = np.zeros_like(x)
    at = np.zeros_like(x) if linear else x
    multipliers[:, :n] = adjoint.solve_transposed(circuit, at, cut, right[:, :n])
    return Estimate(
        update=-adjoint.pull_back(circuit, x, parameters, multipliers),
        outputs=op.outputs,
        measurements=len(x) * n,
        multiply_adds=len(x) * (n**3 // 3 + n**2 + circuit.n_trainable + error.shape[1] * slope.shape[1]),
        stored=circuit.n_trainable + n + error.shape[1] * slope.shape[1],
    )
