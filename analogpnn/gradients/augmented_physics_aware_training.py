"""Augmented physics-aware training: random feedback, and a model that knows no nonlinearity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analogpnn.gradients.cascade import direct_feedback, find_buffers
from analogpnn.gradients.direct_feedback_alignment import stages_backward
from analogpnn.gradients.method import Estimate, Memory
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class AugmentedPhysicsAwareTraining:
    r"""Direct feedback alignment in which another function stands for the slope of the nonlinearity.

    .. math:: \Delta\theta^l = -\left(\frac{\partial h^l}{\partial\theta^l}\Big|_{J(0)}\right)^T B^l\,
              \frac{\partial C}{\partial o}

    The forward pass and its voltages are the hardware's; on the way back every nonlinear element has the slope it has
    without voltage. So the model is a resistor network: what bends is never asked for.

    Order: none; a pseudo-gradient, at the outputs' stage too. Needs from the hardware: one state, every node voltage; a
    linear model of each stage, the error broadcast.

    Parameters
    ----------
    seed : int
        Which B.
    cost : Cost

    Notes
    -----
    For cascades. Departures from the paper: its substitute for the slope is arbitrary; here it is the slope at rest.

    References
    ----------
    M. Nakajima et al., "Physical deep learning with biologically inspired training method: gradient-free approach for
    physical hardware", Nat. Commun. 13, 7847 (2022).
    """

    seed: int = 0
    cost: Cost = field(default_factory=SquaredError)

    def start(self, circuit: Any, theta: np.ndarray) -> Memory:
        """No memory: B follows from the seed."""
        find_buffers(circuit)
        return {}

    def estimate(self, circuit, engine, theta, inputs, targets, *, cost, rng, rate, memory) -> Estimate:
        """Each stage's pull-back by its linear model."""
        op = engine.equilibrium(circuit, theta, inputs)
        buffers = find_buffers(circuit)
        slope = cost.gradient(op.outputs, targets)
        error = direct_feedback(buffers, slope, int(self.seed))
        return stages_backward(circuit, op, buffers, slope, error, linear=True)
