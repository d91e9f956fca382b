"""Equilibrium propagation: push the outputs down the cost with a current, compare forces."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.circuit.boundary import Boundary, Inject
from analogpnn.circuit.local import Local
from analogpnn.learning.checks import nonzero
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class EquilibriumPropagation:
    r"""Free state against a state nudged by a current along minus the gradient of the cost.

    .. math:: j = -\beta\, \partial C/\partial o_F, \qquad
              \Delta\theta = \frac{1}{\beta}\left(\frac{\partial W}{\partial\theta}\Big|_F
                           - \frac{\partial W}{\partial\theta}\Big|_\beta\right)
              \to -\frac{dC}{d\theta} \quad (\beta \to 0)

    W is the co-content; for a conductance ``Delta g = (v_F^2 - v_beta^2) / (2 beta)``.

    Order in the nudge: 1. `CentredEquilibriumPropagation` is of order 2.

    Needs from the hardware: two states, current sources on the outputs, and per element its squared voltage
    in both. The circuit must have a co-content (reciprocal elements); where it has not (a MOSFET whose gate
    is referred to ground, an amplifier), the update is an approximation or needs a gain per layer, and the
    exact adjoint gradient says how good it is.

    Parameters
    ----------
    beta : float
        Nudge strength: a conductance [S] with the squared error, V A with the cross-entropy. Negative nudges
        away from the targets ("N-EP"). Small against the conductance seen at the outputs, large enough for
        the difference of the two states to stand out of the solver's tolerance or the bench's noise.
    cost : Cost
        What the nudge goes down on.

    Notes
    -----
    Departures from the paper: the nudge current is computed from the free outputs and then held (a constant
    current), instead of following the outputs as the nudge proceeds (a conductance beta to the target). Same
    limit and order; better for larger nudges, because the nudged circuit keeps its own conductances: there
    is no largest beta beyond which a negative nudge is unstable. In a linear network the centred form is
    exact.

    References
    ----------
    B. Scellier, Y. Bengio, "Equilibrium propagation: bridging the gap between energy-based models and
    backpropagation", Front. Comput. Neurosci. 11:24 (2017).
    J. Kendall, R. Pantone, K. Manickavasagam, Y. Bengio, B. Scellier, "Training end-to-end analog neural
    networks with equilibrium propagation", arXiv:2006.01981 (2020): co-content, currents on the outputs.
    """

    beta: float = 1e-5
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        nonzero("equilibrium propagation", "beta", self.beta, "beta = 1e-5, in siemens, say.")

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """One current per output [A], shape (..., n_outputs)."""
        return (Inject(-self.beta * self.cost.gradient(outputs, targets)),)

    def update(self, free: Local, nudged: Local) -> np.ndarray:
        """``(force_F - force_beta) / beta``, shape (..., n_trainable)."""
        return (free.force - nudged.force) / self.beta
