"""Direct feedback alignment: every stage of a cascade gets the outputs' error through fixed random weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from analogpnn.gradients.cascade import by_feedback, direct_feedback, needs_buffers
from analogpnn.gradients.method import Estimate
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

    start = needs_buffers

    def estimate(self, circuit, engine, theta, inputs, targets, *, cost, rng, rate, memory) -> Estimate:
        """Each stage's own pull-back of the error it is given."""
        feedback = partial(direct_feedback, seed=int(self.seed))
        return by_feedback(circuit, engine, theta, inputs, targets, cost, feedback)
