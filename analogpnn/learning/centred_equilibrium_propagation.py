"""Centred equilibrium propagation: nudge both ways, compare the two nudged states."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.circuit.boundary import Boundary, Inject
from analogpnn.circuit.local import Local
from analogpnn.learning.checks import nonzero
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class CentredEquilibriumPropagation:
    r"""Nudge by +beta and by -beta, compare the two.

    .. math:: j_\pm = \mp\beta\, \partial C/\partial o_F, \qquad
              \Delta\theta = \frac{1}{2\beta}\left(\frac{\partial W}{\partial\theta}\Big|_{-\beta}
                           - \frac{\partial W}{\partial\theta}\Big|_{+\beta}\right)
              \to -\frac{dC}{d\theta} \quad (\beta \to 0)

    For a conductance ``Delta g = (v_-^2 - v_+^2) / (4 beta)``.

    Order in the nudge: 2. In a linear network it is the exact gradient at any beta: a constant current moves
    the state linearly, and the force is quadratic.

    Needs from the hardware: three states (the free one only to read the outputs), current sources of both
    signs on the outputs, a memory of v^2 per element; a co-content, as `EquilibriumPropagation`.

    Parameters
    ----------
    beta, cost
        As in `EquilibriumPropagation`.

    Notes
    -----
    Departures from the paper: constant currents computed from the free outputs, so the negative phase has no
    stability limit; see `EquilibriumPropagation`.

    References
    ----------
    A. Laborieux, M. Ernoult, B. Scellier, Y. Bengio, J. Grollier, D. Querlioz, "Scaling equilibrium
    propagation to deep convnets by drastically reducing its gradient estimator bias", Front. Neurosci.
    15:633674 (2021).
    """

    beta: float = 1e-5
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        nonzero("centred equilibrium propagation", "beta", self.beta, "beta = 1e-5, in siemens, say.")

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """Two currents per output [A], shape (..., n_outputs): towards the targets, away from them."""
        push = -self.beta * self.cost.gradient(outputs, targets)
        return Inject(push), Inject(-push)

    def update(self, free: Local, plus: Local, minus: Local) -> np.ndarray:
        """``(force_- - force_+) / (2 beta)``, shape (..., n_trainable)."""
        return (minus.force - plus.force) / (2 * self.beta)
