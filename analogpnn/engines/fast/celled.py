"""A circuit of cells, for one theta: what is left of it in lanes, and the cells' numbers beside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analogpnn.engines.fast.assembly import Linear, Structure
from analogpnn.engines.fast.batched import Batched, Plan, seen_resistance
from analogpnn.engines.fast.cells import Condensed, Family
from analogpnn.engines.fast.laws import Laws
from analogpnn.engines.fast.ports import Ports

FLOPS = 500
"""Work of a cell in a Newton step, about."""


class Celled:
    """Newton's method on the outer nodes of a circuit's cells, its other nodes and branches."""

    def __init__(self, condensed: Condensed, linear: Linear, ports: Ports, parameters: list[list[np.ndarray]]):
        left = condensed.parameters(parameters)
        s = condensed.structure
        self.condensed = condensed
        self.linear = Linear(s, left)
        self.rest = Batched(s, self.linear, condensed.ports)
        self.laws = Laws(s, condensed.ports, left)
        self.parameters = parameters
        self._seen = seen_resistance(linear, ports)
        self._ports = ports

    def settle(self, b: np.ndarray, known: np.ndarray, start: np.ndarray | None, max_steps: int):
        """Free unknowns of the whole circuit (B, n_free), and which samples have converged.

        Parameters
        ----------
        b : ndarray, shape (B, n + 1), right-hand sides of all equations
        known : ndarray, shape (B, n_known)
        start : ndarray, shape (B, n + 1), unknowns to start from, or None for a circuit at rest
        """
        from analogpnn.engines.fast.fused import settle  # numba loads only where it is used

        s, p = self.condensed.structure, self.condensed.ports
        right = b[:, s.free]
        if self.linear.to_known.nnz:
            right = right - (self.linear.to_known @ known.T).T
        known_controls = (p.read_known @ known.T).T
        controls = known_controls
        if start is not None and p.n_in:
            controls = (p.read_free @ start[:, s.free].T).T + known_controls
        cells = Cells(self, known, start)
        return settle(
            self.rest, self.laws, (right, known_controls), controls, max_steps, cells=cells, rest=start is None
        )


@dataclass(frozen=True, eq=False)
class _Tables:
    """Where a family's kernel finds things: places after reordering. Index arrays are int32, one row a cell."""

    reads: np.ndarray
    writes: np.ndarray
    entries: np.ndarray
    helds: np.ndarray
    places: np.ndarray


class Cells:
    """The cells of one batch: their kernels and their memory.

    Attributes
    ----------
    n_free : int
        Free unknowns of the whole circuit.
    places : ndarray
        Where in them the free unknowns of what is left are.
    flops : float
        Work of all cells in a Newton step.
    """

    def __init__(self, system: Celled, known: np.ndarray, start: np.ndarray | None):
        from analogpnn.engines.fast import cell_kernels, fused, lanes

        whole, condensed = system.condensed.whole, system.condensed
        self._tables = condensed.structure.memo("cell tables", lambda: _tables(condensed, system.rest.plan))
        self.n_free, self.places = len(whole.free), np.searchsorted(whole.free, condensed.structure.free)
        self.flops = FLOPS * sum(len(f) for f in condensed.families)
        blocks = -(-len(known) // lanes.LANES)
        columns = condensed.structure.memo("cell holds", lambda: _position(whole)[_held(condensed)])
        self._held = fused.laid_out(known[:, columns]).reshape(-1, lanes.LANES)
        self._n_held, self._n_y, self._n_entries = len(columns), system.rest.plan.pattern.n, len(system.rest.base) + 1
        load_line = system._seen is not None
        x = None if start is None else fused.laid_out(start)
        self._families = []
        for f, tables in zip(condensed.families, self._tables):
            kernel = cell_kernels.kernel(f.kind, load_line)
            parameters = _parameters(system, f)
            state = np.zeros((blocks * len(f) * f.kind.width, lanes.LANES))
            if x is not None:
                _begin(state.reshape(blocks, len(f), f.kind.width, lanes.LANES), f, x, whole.circuit.n_unknowns)
            self._families.append((f, kernel, tables, state, parameters, _resistance(system, f)))

    def measure(self, active, y, error, tolerance) -> None:
        """Raise `error` to how far the cells' controls are from where their laws were linearised."""
        for f, kernel, t, state, _, _ in self._families:
            kernel.measure(
                active, tolerance, y, self._n_y, self._held, self._n_held, state, len(f), t.reads, t.helds, error
            )

    def advance(self, active, begin, slack, y, matrix, right) -> None:
        """Read controls from y (unless they begin), limit, linearise, eliminate, and add to the equations."""
        for f, kernel, t, state, parameters, resistance in self._families:
            kernel.advance(
                active, begin, slack, y, self._n_y, self._held, self._n_held, state, len(f), t.reads, t.writes, t.helds,
                t.entries, parameters, resistance, matrix, self._n_entries, right,
            )  # fmt: skip

    def collect(self, active, fresh, y, x) -> None:
        """The inner voltages of lanes `fresh` (len(active), LANES) to where they belong in x."""
        for f, kernel, t, state, _, _ in self._families:
            kernel.collect(
                active, fresh, y, self._n_y, self._held, self._n_held, state, len(f), t.reads, t.helds, t.places, x
            )


def _begin(state: np.ndarray, f: Family, x: np.ndarray, ground: int) -> None:
    """Write the controls of the cells' nonlinear parts at unknowns x (blocks, n + 1, LANES) to their memory."""
    numbers = np.concatenate([f.inside, f.outer, f.held, np.full((len(f), 1), ground)], axis=1)
    for slot, (p, m) in enumerate(pair for part in f.kind.laws for pair in part.controls):  # number -1 is ground
        np.subtract(x[:, numbers[:, p]], x[:, numbers[:, m]], out=state[:, :, slot])


def _resistance(system: Celled, f: Family) -> np.ndarray:
    """Resistance seen by each control (n, slots): of a square system, else nothing that is asked for."""
    whole = system.condensed.whole
    seen = np.zeros((len(f), f.kind.slots))
    if system._seen is None:
        return seen
    slot = 0
    for (k, places), part in zip(f.elements, f.kind.parts):
        if part.device.is_affine:
            continue
        seen[:, slot] = system._seen[system._ports.slots[whole.nonlinear.index(k)][2][places]]
        slot += len(part.controls)
    return seen


def _parameters(system: Celled, f: Family) -> np.ndarray:
    """Law parameters of each cell (n, all parts' parameters); those that theta leaves alone are gathered once."""
    whole = system.condensed.whole
    given = [system.parameters[k] for k, _ in f.elements]
    last = whole.memo(("cell parameters", id(f)), lambda: [[], np.zeros(0)])
    now = [v for values in given for v in values]
    if len(last[0]) != len(now) or any(a is not b for a, b in zip(last[0], now)):
        counts = [len(g.names) for g in whole.circuit.groups]
        columns = [np.broadcast_to(v, counts[k])[places] for k, places in f.elements for v in system.parameters[k]]
        last[:] = [now, np.stack(columns, axis=1)]
    return last[1]


def _held(c: Condensed) -> np.ndarray:
    """Nodes held by sources that cells touch."""
    return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *(f.held.ravel() for f in c.families)]))


def _position(s: Structure) -> np.ndarray:
    """Where each unknown is among the known nodes."""
    position = np.zeros(s.n + 1, dtype=np.int64)
    position[s.known_nodes] = np.arange(len(s.known_nodes))
    return position


def _tables(c: Condensed, plan: Plan) -> list[_Tables]:
    s, p = c.structure, plan.pattern
    row_of, column_of = (np.full(s.n + 1, -1) for _ in range(2))
    row_of[s.free[p.rows]] = np.arange(p.n)
    column_of[s.free[p.columns]] = np.arange(p.n)
    # The pairs are the last of the linear triplets; an entry that symmetry leaves out goes to the row that is dropped.
    count = len(s.pairs[0])
    triplets = np.arange(len(s.triplets[0]) - count, len(s.triplets[0]))
    entry = s.jacobian.slot[np.searchsorted(s.jacobian.chosen, triplets)]
    where = np.full(s.jacobian.n_entries, len(plan.kept))
    where[plan.kept] = np.arange(len(plan.kept))
    entries = where[entry]
    needed = _held(c)
    tables, first = [], 0
    for f in c.families:
        size = len(f) * f.kind.outer**2
        tables.append(_Tables(
            column_of[f.outer].astype(np.int32), row_of[f.outer].astype(np.int32),
            entries[first : first + size].reshape(len(f), -1).astype(np.int32),
            np.searchsorted(needed, f.held).astype(np.int32), np.searchsorted(c.whole.free, f.inside),
        ))  # fmt: skip
        first += size
    return tables
