"""Power-regularised coupled learning: solutions that dissipate less, at some cost in error."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.circuit.boundary import Boundary, Clamp
from analogpnn.circuit.local import Local
from analogpnn.learning.checks import positive, within
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class PowerRegularisedCoupledLearning:
    r"""Coupled learning whose contrast also holds the free state's own power.

    .. math:: C_\lambda = \frac{P_C - P_F + \lambda P_F}{\eta}, \qquad
              \Delta\theta = \frac{1}{\eta}\left((1 - \lambda)\frac{\partial P}{\partial\theta}\Big|_F
                           - \frac{\partial P}{\partial\theta}\Big|_C\right)

    The additional term ``-lambda force_F / eta`` lowers every conductance in proportion to its own ``v^2``: the
    circuit ends where the pull of the error balances it, with an error that grows with lambda and a power that falls.

    Order in the nudge: 1, as `CoupledLearning`; with lambda > 0 it does not descend the cost alone.

    Needs from the hardware: what `CoupledLearning` needs; lambda is a gain in each element's comparison.

    Parameters
    ----------
    lam : float
        Weight of the power, lambda in the paper: 0 is coupled learning; 1e-3 to 5e-2 there.
    eta, cost
        As in `CoupledLearning`.

    Notes
    -----
    Departures from the paper: P is the co-content; its lambda is constant in time.

    References
    ----------
    M. Stern, S. Dillavou, D. Jayaraman, D. J. Durian, A. J. Liu, "Training self-learning circuits for
    power-efficient solutions", APL Mach. Learn. 2, 016114 (2024).
    """

    lam: float = 0.01
    eta: float = 0.1
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        positive("power-regularised coupled learning", "eta", self.eta, "eta = 0.1 say.")
        within("power-regularised coupled learning", "lam", self.lam, 0.0, 1.0, "lam = 0.01 say.")

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """One clamp [V], shape (..., n_outputs)."""
        return (Clamp(outputs - self.eta * self.cost.gradient(outputs, targets)),)

    def update(self, free: Local, clamped: Local) -> np.ndarray:
        """``((1 - lambda) force_F - force_C) / eta``, shape (..., n_trainable)."""
        return (free.force * (1.0 - self.lam) - clamped.force) * (1.0 / self.eta)
