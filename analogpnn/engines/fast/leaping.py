"""Leaps over the folds of gmin stepping.

With conductances s from every node to ground falling from 10 mS to 0, the operating point may come to a fold: the path
turns back to larger s, and beyond it there is nothing near. Others may be there, far away, and lead on. From the last
point before the fold a hundred Newton steps are made at each of some smaller s, with tighter and looser restraint, and
from random distances; the smallest s at which one arrives is where stepping goes on. ngspice gets over folds in the
same way, unawares: its steps are long and its Newton's method hardly restrained.
"""

from __future__ import annotations

import numpy as np

from analogpnn.engines.fast.full import Full
from analogpnn.engines.fast.laws import Laws
from analogpnn.engines.fast.restrained import newton

LEAPS = np.array([1.3, 2.0, 4.0, 10.0, 30.0, 100.0, 1e3, np.inf])
"""By what s may be divided in a leap."""
FAR = 100
"""Newton steps after a leap."""
TRIES = ((0.0, 1.0), (0.0, 10.0), (0.03, 1.0), (0.03, 10.0))
"""How to leap: random distance of the starts, as a part of the voltages; how often a law may exceed its tangent."""


def leap(full: Full, laws: Laws, b, known, x, last: float, rng: np.random.Generator) -> tuple[np.ndarray, float] | None:
    """Where Newton's method arrives beyond a fold, and at which s; None where it doesn't.

    Parameters
    ----------
    b, x : ndarray, shape (n_free,)
        One sample's right-hand sides, and its last point before the fold.
    known : ndarray, shape (n_in,)
    last : float
        The s of that point [S].
    """
    count = len(LEAPS)
    b, known, begin = (np.repeat(a[None], count, axis=0) for a in (b, known, x))
    for distance, growth in TRIES:
        start = begin + distance * (np.abs(begin) + 0.1) * rng.standard_normal(begin.shape)
        found, ok, _ = newton(full, laws, b, known, start, last / LEAPS, np.zeros_like(b), FAR, growth)
        if ok.any():
            k = int(np.flatnonzero(ok)[-1])
            return found[k], float(last / LEAPS[k])
    return None
