"""Finite differences: one trainable at a time, up and down."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.gradients.method import Estimate, costs_at, no_memory, perturbation_scale
from analogpnn.learning.checks import positive
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class FiniteDifferences:
    r"""Central differences of the measured cost.

    .. math:: \Delta\theta_i = -\frac{C(\theta + \epsilon_i e_i) - C(\theta - \epsilon_i e_i)}{2\epsilon_i}

    Order: 2 in the perturbation. Needs from the hardware: 2 P + 1 evaluations of the cost per update (P trainables, one
    to see the outputs), a single element written at a time; the cost, told to one digital controller. No model.

    Parameters
    ----------
    step : float
        Perturbation as a share of the trainable's scale (`perturbation_scale`).
    cost : Cost

    Notes
    -----
    At a bound the difference is one-sided.
    """

    step: float = 0.01
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        positive("finite differences", "step", self.step, "step = 0.01 say.")

    start = no_memory

    def estimate(self, circuit, engine, theta, inputs, targets, *, cost, rng, rate, memory) -> Estimate:
        """2 P evaluations, and one at theta for the outputs."""
        _, outputs = costs_at(engine, circuit, theta, inputs, targets, cost)
        scale = self.step * perturbation_scale(circuit, theta)
        update = np.zeros(len(theta))
        for k in range(len(theta)):
            h = np.zeros(len(theta))
            h[k] = scale[k]
            up, down = circuit.clip(theta + h), circuit.clip(theta - h)
            if up[k] > down[k]:
                high, _ = costs_at(engine, circuit, up, inputs, targets, cost)
                low, _ = costs_at(engine, circuit, down, inputs, targets, cost)
                update[k] = -(high - low) / (up[k] - down[k])
        return Estimate(update, outputs, stored=len(theta), multiply_adds=len(theta))
