"""The circuit's equations over time for one theta: d/dt (C x + charges) + A x + S i(C x) = b(t)."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import scipy.sparse as sp

from analogpnn.circuit.circuit import Circuit
from analogpnn.engines.fast.assembly import right_hand_side
from analogpnn.engines.ode.companion import skeleton
from analogpnn.engines.ode.level import Level
from analogpnn.engines.ode.scalars import LoneLaws, evaluate
from analogpnn.engines.ode.sources import Sources

KEPT_LEVELS = 64


class Dynamics:
    """Everything that theta and the boundary fix.

    Unknowns are arrays (B, n + 1) as in the DC engine: node voltages, branch currents, a zero for ground, then the
    clamps' currents. Currents of sources that hold a node are not part of the dynamics; `complete` finds them.

    Parameters
    ----------
    circuit : Circuit
    theta : ndarray, shape (n_trainable,)
    sources : Sources
    currents, voltages : ndarray (B, n_outputs) or None
        Injected or clamped at the outputs.
    """

    def __init__(self, circuit: Circuit, theta: np.ndarray, sources: Sources, currents=None, voltages=None):
        self.circuit, self.sources = circuit, sources
        self.skeleton = skeleton(circuit, voltages is not None)
        self.parameters = circuit.parameters(theta)
        own = self.skeleton.own
        self.n, self.free = own.n, own.free
        self.capacitance = self.skeleton.capacitance(self.parameters)
        self._silent = [list(p) for p in self.parameters]
        for k in sources.groups:
            self._silent[k][0] = np.zeros_like(self._silent[k][0])
        self._imposed = (currents, voltages)
        self._static: np.ndarray | None = None
        self.feed = self._feed()
        self.known = self._known_map()
        whole, ports = self.skeleton.whole, self.skeleton.ports
        self.laws, self.unit_laws = (
            LoneLaws(whole, ports, self.skeleton.parameters(self.parameters, rate)) for rate in (0.0, 1.0)
        )
        resistive = self.skeleton.linear(self.parameters, 0.0)
        self.leaving = resistive.leaving
        self.known_capacitance = self.capacitance[own.known_nodes]
        self.known_feed = self.feed[own.known_nodes]
        self._levels: OrderedDict[float, Level] = OrderedDict()
        self._rates: dict[float, float] = {}
        self.factorisations = 0

    # -- the right-hand side -------------------------------------------------------------------------------

    def _feed(self) -> sp.csr_matrix:
        """(n + 1, n_sources): how the sources' values enter b."""
        rows: list[np.ndarray] = []
        columns: list[np.ndarray] = []
        values: list[np.ndarray] = []
        first = 0
        for k in self.sources.groups:
            g = self.circuit.groups[k]
            place = first + np.arange(len(g.names))
            first += len(g.names)
            if g.branch is not None:
                rows.append(g.branch)
                columns.append(place)
                values.append(np.ones(len(place)))
            else:
                m = self.parameters[k][1]
                rows += [g.positive, g.negative]
                columns += [place, place]
                values += [-m, m]
        if not rows:
            return sp.csr_matrix((self.n + 1, 0))
        r, c, v = np.concatenate(rows), np.concatenate(columns), np.concatenate(values)
        keep = r != self.circuit.n_unknowns
        return sp.csr_matrix((v[keep], (r[keep], c[keep])), shape=(self.n + 1, first))

    def _known_map(self) -> sp.csr_matrix:
        """(n_known, n_sources): voltages of held nodes from the sources' values."""
        own = self.skeleton.own
        group, places = own.known_slots
        first = 0
        for k in self.sources.groups:
            if k == group:
                break
            first += len(self.circuit.groups[k].names)
        count = len(own.known_nodes)
        return sp.csr_matrix((own.known_signs, (np.arange(count), first + places)), shape=(count, self.feed.shape[1]))

    def static(self, times: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """b without the sources, (1 or len(rows), n + 1)."""
        timed = self.skeleton.has_time_constants
        currents, voltages = self._imposed
        alike = currents is None and voltages is None
        if timed:
            parameters = [list(p) for p in self._silent]
            for k in self.skeleton.timed:
                self._set_time(self.circuit.groups[k], parameters[k], times)
            currents, voltages = (None if v is None else v[rows] for v in (currents, voltages))
            return right_hand_side(self.skeleton.own, parameters, currents, voltages, (len(rows),))
        if self._static is None:
            batch = 1 if alike else self.sources.batch
            self._static = right_hand_side(self.skeleton.own, self._silent, currents, voltages, (batch,))
        return self._static if alike else self._static[rows]

    @staticmethod
    def _set_time(group, values, times):
        times = np.asarray(times, dtype=float).reshape(-1, 1)
        values[list(group.device.parameters).index("time")] = np.broadcast_to(times, (len(times), len(group.names)))

    def set_time(self, laws: LoneLaws, times) -> None:
        """Tell the nonlinear laws what time it is, for each sample."""
        if self.skeleton.timed:
            for group, values in zip(laws.groups, laws.parameters):
                if "time" in group.device.parameters:
                    self._set_time(group, values, times)

    def set_rate(self, laws: LoneLaws, rate) -> None:
        """Tell the companions of nonlinear charges and capacitances their rate: a number, or (B, 1)."""
        for k in (*self.skeleton.charged, *(k for k, _ in self.skeleton.displaced)):
            laws.parameters[k][-1] = np.broadcast_to(rate, (*np.shape(rate)[:-1], len(laws.groups[k].names)))

    def set_past(self, laws: LoneLaws, star: np.ndarray) -> None:
        """Tell the capacitances that are no derivatives of charges the voltages x* that a stage starts from."""
        if self.skeleton.displaced:
            at = laws.element_controls(self.ports_of(star))
            for k, voltage in self.skeleton.displaced:
                laws.parameters[k][0] = voltage.law(*at[k])[0]

    # -- step sizes ----------------------------------------------------------------------------------------

    def level(self, rate: float) -> Level:
        """Matrices for ``rate`` = 1/(gamma h), kept."""
        key = self._rates.get(rate)
        if key is None:
            if len(self._rates) > 1000:
                self._rates.clear()
            key = self._rates[rate] = float(f"{rate:.12e}")
        if key in self._levels:
            self._levels.move_to_end(key)
        else:
            self._levels[key] = Level(self, key)
            self.factorisations += 1
            if len(self._levels) > KEPT_LEVELS:
                self._levels.popitem(last=False)
        return self._levels[key]

    # -- parts of an answer --------------------------------------------------------------------------------

    def ports_of(self, x: np.ndarray) -> np.ndarray:
        """Port voltages (B, n_in)."""
        p, own = self.skeleton.ports, self.skeleton.own
        return (p.read_free @ x[:, self.free].T).T + (p.read_known @ x[:, own.known_nodes].T).T

    def charges(self, u: np.ndarray) -> list[np.ndarray]:
        """Nonlinear charges, per group (B, n) [C, Wb]."""
        places = self.skeleton.charged
        if not places:
            return []
        at = self.unit_laws.element_controls(u)
        laws = self.unit_laws
        return [evaluate(laws.groups[k].device, at[k], laws.parameters[k])[0] for k in places]

    def complete(self, x: np.ndarray, k: np.ndarray, injected: np.ndarray | None, times, rows) -> np.ndarray:
        """Unknowns (B, n_unknowns) with the currents of sources that hold nodes, by Kirchhoff's law there."""
        own = self.skeleton.own
        out = x[:, : self.circuit.n_unknowns].copy()
        if len(own.known_nodes):
            b = self.static(times, rows)[:, own.known_nodes]
            if self.known_feed.nnz:
                b = b + (self.known_feed @ self.sources.at(times, rows).T).T
            leaving = self.leaving(x[:, self.free], x[:, own.known_nodes]) - b
            if self.known_capacitance.nnz:
                leaving += (self.known_capacitance @ k.T).T
            if injected is not None and self.skeleton.ports.inject_known.nnz:
                leaving += (self.skeleton.ports.inject_known @ injected.T).T
            out[:, own.known_branches] = -leaving * own.known_signs
        return out
