"""Frequency propagation: activations at one frequency, errors at another, both at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analogpnn.circuit.boundary import Boundary, Inject
from analogpnn.circuit.local import Local
from analogpnn.learning.checks import positive
from analogpnn.learning.costs import Cost, SquaredError


@dataclass(frozen=True)
class FrequencyPropagation:
    r"""The outputs are driven by an oscillating error current; each element multiplies its mean with its amplitude.

    .. math:: j(t) = -\beta\, \partial C/\partial o_F\, \sin\omega t, \qquad v(t) = a + b \sin\omega t + O(\beta^2),
              \qquad \Delta g = -\frac{1}{\beta}\, a\, b

    Small-signal form: omega is far below the circuit's own frequencies, so every instant is an equilibrium. The
    oscillation enters as an imaginary current: voltages come out as ``a + i b``, and the imaginary part of the force
    is the component of the force at omega; for a conductance, ``Im (a + i b)^2 / 2 = a b``.

    Order in the nudge: 2; in a linear network exact at any beta.

    Needs from the hardware: one nudged state (the free one only to read the outputs), a lock-in at each element;
    nothing is stored.

    Parameters
    ----------
    beta : float
        Nudge strength [S, or V A with the cross-entropy].
    cost : Cost
        What the error current goes down on.

    Notes
    -----
    Departures from the paper: no time; the third-order term of the response has another constant than a sine's. The
    fast engine only.

    References
    ----------
    V. R. Anisetti, A. Kandala, B. Scellier, J. M. Schwarz, "Frequency propagation: multimechanism learning in
    nonlinear physical networks", Neural Comput. 36, 596 (2024), arXiv:2208.08862.
    """

    beta: float = 1e-5
    cost: Cost = field(default_factory=SquaredError)

    def __post_init__(self):
        positive("frequency propagation", "beta", self.beta, "beta = 1e-5, in siemens, say.")

    def boundaries(self, outputs: np.ndarray, targets: np.ndarray) -> tuple[Boundary, ...]:
        """One oscillating current per output, as an imaginary one [A], shape (..., n_outputs)."""
        return (Inject(-1j * self.beta * self.cost.gradient(outputs, targets)),)

    def update(self, free: Local, oscillating: Local) -> np.ndarray:
        """``-Im force / beta``, shape (..., n_trainable)."""
        return -np.imag(np.asarray(oscillating.force)) / self.beta
