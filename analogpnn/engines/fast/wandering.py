"""The last resort for operating points that no path from 0 V leads to: many random starts, hardly any restraint.

Formulas can make negative resistances, and jump. Then an operating point may be one at which no real circuit would
settle, and which neither gmin stepping nor a pseudo-transient reaches. Newton's method without restraint doesn't
converge to it either: it wanders over all of space, and comes by. ngspice's successes on such circuits are of this
kind, over some thousand iterations; here many starts wander side by side and the first that arrives is taken.
"""

from __future__ import annotations

import numpy as np

from analogpnn.engines.fast.full import Full
from analogpnn.engines.fast.laws import Laws
from analogpnn.engines.fast.restraint import Controls, moved, restrain, tangent_beside

MANNERS = (
    (0.1, np.inf, 0.0, None), (30.0, 1.0, 1.0, None), (1.0, np.inf, 0.0, 10.0), (1.0, np.inf, 0.0, None),
    (1000.0, np.inf, 0.0, 10.0), (3.0, 0.3, 0.3, None),
)  # fmt: skip
"""How to wander: size of the starts [V]; farthest step of a control in volts, and times itself; see `restrain`."""
STARTS, FEW = 64, 12
"""Starts side by side, for dense matrices and for sparse ones."""
STEPS = 120
NEAR = 1e-3
"""The least distance from where other ways have come to, in sizes of a start."""
HIGHEST = 1e9
"""Beyond that many volts a start is taken back and another begins [V]."""


def wander(
    full: Full, laws: Laws, b: np.ndarray, known: np.ndarray, near: np.ndarray, tolerance: float
) -> np.ndarray | None:
    """Unknowns (n_free,) of one sample, the lowest of what arrives first, or None.

    Parameters
    ----------
    b : ndarray, shape (n_free,)
    known : ndarray, shape (n_in,)
    near : ndarray, shape (m, n_free)
        How far other ways have come: every other start is at random distances from these.
    tolerance : float
        Agreement of controls with those linearised at, relative and in volts.
    """
    for k, (size, volts, part, growth) in enumerate(MANNERS):
        found = _race(full, laws, b, known, near, tolerance, np.random.default_rng(k), size, (volts, part), growth)
        if found is not None:
            return found
    return None


def _race(full: Full, laws: Laws, b, known, near, tolerance, rng, size, reach, growth) -> np.ndarray | None:
    ports, count = full.ports, STARTS if full.dense else FEW
    given, right = np.repeat(known[None], count, axis=0), np.repeat(b[None], count, axis=0)

    def start() -> Controls:
        x = size * rng.standard_normal(right.shape) * (full.inertia > 0)
        if len(near):
            spread = NEAR ** rng.uniform(0.0, 1.0, (count // 2, 1))
            x[::2] = near[rng.integers(len(near), size=count // 2)] + spread * x[::2]
        far = laws.element_controls((ports.read_free @ x.T).T + given)
        return laws.limit(far, [[np.zeros_like(c) for c in group] for group in far], None)

    at = start()
    with np.errstate(all="ignore"):
        for _ in range(STEPS):
            at, t = tangent_beside(laws, at)
            fixed = (ports.inject_free @ (t.offset + laws.times(t, given)).T).T
            x = full.solve(laws, t, right - fixed)
            new = laws.element_controls((ports.read_free @ x.T).T + given)
            error = moved(new, at)
            ok = error <= tolerance
            if ok.any():
                return min(x[ok], key=lambda one: np.abs(one).max())
            nxt = _within(restrain(laws, laws.limit(new, at, None), at, growth), at, *reach)
            lost = ~(np.abs(x * (full.inertia > 0)).max(axis=1) < HIGHEST)
            for group in nxt:
                for c in group:
                    lost |= ~(np.abs(c).max(axis=1) < HIGHEST)
            at = nxt
            if lost.any():
                at = [[np.where(lost[:, None], f, c) for f, c in zip(fs, cs)] for fs, cs in zip(start(), nxt)]
    return None


def _within(new: Controls, old: Controls, volts: float, part: float) -> Controls:
    """Controls from old towards new, none by more than so many volts, or so many times itself."""
    if volts == np.inf:
        return new
    reach = [[np.maximum(volts, part * np.abs(p)) for p in past] for past in old]
    return [
        [p + np.clip(f - p, -r, r) for f, p, r in zip(fresh, past, far)] for fresh, past, far in zip(new, old, reach)
    ]
