"""Newton's method with restrained steps, for a circuit or an easier one beside it: the stage of all continuation."""

from __future__ import annotations

import numpy as np

from analogpnn.engines.fast.full import Full
from analogpnn.engines.fast.laws import Laws
from analogpnn.engines.fast.restraint import GROWTH, moved, restrain, tangent_beside

LOOSE = 1e-6
"""Agreement asked of controls (relative, V): nodes that float on gmin at kilovolts can't do better in 64 bits."""
INNER = 30
"""Newton steps for one stage."""
FIRST, LEAST, MOST = 1e-2, 1e-16, 1e6
"""Where s begins, below which it is 0, and from which nothing is expected any more [S]."""


def newton(full: Full, laws: Laws, b, known, x, s, anchor, max_steps: int, growth=GROWTH):
    """Newton's method on a batch from x, each step restrained to where the laws still look like their tangents.

    Parameters
    ----------
    b, x, anchor : ndarray, shape (B, n_free)
    known : ndarray, shape (B, n_in)
    s : ndarray, shape (B,)
        Conductance from every node to its anchor [S].
    growth : float
        See `restrain`.

    Returns
    -------
    x : ndarray (B, n_free)
        Solutions, and where there is none the last step.
    done : ndarray (B,) of bool, used : ndarray (B,) of int
    """
    ports = full.ports
    rows = np.arange(len(b))
    out, done, used = np.array(x), np.zeros(len(b), dtype=bool), np.full(len(b), max_steps)
    at = laws.element_controls((ports.read_free @ x.T).T + known)
    pull = s[:, None] * full.inertia * anchor
    with np.errstate(all="ignore"):
        for step in range(1, max_steps + 1):
            at, t = tangent_beside(laws, at)
            fixed = (ports.inject_free @ (t.offset + laws.times(t, known[rows])).T).T
            solved = full.solve(laws, t, b[rows] + pull[rows] - fixed, s[rows])
            new = laws.element_controls((ports.read_free @ solved.T).T + known[rows])
            error = moved(new, at)
            ok = error <= LOOSE
            finite = np.isfinite(solved).all(axis=1)
            out[rows[finite]] = solved[finite]
            done[rows[ok]], used[rows[ok]] = True, step
            stay = ~ok & finite & np.isfinite(error)
            if not stay.any():
                break
            at = restrain(laws, laws.limit(new, at, None), at, growth)
            if not stay.all():
                at = [[c[stay] for c in group] for group in at]
                rows = rows[stay]
    return out, done, used
