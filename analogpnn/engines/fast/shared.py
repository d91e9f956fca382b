"""One symmetric factor for many right-hand sides: L D L^T with the order and fill of the structure, in lanes.

Conductances change with every update of theta, their pattern never does: the symbolic part is done once. Right-hand
sides pass through the factor eight at a time.
"""

from __future__ import annotations

import numpy as np

from analogpnn.engines.fast.assembly import Linear
from analogpnn.engines.fast.pattern import analyse, columns

LARGEST = 4_000_000
"""Fill up to which it is used: it is computed with eight equal lanes, 64 bytes an entry."""
SMALLEST_PIVOT = 1e-13
"""Against its diagonal entry; below, without pivoting, too few digits are left."""


class Shared:
    """A^-1 for a symmetric positive definite A; raises LinAlgError for any other."""

    def __init__(self, linear: Linear):
        from analogpnn.engines.fast import lanes  # numba loads only where it is used

        s = linear.structure
        block = s.free_free
        entries = block.entries(linear.values)

        def plan():
            pattern = analyse(block, entries, True)
            return pattern, columns(pattern, True)

        p, placed = s.memo("shared plan", plan)
        if p.fill > LARGEST:
            raise np.linalg.LinAlgError("too much fill")
        self.pattern, self._share, self._solve = p, lanes.share, lanes.solve_shared
        self.l, self.inverse = np.empty(p.fill), np.empty(p.n)
        least = lanes.factor_shared(
            p.n, p.pointers, p.indices, p.row_pointers, p.row_columns, p.row_places, p.group_pointers, p.group_starts,
            p.group_lengths, placed.pointers, placed.indices, entries[placed.kept], self.l, self.inverse,
        )  # fmt: skip
        if not least > SMALLEST_PIVOT:
            raise np.linalg.LinAlgError("not positive definite")

    def solve(self, b: np.ndarray) -> np.ndarray:
        """A^-1 b for rows b (B, n)."""
        from analogpnn.engines.fast.lanes import LANES

        p, x = self.pattern, np.empty(b.shape)
        b = np.ascontiguousarray(b)

        def run(first: int, last: int) -> None:
            arguments = (first, last, p.n, p.columns, p.pointers, p.indices, self.l, self.inverse, b, x)
            self._solve(*arguments)

        self._share(run, -(-len(b) // LANES), 4.0 * LANES * p.fill)
        return x
