"""Newton's method where the circuit is nonlinear: everything linear is eliminated once per theta.

With A the linear part, S and C the ways in and out of the nonlinear laws i,

    u = u0 - Z i(u),   Z = C A^-1 S,   u0 = C A^-1 b + controls of known nodes.
"""

from __future__ import annotations

import numpy as np

from analogpnn.engines.fast import bicgstab, conjugate
from analogpnn.engines.fast.assembly import Linear
from analogpnn.engines.fast.factor import Factor
from analogpnn.engines.fast.full import solve_rows
from analogpnn.engines.fast.laws import Laws, Tangent
from analogpnn.engines.fast.ports import Ports

MANY = 40
"""Ports from which systems are solved by conjugate gradients, or biconjugate ones if they are not symmetric."""


class Reduced:
    """Newton's method on the nonlinear ports."""

    def __init__(self, linear: Linear, p: Ports):
        self.ports = p
        self.factor = Factor(linear)
        spread = self.factor.columns(p.inject_free)
        self.z = np.asarray(p.read_free @ spread)
        if not np.isfinite(self.z).all():
            raise np.linalg.LinAlgError("singular")
        own = np.diag(self.z)
        self.resistance = np.where(own == 0.0, 0.0, np.maximum(own, 1e-9)) if p.square else None
        self.gradients = None
        if p.square and p.n_in >= MANY:
            self.gradients = conjugate.solve if linear.structure.symmetric else bicgstab.solve
        self.spread = None if self.gradients and spread.size > 1_000_000 else spread
        self.identity = None if self.gradients else np.eye(p.n_in)
        self.linear_size = self.factor.n

    def begin(self, b_free: np.ndarray, known_controls: np.ndarray):
        x0 = self.factor.solve(b_free)
        u0 = (self.ports.read_free @ x0.T).T + known_controls
        return b_free, x0, u0, np.zeros_like(u0)  # the last is where each sample's step left off

    def step(self, state, laws: Laws, t: Tangent, rows):
        _, _, u0, last = state
        right = u0[rows] - t.offset @ self.z.T
        if self.gradients is not None:
            u = self.gradients(self.z, laws.diagonal(t), right, last[rows])
            last[rows] = u
            return u
        if self.ports.square:
            m = self.identity + self.z * laws.diagonal(t)[:, None, :]
        else:
            m = self.identity + self.z @ laws.matrix(t)
        return solve_rows(m, right)

    def finish(self, state, currents: np.ndarray, rows) -> np.ndarray:
        b_free, x0, _, _ = state
        if self.spread is not None:
            return x0[rows] - currents @ self.spread.T
        return self.factor.solve(b_free[rows] - (self.ports.inject_free @ currents.T).T)
