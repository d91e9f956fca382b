"""Augmented physics-aware training: random feedback, and a model that knows no nonlinearity."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from analogpnn.gradients.cascade import by_feedback, direct_feedback, needs_buffers
from analogpnn.gradients.method import Estimate
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

    start = needs_buffers

    def estimate(self, circuit, engine, theta, inputs, targets, *, cost, rng, rate, memory) -> Estimate:
        """Each stage's pull-back by its linear model."""
        feedback = partial(direct_feedback, seed=int(self.seed))
        return by_feedback(circuit, engine, theta, inputs, targets, cost, feedback, linear=True)
