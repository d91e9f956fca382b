"""Centred coupled learning: clamp towards the targets, then away from them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.circuit.boundary import Boundary, Clamp
from analogpnn.circuit.local import Local
from analogpnn.learning.checks import positive
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class CentredCoupledLearning:
    r"""Clamp by +eta and by -eta, compare the two.

    .. math:: o_\pm = o_F \mp \eta\, \partial C/\partial o_F, \qquad
              \Delta\theta = \frac{1}{2\eta}\left(\frac{\partial P}{\partial\theta}\Big|_-
                           - \frac{\partial P}{\partial\theta}\Big|_+\right)

    Descends what `CoupledLearning` descends (errors weighted by the response S of the outputs; see there),
    with a smaller error. Order in the nudge: 2. In a linear network the update does not depend on eta at all:
    the response is linear, the force quadratic, so that the central difference is exact.

    Needs from the hardware: three states (the free one only to read the outputs), voltage sources on the
    outputs, a memory of v^2 per element.

    Parameters
    ----------
    eta, half, cost
        As in `CoupledLearning`.

    Notes
    -----
    Departures from the paper: shallow circuits instead of deep convolutional Hopfield networks, and any cost.

    References
    ----------
    B. Scellier, M. Ernoult, J. Kendall, S. Kumar, "Energy-based learning algorithms for analog computing: a
    comparative study", NeurIPS 2023, arXiv:2312.15103 ("C-CpL").
    """

    eta: float = 0.1
    half: bool = True
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        positive("centred coupled learning", "eta", self.eta, "eta = 0.1 say.")

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """Two clamps [V], shape (..., n_outputs): towards the targets, away from them."""
        move = self.eta * self.cost.gradient(outputs, targets)
        return Clamp(outputs - move), Clamp(outputs + move)

    def update(self, free: Local, plus: Local, minus: Local) -> np.ndarray:
        """``(force_- - force_+) / (2 eta)``, twice that without the 1/2; shape (..., n_trainable)."""
        return (minus.force - plus.force) * ((0.5 if self.half else 1.0) / self.eta)
