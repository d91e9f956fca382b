"""The nonlinear elements of a circuit as seen from its linear rest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from analogpnn.engines.fast.assembly import Structure


@dataclass(frozen=True, eq=False)
class Ports:
    """Distinct control pairs and distinct output rows of all nonlinear laws.

    A circuit's nonlinear currents enter through `n_out` columns S and depend on `n_in` differences u = C x + C_k x_k;
    antiparallel diodes share one of each.

    Attributes
    ----------
    read_free, read_known : sparse matrices (n_in, n_free), (n_in, n_known)
    inject_free, inject_known : sparse matrices (n_free, n_out), (n_known, n_out)
    slots : per nonlinear group: (control places (n_controls, n), control signs, output places (n,), output signs)
    square : bool
        Every law depends on its own branch voltage alone, so that S = C^T and the Jacobian is diagonal.
    """

    read_free: sp.csr_matrix
    read_known: sp.csr_matrix
    inject_free: sp.csc_matrix
    inject_known: sp.csr_matrix
    slots: tuple
    square: bool

    @property
    def n_in(self) -> int:
        return self.read_free.shape[0]

    @property
    def n_out(self) -> int:
        return self.inject_free.shape[1]

    @cached_property
    def selectors(self):
        """Per group the map from elements to outputs, and per group and control the one to entries of D."""
        sums, slopes = [], []
        for places, signs, out, out_signs in self.slots:
            n = len(out)
            sums.append(_selector(n, out, out_signs, self.n_out))
            per_control = []
            for c_places, c_signs in zip(places, signs):
                if self.square:
                    per_control.append(_selector(n, out, np.ones(n), self.n_out))
                else:
                    flat = out * self.n_in + c_places
                    shape = (n, self.n_out * self.n_in)
                    per_control.append(sp.csr_matrix((out_signs * c_signs, (np.arange(n), flat)), shape=shape))
            slopes.append(per_control)
        return sums, slopes


def _selector(n: int, places: np.ndarray, signs: np.ndarray, width: int):
    if len(np.unique(places)) == n:
        return places, signs, width
    if n * width <= 20000:
        m = np.zeros((n, width))
        m[np.arange(n), places] = signs
        return m
    return sp.csr_matrix((signs, (np.arange(n), places)), shape=(n, width))


def ports(s: Structure) -> Ports:
    """Collect the ports of the nonlinear groups."""
    controls: dict[tuple[int, int], int] = {}
    outputs: dict[tuple, int] = {}
    slots = []
    square = True

    def number(table, a, b):
        if (b, a) in table:
            return table[b, a], -1.0
        return table.setdefault((a, b), len(table)), 1.0

    for k in s.nonlinear:
        g = s.circuit.groups[k]
        c = [[number(controls, int(p), int(n)) for p, n in zip(*pair)]
             for pair in zip(g.control_positive, g.control_negative)]  # fmt: skip
        if g.branch is None:
            o = [number(outputs, int(p), int(n)) for p, n in zip(g.positive, g.negative)]
        else:
            o = [(outputs.setdefault((int(b),), len(outputs)), 1.0) for b in g.branch]
        square &= g.device.is_two_terminal and c[0] == o
        places = np.array([[x[0] for x in row] for row in c], dtype=np.intp).reshape(len(c), len(g.names))
        signs = np.array([[x[1] for x in row] for row in c]).reshape(len(c), len(g.names))
        slots.append((places, signs, np.array([x[0] for x in o]), np.array([x[1] for x in o])))
    size = s.n + 1
    rows, columns, values = [], [], []
    for (a, b), k in controls.items():
        rows += [k, k]
        columns += [a, b]
        values += [1.0, -1.0]
    read = sp.csr_matrix((values, (rows, columns)), shape=(len(controls), size))
    rows, columns, values = [], [], []
    for pair, k in outputs.items():
        if len(pair) == 2:
            rows, columns, values = rows + list(pair), columns + [k, k], values + [1.0, -1.0]
        else:
            rows, columns, values = rows + [pair[0]], columns + [k], values + [-1.0]
    inject = sp.csc_matrix((values, (rows, columns)), shape=(size, len(outputs)))
    return Ports(
        read[:, s.free], read[:, s.known_nodes], inject[s.free], inject[s.known_nodes].tocsr(), tuple(slots),
        square and list(controls) == list(outputs),
    )  # fmt: skip
