"""Weight perturbation: Gaussian noise on all trainables, correlated with the cost."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.gradients.method import Estimate, no_memory
from analogpnn.gradients.perturbation import perturbed
from analogpnn.learning.checks import positive, within
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class WeightPerturbation:
    r"""One perturbed evaluation against the unperturbed one.

    .. math:: \Delta\theta = -\frac{C(\theta + \epsilon\xi) - C(\theta)}{\epsilon}\, \xi, \qquad \xi \sim N(0, 1)

    On average the gradient, to first order in epsilon; its square is P + 2 times the gradient's.

    Order: 1 in the perturbation (2 on average, for the Gaussian is even). Needs from the hardware: 2 evaluations of the
    cost per update, one of them at theta itself; noise at each element and the cost broadcast to all. No model.

    Parameters
    ----------
    step : float
        Standard deviation of the perturbation as a share of the trainable's scale.
    repeats : int
        Perturbations averaged for an update.
    cost : Cost

    Notes
    -----
    A perturbation that would leave the bounds ends there, and what is left of it is what is correlated.

    References
    ----------
    G. Cauwenberghs, "A fast stochastic error-descent algorithm for supervised learning and optimization", NIPS 1992.
    """

    step: float = 0.01
    repeats: int = 1
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        positive("weight perturbation", "step", self.step, "step = 0.01 say.")
        within("weight perturbation", "repeats", self.repeats, 1, np.inf, "A number of perturbations.")

    start = no_memory

    def estimate(self, circuit, engine, theta, inputs, targets, *, cost, rng, rate, memory) -> Estimate:
        """1 + repeats evaluations."""
        return perturbed(
            circuit, engine, theta, inputs, targets, cost, step=self.step, repeats=int(self.repeats),
            draw=rng.standard_normal, weigh=lambda moved, scale: moved / scale**2, centred=False,
        )  # fmt: skip
