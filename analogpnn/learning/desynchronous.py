"""Desynchronous updates: at every step each element decides by itself whether to move."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analogpnn.circuit.boundary import Boundary
from analogpnn.circuit.local import Local
from analogpnn.errors import ExperimentError
from analogpnn.learning.costs import Cost
from analogpnn.learning.coupled_learning import CoupledLearning


@dataclass(frozen=True)
class Desynchronous:
    r"""Another rule's update, taken by each element with probability p.

    .. math:: \Delta\theta_e \to m_e \Delta\theta_e, \qquad m_e \sim \mathrm{Bernoulli}(p)

    The average direction is that of the rule, p times as fast. In hardware with discrete states it does better than
    all elements at once, as a smaller step would; in simulation it does no harm.

    Order in the nudge: that of the rule it wraps.

    Needs from the hardware: what the rule needs; no common clock. One draw per update holds for the whole batch.

    Parameters
    ----------
    probability : float
        p, above 0 and up to 1.
    rule : Rule, str or table
        What is wrapped; coupled learning by default.
    cost : Cost, optional
        Replaces the cost of the wrapped rule.
    moves : ndarray, shape (n_trainable,), optional
        The draw m; set by `drawn`. Without one every element moves.

    References
    ----------
    J. F. Wycoff, S. Dillavou, M. Stern, A. J. Liu, D. J. Durian, "Desynchronous learning in a physics-driven
    learning network", J. Chem. Phys. 156, 144903 (2022).
    """

    probability: float = 0.5
    rule: Any = field(default_factory=CoupledLearning)
    cost: Cost | None = None
    moves: np.ndarray | None = field(default=None, compare=False, repr=False)

    def __post_init__(self):
        if not 0 < self.probability <= 1:
            what = f"desynchronous: probability must be above 0 and at most 1, not {self.probability!r}"
            raise ExperimentError(what, cure="probability = 0.5 say.")
        if self.cost is None:
            object.__setattr__(self, "cost", getattr(self.rule, "cost", None))
        else:
            object.__setattr__(self, "rule", dataclasses.replace(self.rule, cost=self.cost))

    def drawn(self, rng: np.random.Generator, n_trainable: int) -> Desynchronous:
        """The rule for one update: who moves is decided."""
        inner = self.rule.drawn(rng, n_trainable) if hasattr(self.rule, "drawn") else self.rule
        return dataclasses.replace(self, rule=inner, moves=rng.random(n_trainable) < self.probability)

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """Those of the wrapped rule."""
        return self.rule.boundaries(outputs, targets)

    def update(self, *states: Local) -> np.ndarray:
        """The wrapped rule's, where an element moves; shape (..., n_trainable)."""
        update = self.rule.update(*states)
        return update if self.moves is None else update * self.moves
