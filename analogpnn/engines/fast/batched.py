"""Newton's method on all free unknowns, eight samples to a vector: see `lanes` and `pattern`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from analogpnn.engines.fast.assembly import Linear, Structure
from analogpnn.engines.fast.laws import Laws, Tangent
from analogpnn.engines.fast.pattern import Pattern, analyse, columns
from analogpnn.engines.fast.ports import Ports


@dataclass(frozen=True, eq=False)
class Slots:
    """Controls and outputs of all elements in one list: group after group, control after control, element by element.

    Attributes
    ----------
    places, signs : which port voltage a slot reads, and its sign
    element : the element a slot belongs to
    first_slot, first_element : where each group begins
    n_elements : int
    """

    places: np.ndarray
    signs: np.ndarray
    element: np.ndarray
    first_slot: list[int]
    first_element: list[int]
    n_elements: int

    @classmethod
    def of(cls, p: Ports) -> Slots:
        places, signs, element, first_slot, first_element = [], [], [], [], []
        n_slots = n_elements = 0
        for reads, read_signs, out, _ in p.slots:
            first_slot.append(n_slots)
            first_element.append(n_elements)
            places.append(reads.ravel())
            signs.append(read_signs.ravel())
            element.append(np.tile(np.arange(n_elements, n_elements + len(out)), len(reads)))
            n_slots, n_elements = n_slots + reads.size, n_elements + len(out)
        none = np.zeros(0, dtype=np.intp)
        return cls(
            np.concatenate([none, *places]), np.concatenate([np.zeros(0), *signs]), np.concatenate([none, *element]),
            first_slot, first_element, n_elements,
        )  # fmt: skip

    def spread(self, u: np.ndarray) -> np.ndarray:
        """Port voltages (blocks, n_in, lanes) as controls (blocks, slots, lanes)."""
        controls = np.take(u, self.places, axis=1)
        turned = self.signs < 0
        if turned.any():
            controls[:, turned] *= -1.0
        return controls


class Plan:
    """What the circuit fixes: order, fill, and where the numbers of the Jacobian go. One for each structure."""

    def __init__(self, s: Structure, linear: Linear, ports: Ports):
        block = s.jacobian
        _, _, signs = s.nonlinear_triplets
        first = len(linear.values)
        # Slopes of different size, so that none of them cancel.
        sizes = np.random.default_rng(0).uniform(0.5e-4, 1e-4, len(signs)) * np.abs(linear.values).max(initial=1.0)
        joined = linear.values.copy()
        if count := len(s.pairs[0]):  # a cell looks like a resistor between its nodes
            size = np.random.default_rng(1).uniform(0.5e-4, 1e-4, count) * np.abs(linear.values).max(initial=1.0)
            joined[-count:] = np.where(s.pairs[0] == s.pairs[1], 2.0, -1.0) * size
        typical = block.entries(np.concatenate([joined, sizes * signs]))
        self.symmetric = s.symmetric
        self.pattern: Pattern = analyse(block, typical, self.symmetric)
        p = self.pattern
        placed = columns(p, self.symmetric)
        self.kept, self.pointers, self.indices = placed.kept, placed.pointers, placed.indices
        kept = placed.kept
        scatter = block.scatter(signs, first, False)[kept]
        self.places = np.flatnonzero(np.diff(scatter.indptr)).astype(np.int64)
        self.scatter = scatter[self.places]
        self.slots = Slots.of(ports)
        self._ports, self._groups = ports, [s.circuit.groups[k] for k in s.nonlinear]

    @cached_property
    def arguments(self) -> tuple:
        """What `lanes.step` needs to know of the circuit."""
        p, slots, ports = self.pattern, self.slots, self._ports
        position = np.full(ports.read_free.shape[1] + 1, p.n)
        position[p.columns] = np.arange(p.n)
        read = ports.read_free.tocoo()
        upper, lower = (np.full(ports.n_in, ports.read_free.shape[1]) for _ in range(2))
        upper[read.row[read.data > 0]] = read.col[read.data > 0]
        lower[read.row[read.data < 0]] = read.col[read.data < 0]
        # Triplets repeat each slope for every row and column that it enters.
        repeats = np.concatenate([np.zeros(0, dtype=np.intp)] + [
            np.concatenate([np.tile(slot + c * n + np.arange(n), 2) for c in range(len(g.device.controls))] * rows)
            for g, slot, n, rows in (
                (g, slot, len(g.names), 2 if g.branch is None else 1) for g, slot in zip(self._groups, slots.first_slot)
            )
        ])  # fmt: skip
        one = np.ones(len(repeats))
        spread = sp.csr_matrix((one, (np.arange(len(repeats)), repeats)), shape=(len(repeats), len(slots.places)))
        entries = (self.scatter @ spread).tocsr()
        out = np.concatenate([np.zeros(0, dtype=np.intp)] + [o for _, _, o, _ in ports.slots])
        signs = np.concatenate([np.zeros(0)] + [o for _, _, _, o in ports.slots])
        outputs = sp.csr_matrix((signs, (out, np.arange(len(out)))), shape=(ports.n_out, len(out)))
        rows = -(ports.inject_free.tocsr()[p.rows] @ outputs).tocsr()
        return (
            self.symmetric, p.n, p.pointers, p.indices, p.row_pointers, p.row_columns, p.row_places, p.group_pointers,
            p.group_starts, p.group_lengths, self.pointers, self.indices, self.places, *_csr(entries), *_csr(rows),
            slots.element.astype(np.int32), position[upper][slots.places].astype(np.int32),
            position[lower][slots.places].astype(np.int32), slots.signs, slots.n_elements,
        )  # fmt: skip

    @cached_property
    def checking(self) -> tuple:
        """What `lanes.collect` needs to know of the circuit."""
        p, rows_and_elements = self.pattern, self.arguments[16:20]
        return (
            self.symmetric, p.n, p.columns, self.pointers, self.indices, *rows_and_elements, self.slots.n_elements
        )  # fmt: skip


def _csr(m: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return m.indptr.astype(np.int64), m.indices.astype(np.int32), m.data.astype(float)


def plan_of(s: Structure, linear: Linear, p: Ports) -> Plan:
    """The structure's plan, made on first use."""
    return s.memo("plan", lambda: Plan(s, linear, p))


def seen_resistance(linear: Linear, p: Ports) -> np.ndarray | None:
    """Rough resistance seen by each square port: that of its two nodes' diagonal entries; 0 if both are held."""
    if not p.square:
        return None
    diagonal = np.abs(linear.matrix.diagonal())
    inverse = np.where(diagonal > 0, 1.0 / np.maximum(diagonal, 1e-300), 0.0)
    held = np.diff(p.read_free.indptr) == 0
    return np.where(held, 0.0, np.maximum(abs(p.read_free) @ inverse, 1e-9))


class Batched:
    """One factorisation of eight samples at once per Newton step."""

    shunt = 0.0

    def __init__(self, s: Structure, linear: Linear, p: Ports):
        self.ports = p
        self.linear_size = len(s.free)
        self.linear = linear
        self.plan = plan_of(s, linear, p)
        _, _, signs = s.nonlinear_triplets
        padded = np.concatenate([linear.values, np.zeros(len(signs))])
        self.base = s.jacobian.entries(padded)[self.plan.kept]

    @cached_property
    def resistance(self) -> np.ndarray | None:
        """Rough resistance seen by each port, or None where ports are not square."""
        return seen_resistance(self.linear, self.ports)

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
