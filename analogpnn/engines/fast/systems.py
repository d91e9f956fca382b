"""Three ways to make one Newton step on a batch, chosen by the circuit's structure.

`Reduced` eliminates everything linear once per theta and iterates on the nonlinear ports only,
    u = u0 - Z i(u),   Z = C A^-1 S,
`Dense` and `Sparse` solve the whole system A + S D C, all samples at once or one after the other.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl

from analogpnn.engines.fast.assembly import Linear, Structure
from analogpnn.engines.fast.laws import Laws, Tangent
from analogpnn.engines.fast.ports import Ports

DENSE_LIMIT = 220
"""Unknowns up to which a dense factorisation is the faster one."""
REDUCED_LIMIT = 200
"""Nonlinear ports up to which a dense system on them is the faster one."""


class Factor:
    """A^-1 of the free unknowns, dense or sparse; raises LinAlgError where A is singular."""

    def __init__(self, linear: Linear):
        self.n = len(linear.structure.free)
        if self.n <= DENSE_LIMIT:
            # An explicit inverse: these systems are small, and are applied to thousands of right-hand sides.
            dense = linear.dense
            # Rows in volts and rows in siemens differ by orders of magnitude; equilibrate before judging.
            row = np.abs(dense).max(axis=1, initial=0.0)
            if self.n and row.min() == 0.0:
                raise np.linalg.LinAlgError("empty row")
            scaled = dense / row[:, None]
            column = np.abs(scaled).max(axis=0)
            if self.n and column.min() == 0.0:
                raise np.linalg.LinAlgError("empty column")
            scaled /= column
            if self.n and 1.0 / np.linalg.cond(scaled, 1) < 1e-13:
                raise np.linalg.LinAlgError("singular")
            self.inverse = (np.linalg.inv(scaled) / column[:, None]) / row
            self.lu = None
        else:
            self.inverse = None
            try:
                self.lu = spl.splu(linear.matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True},
                                   diag_pivot_thresh=0.01)  # fmt: skip
            except RuntimeError as error:
                raise np.linalg.LinAlgError(str(error)) from None

    def solve(self, b: np.ndarray) -> np.ndarray:
        """A^-1 b for rows b (B, n)."""
        if self.lu is None:
            return b @ self.inverse.T
        return self.lu.solve(np.ascontiguousarray(b.T)).T

    def columns(self, b: sp.csc_matrix) -> np.ndarray:
        """A^-1 b for a few sparse columns (n, k)."""
        if self.lu is None:
            return self.inverse @ b.toarray()
        return self.lu.solve(b.toarray())


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


class Full:
    """Newton's method on all free unknowns; `shunt` is a conductance from every node to ground (gmin stepping)."""

    resistance = None

    def __init__(self, s: Structure, linear: Linear, p: Ports):
        self.ports, self.block = p, s.jacobian
        self.n = self.linear_size = len(s.free)
        self.dense = self.n <= DENSE_LIMIT
        self.shunt = 0.0
        self.is_node = (s.free < s.circuit.n_nodes).astype(float)
        _, _, signs = s.nonlinear_triplets
        padded = np.concatenate([linear.values, np.zeros(len(signs))])
        self.base = self.block.dense(padded) if self.dense else self.block.entries(padded)
        self.scatter = self.block.scatter(signs, len(linear.values), self.dense)

    def begin(self, b_free: np.ndarray, known_controls: np.ndarray):
        return b_free, known_controls

    def _solve(self, laws: Laws, t: Tangent, right: np.ndarray) -> np.ndarray:
        added = self.scatter @ laws.triplet_slopes(t)
        if self.dense:
            m = self.base + added.T.reshape(-1, self.n, self.n)
            if self.shunt:
                m += np.diag(self.shunt * self.is_node)
            return _solve_rows(m, right)
        out = np.empty_like(right)
        shunt = sp.diags(self.shunt * self.is_node).tocsc() if self.shunt else None
        for k in range(right.shape[0]):
            m = sp.csc_matrix((self.base + added[:, k], self.block.rows, self.block.pointers), shape=self.block.shape)
            try:
                lu = spl.splu(m if shunt is None else (m + shunt).tocsc(), permc_spec="MMD_AT_PLUS_A",
                              diag_pivot_thresh=0.01)  # fmt: skip
                out[k] = lu.solve(right[k])
            except RuntimeError:
                out[k] = np.nan
        return out

    def step(self, state, laws: Laws, t: Tangent, rows):
        b, known = state
        d_known = laws.times(t, known[rows])
        self._x = self._solve(laws, t, b[rows] - (self.ports.inject_free @ (t.offset + d_known).T).T)
        return (self.ports.read_free @ self._x.T).T + known[rows]

    def finish(self, state, currents: np.ndarray, rows) -> np.ndarray:
        return self._x


def _solve_rows(m: np.ndarray, right: np.ndarray) -> np.ndarray:
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
