"""Over-clamping: a clamp so strong that the contrast stands out of the hardware's own bias."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.circuit.boundary import Boundary, Clamp
from analogpnn.circuit.local import Local
from analogpnn.errors import ExperimentError
from analogpnn.learning.checks import positive
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class OverclampedCoupledLearning:
    r"""Coupled learning with the outputs clamped past their targets, or away from the free state by a fixed size.

    .. math:: o_C = o_F - \eta\, \partial C/\partial o_F \quad (\eta > 1), \qquad\text{or}\qquad
              o_C = o_F - a\, \frac{\partial C/\partial o_F}{|\partial C/\partial o_F|},
              \qquad \Delta\theta = \frac{1}{\eta\text{ or }a}\left(\frac{\partial P}{\partial\theta}\Big|_F
                           - \frac{\partial P}{\partial\theta}\Big|_C\right)

    A bias b of each element's comparison enters the contrast *before* the division: the error then ends at 1.3 to
    2.1 b/eta instead of zero (measured in linear lattices), the lower the stronger the clamp.

    Order in the nudge: 1, and eta isn't small: a direction rather than a gradient, exact where the error vanishes.
    With a fixed size the update doesn't shrink with the error; use a decaying rate.

    Needs from the hardware: what `CoupledLearning` needs, and sources that reach past the targets.

    Parameters
    ----------
    eta : float
        Clamp amplitude, above 1.
    amplitude : float
        If above 0, the fixed distance a of the clamp from the free outputs [V], used instead of eta.
    cost : Cost
        What the clamp goes down on.

    Notes
    -----
    Departures from the paper: only its abstract could be read; both forms follow from what it says of the bias.

    References
    ----------
    S. Dillavou, M. Guzman, A. J. Liu, D. J. Durian, "Understanding and embracing imperfection in physical learning
    networks", arXiv:2505.22887 (2025).
    """

    eta: float = 2.0
    amplitude: float = 0.0
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        positive("over-clamped coupled learning", "eta", self.eta, "eta = 2 clamps as far past the target.")
        if not self.amplitude >= 0:
            what = f"over-clamped coupled learning: amplitude must be at least 0, not {self.amplitude!r}"
            raise ExperimentError(what, cure="The distance of the clamp in volts; 0 uses eta.")

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """One clamp [V], shape (..., n_outputs)."""
        move = self.cost.gradient(outputs, targets)
        if self.amplitude > 0:
            size = np.linalg.norm(move, axis=-1, keepdims=True)
            return (Clamp(outputs - self.amplitude * move / np.where(size > 0, size, 1.0)),)
        return (Clamp(outputs - self.eta * move),)

    def update(self, free: Local, clamped: Local) -> np.ndarray:
        """``(force_F - force_C) / (a or eta)``, shape (..., n_trainable)."""
        return (free.force - clamped.force) * (1.0 / (self.amplitude or self.eta))
