"""Comparator hardware: each element moves one step of its ladder by the sign of its contrast."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.circuit.boundary import Boundary, Clamp
from analogpnn.circuit.local import Local
from analogpnn.errors import ExperimentError
from analogpnn.learning.checks import positive
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class ComparatorCoupledLearning:
    r"""Coupled learning that knows only which of the two states has the larger voltage.

    .. math:: o_C = o_F - \eta\, \partial C/\partial o_F, \qquad
              \Delta\theta = \mathrm{sign}\left(\frac{\partial P}{\partial\theta}\Big|_F
                           - \frac{\partial P}{\partial\theta}\Big|_C\right) \in \{-1, 0, 1\}

    `rate` is the step of the ladder [unit of theta]: with ``batch = 1`` and plain steps theta moves on a ladder, as
    a digital potentiometer does. In larger batches the samples vote, and the average of the signs counts.

    Order in the nudge: none; each update has the right sign where `CoupledLearning` has, and no size.

    Needs from the hardware: twin networks, a comparator and an up/down counter per element. Asks for each sample's
    own contrast, so the batch average can't be taken before the sign.

    Parameters
    ----------
    eta, cost
        As in `CoupledLearning`.
    dead : float
        Contrasts up to this size count as none: what the comparator doesn't resolve [unit of the force].

    Notes
    -----
    Departures from the paper: the ladder has equal steps in theta (conductance), the potentiometers there in
    resistance; the comparator sees the forces, whose order is that of the absolute voltages.

    References
    ----------
    S. Dillavou, M. Stern, A. J. Liu, D. J. Durian, "Demonstration of decentralized physics-driven learning",
    Phys. Rev. Applied 18, 014040 (2022).
    """

    eta: float = 0.1
    dead: float = 0.0
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        positive("comparator coupled learning", "eta", self.eta, "eta = 0.1 say.")
        if not self.dead >= 0:
            raise ExperimentError(f"comparator coupled learning: dead must be at least 0, not {self.dead!r}")

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """One clamp [V], shape (..., n_outputs)."""
        return (Clamp(outputs - self.eta * self.cost.gradient(outputs, targets)),)

    def update(self, free: Local, clamped: Local) -> np.ndarray:
        """``sign(force_F - force_C)``, shape (..., n_trainable)."""
        contrast = np.asarray(free.force) - np.asarray(clamped.force)
        return np.where(np.abs(contrast) > self.dead, np.sign(contrast), 0.0)
