"""Holomorphic equilibrium propagation: nudges on a circle in the complex plane."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.circuit.boundary import Boundary, Inject
from analogpnn.circuit.local import Local
from analogpnn.errors import ExperimentError
from analogpnn.learning.checks import positive
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class HolomorphicEquilibriumPropagation:
    r"""Cauchy's integral for the derivative by the nudge, from N points on a circle.

    .. math:: j_k = -\beta_k\, \partial C/\partial o_F, \quad \beta_k = |\beta| e^{2\pi i k/N}, \qquad
              \Delta\theta = -\frac{1}{N|\beta|} \sum_{k=0}^{N-1}
                             \frac{\partial W}{\partial\theta}\Big|_{\beta_k} e^{-2\pi i k/N}

    All powers of beta but the first cancel up to the N-th: a nudge that is large against the noise, and still the
    gradient. With N = 2 it is `CentredEquilibriumPropagation`.

    Order in the nudge: N: the error falls as ``(beta / radius)^N``, radius being the distance from beta = 0 of the
    nearest singularity of the equilibrium as a function of beta. In a linear network exact from N = 3.

    Needs from the hardware: N nudged states. A complex nudge is a mathematical device; in hardware the nudge
    oscillates and the forces are demodulated. Here the laws themselves are continued into the complex plane
    (`analogpnn.engines.complex`; the fast engine only). States k and N - k are each other's conjugates, so N//2 + 1
    are settled.

    Parameters
    ----------
    beta : float
        Radius of the circle [S, or V A with the cross-entropy].
    points : int
        N.
    cost : Cost
        What the nudge goes down on.

    Notes
    -----
    Departures from the paper: constant currents from the free outputs; no continuous-time version. Laws with kinks
    (a level-1 transistor's regions, the reverse tail of a diode) are continued piece by piece, the piece chosen by the
    real part; across a kink the order is lost.

    References
    ----------
    A. Laborieux, F. Zenke, "Holomorphic equilibrium propagation computes exact gradients through finite size
    oscillations", NeurIPS 2022, arXiv:2209.00530, eq. 10.
    """

    beta: float = 1e-5
    points: int = 4
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        positive("holomorphic equilibrium propagation", "beta", self.beta, "beta = 1e-5, in siemens, say.")
        if int(self.points) != self.points or self.points < 2:
            what = f"holomorphic equilibrium propagation: points must be a whole number from 2, not {self.points!r}"
            raise ExperimentError(what, cure="points = 4 say.")

    @property
    def turns(self) -> np.ndarray:
        """``e^(2 pi i k/N)`` for the states that are settled, k = 0 ... N//2."""
        n = int(self.points)
        return np.exp(2j * np.pi * np.arange(n // 2 + 1) / n)

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """N//2 + 1 currents per output [A], shape (..., n_outputs), complex but for those at +beta and -beta."""
        push = -self.beta * self.cost.gradient(outputs, targets)
        return tuple(Inject(push * (t.real if abs(t.imag) < 1e-12 else t)) for t in self.turns)

    def update(self, free: Local, *nudged: Local) -> np.ndarray:
        """``-sum_k force_k e^(-2 pi i k/N) / (N beta)``, shape (..., n_trainable)."""
        n, total = int(self.points), 0.0
        for k, (turn, state) in enumerate(zip(self.turns, nudged)):
            twins = 1.0 if 2 * k in (0, n) else 2.0  # the conjugate state adds the conjugate
            total = total + twins * np.real(np.asarray(state.force) * np.conj(turn))
        return -np.asarray(total) / (n * self.beta)
