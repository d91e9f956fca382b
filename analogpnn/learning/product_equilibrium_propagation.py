"""The product form: the free voltage times what the nudge adds to it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.circuit.boundary import Boundary, Inject
from analogpnn.circuit.local import Local
from analogpnn.learning.checks import nonzero
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class ProductEquilibriumPropagation:
    r"""Free state times adjoint state.

    .. math:: j = -\beta\, \partial C/\partial o_F, \qquad
              \Delta g = -\frac{1}{\beta}\, v_F\, (v_\beta - v_F)

    The nudge's response ``(v_beta - v_F)/beta`` is the adjoint state of a reciprocal circuit, and the gradient by a
    conductance is the product of both. **Exact in a linear network at any nudge**: the response is linear, and no
    square of it enters, as it does in the difference of ``v^2``.

    Order in the nudge: 1 in a nonlinear circuit.

    Needs from the hardware: two states, and per element the *product* of a stored voltage with a difference, signs
    included, instead of squares.

    Parameters
    ----------
    beta, cost
        As in `EquilibriumPropagation`.

    Notes
    -----
    For conductances, and other elements whose force is quadratic in their own voltage. The gain correction of
    amplified networks is read off the force (``2 force / v``).

    References
    ----------
    S. W. Director, R. A. Rohrer, "The generalized adjoint network and network sensitivities", IEEE Trans. Circuit
    Theory 16, 318 (1969); as a learning rule in arXiv:2208.08862 and, adjoint coupled learning, arXiv:2606.15443.
    """

    beta: float = 1e-5
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        nonzero("product equilibrium propagation", "beta", self.beta, "beta = 1e-5, in siemens, say.")

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """One current per output [A], shape (..., n_outputs)."""
        return (Inject(-self.beta * self.cost.gradient(outputs, targets)),)

    def update(self, free: Local, nudged: Local) -> np.ndarray:
        """``-(2 force_F / v_F) (v_beta - v_F) / beta``, shape (..., n_trainable)."""
        v = np.asarray(free.voltage)
        slope = 2.0 * np.asarray(free.force) / np.where(v == 0.0, 1.0, v)
        return -slope * (np.asarray(nudged.voltage) - v) / self.beta
