"""Coupled learning: clamp the outputs a little nearer to their targets, compare dissipation."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.circuit.boundary import Boundary, Clamp
from analogpnn.circuit.local import Local
from analogpnn.learning.checks import positive
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class CoupledLearning:
    r"""Free state against a state whose outputs are clamped towards the targets.

    .. math:: o_C = o_F - \eta\, \partial C/\partial o_F, \qquad
              \Delta\theta = \frac{1}{\eta}\left(\frac{\partial P}{\partial\theta}\Big|_F
                           - \frac{\partial P}{\partial\theta}\Big|_C\right)

    With the squared error the clamp is the familiar ``o_C = o_F + eta (y - o_F)``, and for a conductance
    ``Delta k = (v_F^2 - v_C^2) / (2 eta)``.

    **What it descends.** In a linear network and for small eta, ``Delta k = e^T S do_F/dk`` with the error
    ``e = y - o_F`` and S the response of the outputs (the Schur complement of the Laplacian on the output
    nodes [S]): the errors are weighted by S, which is not the gradient of ``1/2 |e|^2`` unless S is close to
    a multiple of the unit matrix. The update of a conductance is thus in W/S where equilibrium propagation's
    is in V^2/S: it is smaller by about the conductance seen at the outputs, and its `rate` larger by as much.

    Order in the nudge: 1 (the error of the update against its own limit eta -> 0 is proportional to eta:
    26 % at eta = 1 in a linear net); `CentredCoupledLearning` is of order 2, and exact in linear nets.

    Needs from the hardware: two states, one after the other with a memory of v^2 per element, or at once in
    twin networks; voltage sources that hold the outputs; each element squares its own voltage.

    Parameters
    ----------
    eta : float
        Clamp amplitude; 1 is the classical contrastive clamp onto the target itself, more over-clamps. No
        unit with the squared error, V^2 with the cross-entropy (whose gradient is in 1/V).
    half : bool
        True: the force is that of the co-content, v^2/2 for a conductance, as in the paper's ``P = 1/2 sum k
        v^2``. False: without the 1/2, as in much of the released code; doubles the update.
    cost : Cost
        What the clamp goes down on.

    Notes
    -----
    Departures from the paper: targets enter through a cost, so that other costs than the squared error can be
    clamped along; the power is the co-content (its derivative is the same thing in a linear network), so that
    diodes and transistors between the resistors are in order.

    References
    ----------
    M. Stern, D. Hexner, J. W. Rocks, A. J. Liu, "Supervised learning in physical networks: from machine
    learning to learning machines", Phys. Rev. X 11, 021045 (2021).
    """

    eta: float = 0.1
    half: bool = True
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        positive("coupled learning", "eta", self.eta, "eta = 0.1 say; 1 clamps onto the target itself.")

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """One clamp [V], shape (..., n_outputs)."""
        return (Clamp(outputs - self.eta * self.cost.gradient(outputs, targets)),)

    def update(self, free: Local, clamped: Local) -> np.ndarray:
        """``(force_F - force_C) / eta``, twice that without the 1/2; shape (..., n_trainable)."""
        return (free.force - clamped.force) * ((1.0 if self.half else 2.0) / self.eta)
