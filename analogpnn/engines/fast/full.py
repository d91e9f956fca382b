"""Newton's method on all free unknowns, with dense matrices or one sparse factorisation after the other."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl

from analogpnn.engines.fast.assembly import Linear, Structure
from analogpnn.engines.fast.laws import Laws, Tangent
from analogpnn.engines.fast.ports import Ports

DENSE_LIMIT = 220
"""Unknowns up to which dense matrices are the faster ones."""


OHMS2 = 1e4
"""Inductance over capacitance of `inertia` [ohm^2]."""


class Full:
    """Newton's method on all free unknowns.

    Attributes
    ----------
    inertia : ndarray, shape (n_free,)
        What a capacitor at every node and an inductance in every voltage branch add to the diagonal, for continuation.
    """

    resistance = None

    def __init__(self, s: Structure, linear: Linear, p: Ports):
        self.ports, self.block, self.linear = p, s.jacobian, linear.matrix
        self.n = self.linear_size = len(s.free)
        self.dense = self.n <= DENSE_LIMIT
        self.inertia = np.where(s.free < s.circuit.n_nodes, 1.0, -OHMS2)
        _, _, signs = s.nonlinear_triplets
        padded = np.concatenate([linear.values, np.zeros(len(signs))])
        self.base = self.block.dense(padded) if self.dense else self.block.entries(padded)
        self.scatter = self.block.scatter(signs, len(linear.values), self.dense)

    def begin(self, b_free: np.ndarray, known_controls: np.ndarray):
        return b_free, known_controls

    def solve(self, laws: Laws, t: Tangent, right: np.ndarray, s: np.ndarray | None = None) -> np.ndarray:
        """x of (A + S D C + s M) x = right; s (B,) in siemens, M is `inertia`."""
        added = self.scatter @ laws.triplet_slopes(t)
        if self.dense:
            m = self.base + added.T.reshape(len(right), self.n, self.n)
            if s is not None:
                diagonal = np.arange(self.n)
                m[:, diagonal, diagonal] += s[:, None] * self.inertia
            return solve_rows(m, right)
        out = np.empty_like(right)
        for k in range(len(right)):
            entries = self.base + added[:, k]
            if not np.isfinite(entries).all():
                out[k] = np.nan
                continue
            m = sp.csc_matrix((entries, self.block.rows, self.block.pointers), shape=self.block.shape)
            if s is not None and s[k]:
                m = (m + sp.diags(s[k] * self.inertia)).tocsc()
            try:
                out[k] = spl.splu(m, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.01).solve(right[k])
            except RuntimeError:
                out[k] = np.nan
        return out

    def step(self, state, laws: Laws, t: Tangent, rows):
        b, known = state
        d_known = laws.times(t, known[rows])
        self._x = self.solve(laws, t, b[rows] - (self.ports.inject_free @ (t.offset + d_known).T).T)
        return (self.ports.read_free @ self._x.T).T + known[rows]

    def finish(self, state, currents: np.ndarray, rows) -> np.ndarray:
        return self._x


def solve_rows(m: np.ndarray, right: np.ndarray) -> np.ndarray:
    """m^-1 right, sample by sample; NaN where a matrix is singular or not finite."""
    try:
        return np.linalg.solve(m, right[..., None])[..., 0]
    except np.linalg.LinAlgError:
        out = np.full_like(right, np.nan)
        for k in range(len(m)):
            try:
                out[k] = np.linalg.solve(m[k], right[k])
            except np.linalg.LinAlgError:
                continue
        return out
