"""Agnostic equilibrium propagation: the parameters drift by themselves while the outputs are nudged."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.circuit.boundary import Boundary, Inject
from analogpnn.circuit.local import Local
from analogpnn.errors import ExperimentError
from analogpnn.learning.checks import nonzero
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class AgnosticEquilibriumPropagation:
    r"""No one computes an update: theta is itself a physical variable, held by a knob, and moves under the nudge.

    With a spring ``(u - theta)^2 / (2 epsilon)`` between each parameter and its knob u, the joint equilibrium is that
    of W + spring. Free phase: every knob is tuned (homeostasis) until theta rests at its present value; nudged phase:
    the knobs are left alone, the outputs nudged, theta comes to rest elsewhere:

    .. math:: \theta' - \theta = \epsilon\left(\frac{\partial W}{\partial\theta}\Big|_{F,\,\theta}
                               - \frac{\partial W}{\partial\theta}\Big|_{\beta,\,\theta'}\right)
              \approx -\epsilon\beta\, \frac{dC}{d\theta}

    It is an implicit step: the second force is that at the *new* theta. `update` is ``(theta' - theta) / (epsilon
    beta)``, so that ``rate = epsilon * beta`` is the drift itself.

    Order in the nudge: 1, and 1 in epsilon.

    Needs from the hardware: two states, a homeostatic control per parameter; no knowledge of the law, and no stored
    force. One sample at a time; with a batch, theta drifts under the mean force.

    Parameters
    ----------
    beta : float
        Nudge strength [S, or V A with the cross-entropy].
    epsilon : float
        Compliance of the spring [unit of theta per unit of force]; 0 is the limit of a stiff one, whose update is
        that of `EquilibriumPropagation`.
    relaxations : int
        How often the nudged state is settled again at the drifted theta (fixed-point iteration), if epsilon > 0.
    cost : Cost
        What the nudge goes down on.

    Notes
    -----
    Departures from the paper: the knobs' tuning is taken to be perfect; the joint relaxation is a fixed-point
    iteration between theta and the circuit; a constant nudge current.

    References
    ----------
    B. Scellier, S. Mishra, Y. Bengio, Y. Ollivier, "Agnostic physics-driven deep learning", arXiv:2205.15021 (2022).
    """

    beta: float = 1e-5
    epsilon: float = 0.0
    relaxations: int = 3
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        nonzero("agnostic equilibrium propagation", "beta", self.beta, "beta = 1e-5, in siemens, say.")
        if not self.epsilon >= 0:
            what = f"agnostic equilibrium propagation: epsilon must be at least 0, not {self.epsilon!r}"
            raise ExperimentError(what, cure="rate / beta makes the drift the whole step.")

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """One current per output [A], shape (..., n_outputs)."""
        return (Inject(-self.beta * self.cost.gradient(outputs, targets)),)

    def update(self, free: Local, nudged: Local) -> np.ndarray:
        """``(force_F - force_beta) / beta``, shape (..., n_trainable)."""
        return (free.force - nudged.force) / self.beta

    def drifts(self, theta: np.ndarray, update: np.ndarray) -> np.ndarray:
        """Where theta has drifted to under the mean update found so far, shape (n_trainable,)."""
        return theta + self.epsilon * self.beta * update
