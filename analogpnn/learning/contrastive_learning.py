"""Classical contrastive learning: clamp the outputs onto the targets themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.circuit.boundary import Boundary, Clamp
from analogpnn.circuit.local import Local
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class ContrastiveLearning:
    r"""Free state against a state whose outputs are held where they should be.

    .. math:: o_C = o_F - \partial C/\partial o_F = y, \qquad
              \Delta\theta = \frac{\partial P}{\partial\theta}\Big|_F - \frac{\partial P}{\partial\theta}\Big|_C

    `CoupledLearning` at ``eta = 1``: it has no hyper-parameter, and the largest contrast short of over-clamping.
    For a conductance ``Delta g = (v_F^2 - v_C^2) / 2``.

    Order in the nudge: none, for there is no nudge to make small; as an estimate of what `CoupledLearning` descends
    it is off by as much as the outputs are (26 % in the linear nets of the tests), and right where it ends.

    Needs from the hardware: two states, voltage sources on the outputs, a memory of v^2 per element or a twin network.

    Parameters
    ----------
    cost : Cost
        With another cost than the squared error the outputs are clamped one whole gradient away.

    Notes
    -----
    Departures from the paper: resistive circuits instead of Hopfield networks; the co-content is the energy.

    References
    ----------
    J. R. Movellan, "Contrastive Hebbian learning in the continuous Hopfield model", Connectionist Models (1991);
    B. Scellier, M. Ernoult, J. Kendall, S. Kumar, NeurIPS 2023, arXiv:2312.15103 ("CL").
    """

    cost: Cost = field(default_factory=SquaredError)

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """One clamp [V], shape (..., n_outputs)."""
        return (Clamp(outputs - self.cost.gradient(outputs, targets)),)

    def update(self, free: Local, clamped: Local) -> np.ndarray:
        """``force_F - force_C``, shape (..., n_trainable)."""
        return free.force - clamped.force
