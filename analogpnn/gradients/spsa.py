"""Simultaneous perturbation stochastic approximation: all trainables at once, up and down."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.gradients.method import Estimate, no_memory
from analogpnn.gradients.perturbation import perturbed
from analogpnn.learning.checks import positive, within
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class SPSA:
    r"""Two evaluations along a random corner.

    .. math:: \Delta\theta_i = -\frac{C(\theta + \epsilon D) - C(\theta - \epsilon D)}{2\epsilon_i D_i},
              \qquad D_i = \pm 1

    On average the gradient, to second order in epsilon; its square is P times the gradient's (P trainables, in units
    of their scales), so that rates are to be 1/P of a gradient's.

    Order: 2 in the perturbation, on average. Needs from the hardware: 2 evaluations of the cost per update whatever P,
    every element written three times; a pseudo-random sign at each element and the cost broadcast to all. No model.

    Parameters
    ----------
    step : float
        Perturbation as a share of the trainable's scale.
    repeats : int
        Corners averaged for an update.
    cost : Cost

    Notes
    -----
    Departures from the paper: constant gain sequences (the rate's schedule is the trainer's); perturbations end at the
    bounds, and the difference is taken over what is left of them.

    References
    ----------
    J. C. Spall, "Multivariate stochastic approximation using a simultaneous perturbation gradient approximation",
    IEEE Trans. Autom. Control 37, 332 (1992).
    """

    step: float = 0.01
    repeats: int = 1
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        positive("spsa", "step", self.step, "step = 0.01 say.")
        within("spsa", "repeats", self.repeats, 1, np.inf, "A number of corners.")

    start = no_memory

    def estimate(self, circuit, engine, theta, inputs, targets, *, cost, rng, rate, memory) -> Estimate:
        """2 evaluations for each repeat; the outputs reported are the mean of the two sides."""

        def over_what_is_left(moved: np.ndarray, scale: np.ndarray) -> np.ndarray:
            return np.divide(1.0, moved, out=np.zeros(len(moved)), where=moved != 0)

        return perturbed(
            circuit, engine, theta, inputs, targets, cost, step=self.step, repeats=int(self.repeats),
            draw=lambda count: rng.choice((-1.0, 1.0), count), weigh=over_what_is_left, centred=True,
        )  # fmt: skip
