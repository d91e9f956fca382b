"""Newton's method on all free unknowns, eight samples to a vector: see `lanes` and `pattern`."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from analogpnn.engines.fast.assembly import Linear, Structure
from analogpnn.engines.fast.laws import Laws, Tangent
from analogpnn.engines.fast.pattern import Pattern, analyse
from analogpnn.engines.fast.ports import Ports


class Plan:
    """What the circuit fixes: order, fill, and where the numbers of the Jacobian go. One for each structure."""

    def __init__(self, s: Structure, linear: Linear):
        block = s.jacobian
        _, _, signs = s.nonlinear_triplets
        first = len(linear.values)
        typical = block.entries(np.concatenate([linear.values, 1e-4 * np.abs(linear.values).max(initial=1.0) * signs]))
        self.symmetric = s.symmetric
        self.pattern: Pattern = analyse(block, typical, self.symmetric)
        p = self.pattern
        kept = np.flatnonzero(p.entry_rows >= p.entry_columns) if self.symmetric else np.arange(block.n_entries)
        kept = kept[np.lexsort((p.entry_rows[kept], p.entry_columns[kept]))]
        self.kept = kept
        self.indices = p.entry_rows[kept].astype(np.int32)
        self.pointers = np.searchsorted(p.entry_columns[kept], np.arange(p.n + 1)).astype(np.int64)
        scatter = block.scatter(signs, first, False)[kept]
        self.places = np.flatnonzero(np.diff(scatter.indptr)).astype(np.int64)
        self.scatter = scatter[self.places]
        self.on_diagonal = np.flatnonzero(self.indices == p.entry_columns[kept])


def plan_of(s: Structure, linear: Linear) -> Plan:
    """The structure's plan, made on first use."""
    return s.memo("plan", lambda: Plan(s, linear))


class Batched:
    """One factorisation of eight samples at once per Newton step."""

    shunt = 0.0

    def __init__(self, s: Structure, linear: Linear, p: Ports):
        self.ports = p
        self.linear_size = len(s.free)
        self.linear = linear
        self.plan = plan_of(s, linear)
        _, _, signs = s.nonlinear_triplets
        padded = np.concatenate([linear.values, np.zeros(len(signs))])
        self.base = s.jacobian.entries(padded)[self.plan.kept]

    @cached_property
    def resistance(self) -> np.ndarray | None:
        """Rough resistance seen by each port: the reciprocal diagonal entries of its two nodes."""
        if not self.ports.square:
            return None
        diagonal = np.abs(self.linear.matrix.diagonal())
        inverse = np.where(diagonal > 0, 1.0 / np.maximum(diagonal, 1e-300), 0.0)
        seen = abs(self.ports.read_free) @ inverse
        return np.maximum(seen, 1e-9)

    def begin(self, b_free: np.ndarray, known_controls: np.ndarray):
        return b_free, known_controls

    def step(self, state, laws: Laws, t: Tangent, rows):
        from analogpnn.engines.fast import lanes  # numba loads only where it is used

        b, known = state
        constant = t.offset + laws.times(t, known[rows]) if self.ports.read_known.nnz else t.offset
        right = b[rows] - (self.ports.inject_free @ constant.T).T
        plan, p = self.plan, self.plan.pattern
        self._x = np.empty(right.shape)
        arguments = (
            plan.symmetric, p.n, p.rows, p.columns, p.pointers, p.indices, p.row_pointers, p.row_columns, p.row_places,
            p.group_pointers, p.group_starts, p.group_lengths, plan.pointers, plan.indices,
            self.base, plan.places, plan.scatter @ laws.triplet_slopes(t),
        )  # fmt: skip
        lanes.solve_blocks(arguments, np.ascontiguousarray(right), self._x, p.flops * (1 if plan.symmetric else 2))
        return (self.ports.read_free @ self._x.T).T + known[rows]

    def finish(self, state, currents: np.ndarray, rows) -> np.ndarray:
        return self._x
