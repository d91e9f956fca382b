"""Negative equilibrium propagation: push the outputs away from their targets."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.circuit.boundary import Boundary, Inject
from analogpnn.circuit.local import Local
from analogpnn.learning.checks import positive
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class NegativeEquilibriumPropagation:
    r"""A state nudged up the cost against the free state.

    .. math:: j = +\beta\, \partial C/\partial o_F, \qquad
              \Delta\theta = \frac{1}{\beta}\left(\frac{\partial W}{\partial\theta}\Big|_{-\beta}
                           - \frac{\partial W}{\partial\theta}\Big|_F\right)

    `EquilibriumPropagation` with beta of the other sign, and the other sign of its error. The comparative study
    found it better than the positive one on hard data.

    Order in the nudge: 1.

    Needs from the hardware: two states, current sources on the outputs; a co-content.

    Parameters
    ----------
    beta : float
        Nudge strength, positive [S, or V A with the cross-entropy].
    cost : Cost
        What the nudge goes up on.

    Notes
    -----
    Departures from the paper: a constant current, computed from the free outputs, so that no beta is too large to be
    stable (a conductance -beta is, from the smallest eigenvalue of the outputs' response on); no Hopfield network.

    References
    ----------
    B. Scellier, M. Ernoult, J. Kendall, S. Kumar, NeurIPS 2023, arXiv:2312.15103 ("N-EP").
    """

    beta: float = 1e-5
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        positive("negative equilibrium propagation", "beta", self.beta, "beta = 1e-5, in siemens, say.")

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """One current per output [A], shape (..., n_outputs)."""
        return (Inject(self.beta * self.cost.gradient(outputs, targets)),)

    def update(self, free: Local, nudged: Local) -> np.ndarray:
        """``(force_-beta - force_F) / beta``, shape (..., n_trainable)."""
        return (nudged.force - free.force) / self.beta
