"""The inverse of the linear part, applied to many right-hand sides."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spl

from analogpnn.engines.fast.assembly import Linear
from analogpnn.engines.fast.shared import Shared

DENSE_LIMIT = 220
"""Unknowns up to which a dense inverse is the faster one."""


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
            column = np.abs(scaled).max(axis=0, initial=0.0)
            if self.n and column.min() == 0.0:
                raise np.linalg.LinAlgError("empty column")
            scaled /= column
            inverse = np.linalg.inv(scaled)
            if self.n and not np.abs(scaled).sum(axis=0).max() * np.abs(inverse).sum(axis=0).max() < 1e13:
                raise np.linalg.LinAlgError("singular")
            self.inverse = inverse / column[:, None] / row
            return
        self.inverse = None
        self.shared: Shared | None = None
        if linear.structure.symmetric:
            try:
                self.shared = Shared(linear)
                return
            except np.linalg.LinAlgError:
                pass  # SuperLU pivots, and judges
        try:
            self.lu = spl.splu(linear.matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True},
                               diag_pivot_thresh=0.01)  # fmt: skip
        except RuntimeError as error:
            raise np.linalg.LinAlgError(str(error)) from None

    def solve(self, b: np.ndarray) -> np.ndarray:
        """A^-1 b for rows b (B, n)."""
        if self.inverse is not None:
            return b @ self.inverse.T
        if self.shared is not None:
            return self.shared.solve(b)
        return self.lu.solve(np.ascontiguousarray(b.T)).T

    def columns(self, b: sp.csc_matrix) -> np.ndarray:
        """A^-1 b for a few sparse columns (n, k)."""
        if self.inverse is not None:
            return self.inverse @ b.toarray()
        if self.shared is not None:
            return self.shared.solve(b.T.toarray()).T
        return self.lu.solve(b.toarray())
