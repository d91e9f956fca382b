"""Equilibrium propagation whose nudge changes sign at random, so that its bias averages out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from analogpnn.circuit.boundary import Boundary, Inject
from analogpnn.circuit.local import Local
from analogpnn.errors import ExperimentError
from analogpnn.learning.checks import positive
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class RandomSignEquilibriumPropagation:
    r"""One nudged state, its sign drawn anew for every update.

    .. math:: j = -s\beta\, \partial C/\partial o_F, \quad s = \pm 1, \qquad
              \Delta\theta = \frac{1}{s\beta}\left(\frac{\partial W}{\partial\theta}\Big|_F
                           - \frac{\partial W}{\partial\theta}\Big|_{s\beta}\right)

    Each update is of order 1 in the nudge; their average over the signs is the centred estimate, of order 2, for two
    states instead of three.

    Order in the nudge: 1 (2 on average).

    Needs from the hardware: two states, current sources of both signs; a co-content.

    Parameters
    ----------
    beta : float
        Nudge strength, positive.
    cost : Cost
        What the nudge goes down or up on.
    sign : int
        The draw s; set by `drawn` for every update (one sign for the whole batch, as in the paper's code).

    Notes
    -----
    Departures from the paper: a constant current from the free outputs; see `EquilibriumPropagation`.

    References
    ----------
    B. Scellier, Y. Bengio, Front. Comput. Neurosci. 11:24 (2017), section 5.2.
    """

    beta: float = 1e-5
    cost: Cost = field(default_factory=SquaredError)
    sign: int = field(default=1, compare=False, repr=False)

    def __post_init__(self):
        positive("random-sign equilibrium propagation", "beta", self.beta, "beta = 1e-5, in siemens, say.")
        if self.sign not in (-1, 1):
            raise ExperimentError("random-sign equilibrium propagation: the sign is -1 or 1", cure="Leave it out.")

    def drawn(self, rng: np.random.Generator, n_trainable: int) -> RandomSignEquilibriumPropagation:
        """The rule for one update: the sign is decided."""
        return dataclasses.replace(self, sign=1 if rng.random() < 0.5 else -1)

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """One current per output [A], shape (..., n_outputs)."""
        return (Inject(-self.sign * self.beta * self.cost.gradient(outputs, targets)),)

    def update(self, free: Local, nudged: Local) -> np.ndarray:
        """``(force_F - force_s) / (s beta)``, shape (..., n_trainable)."""
        return (free.force - nudged.force) / (self.sign * self.beta)
