"""Newton's method where the circuit is nonlinear: everything linear is eliminated once per theta.

With A the linear part, S and C the ways in and out of the nonlinear laws i,

    u = u0 - Z i(u),   Z = C A^-1 S,   u0 = C A^-1 b + controls of known nodes.
"""

from __future__ import annotations

import numpy as np

from analogpnn.engines.fast.assembly import Linear
from analogpnn.engines.fast.factor import Factor
from analogpnn.engines.fast.laws import Laws, Tangent
from analogpnn.engines.fast.ports import Ports


class Reduced:
    """Newton's method on the nonlinear ports."""

    def __init__(self, linear: Linear, p: Ports):
        self.ports = p
        self.factor = Factor(linear)
        self.spread = self.factor.columns(p.inject_free)
        self.z = np.asarray(p.read_free @ self.spread)
        if not np.isfinite(self.z).all():
            raise np.linalg.LinAlgError("singular")
        self.resistance = np.maximum(np.diag(self.z), 1e-9) if p.square else None
        self.identity = np.eye(p.n_in)
        self.linear_size = self.factor.n

    def begin(self, b_free: np.ndarray, known_controls: np.ndarray):
        x0 = self.factor.solve(b_free)
        return x0, (self.ports.read_free @ x0.T).T + known_controls

    def step(self, state, laws: Laws, t: Tangent, rows):
        _, u0 = state
        right = u0[rows] - t.offset @ self.z.T
        if self.ports.square:
            m = self.identity + self.z * laws.diagonal(t)[:, None, :]
        else:
            m = self.identity + self.z @ laws.matrix(t)
        return np.linalg.solve(m, right[..., None])[..., 0]

    def finish(self, state, currents: np.ndarray, rows) -> np.ndarray:
        x0, _ = state
        return x0[rows] - currents @ self.spread.T
