"""Newton's method that doesn't come back to operating points that are known.

Kirchhoff's law F is multiplied by m(x) = product of (1 / |x - x_k|^2 + 1) over the known points x_k, which takes
their zeros away. The step of the product is the step d of F itself, lengthened or turned round: d / (1 - g d), with
g = grad m / m, by Sherman and Morrison's formula.

References
----------
P. E. Farrell, A. Birkisson, S. W. Funke, Deflation techniques for finding distinct solutions of nonlinear partial
differential equations, SIAM J. Sci. Comput. 37, A2026 (2015).
"""

from __future__ import annotations

import numpy as np

from analogpnn.engines.fast.full import Full
from analogpnn.engines.fast.laws import Laws
from analogpnn.engines.fast.restrained import LOOSE
from analogpnn.engines.fast.restraint import moved, restrain, tangent_beside

LONGEST = 100.0
"""Times its own length that a step is made longer, at most."""


def deflated(full: Full, laws: Laws, b: np.ndarray, known: np.ndarray, x: np.ndarray, roots: np.ndarray, steps: int):
    """Newton's method on a batch from x (B, n_free), away from the operating points `roots` (m, n_free).

    Distances are between node voltages. The other arguments, and what is returned: as of `restrained.newton`.
    """
    ports, nodes = full.ports, full.inertia > 0
    x, done = np.array(x), np.zeros(len(x), dtype=bool)
    rows = np.arange(len(x))
    at = laws.element_controls((ports.read_free @ x.T).T + known)
    with np.errstate(all="ignore"):
        for _ in range(steps):
            at, t = tangent_beside(laws, at)
            fixed = (ports.inject_free @ (t.offset + laws.times(t, known[rows])).T).T
            d = full.solve(laws, t, b[rows] - fixed) - x[rows]
            apart = (x[rows, None] - roots) * nodes
            square = np.maximum((apart**2).sum(axis=2), 1e-300)
            # d m / m for each known point: -2 (x - x_k) / |x - x_k|^4 over 1 / |x - x_k|^2 + 1.
            slope = (-2.0 * apart / (square * (1.0 + square))[:, :, None]).sum(axis=1)
            factor = 1.0 / (1.0 - (slope * d).sum(axis=1))
            # Limits keep `at` away from x: converged is what the step of F itself confirms.
            ok = moved(laws.element_controls((ports.read_free @ (x[rows] + d).T).T + known[rows]), at) <= LOOSE
            finite = np.isfinite(d).all(axis=1)
            done[rows[ok & finite]] = True
            factor = np.where(ok, 1.0, np.clip(np.nan_to_num(factor), -LONGEST, LONGEST))
            x[rows] += factor[:, None] * np.nan_to_num(d)
            stay = ~ok & finite
            if not stay.any():
                break
            rows = rows[stay]
            new = laws.element_controls((ports.read_free @ x[rows].T).T + known[rows])
            old = [[c[stay] for c in group] for group in at]
            at = restrain(laws, laws.limit(new, old, None), old)
    return x, done
