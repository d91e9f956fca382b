"""Gmin stepping that leaps over folds.

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
from analogpnn.engines.fast.restrained import FIRST, INNER, LEAST, MOST, newton

LEAPS = np.array([1.3, 2.0, 4.0, 10.0, 30.0, 100.0, 1e3, np.inf])
"""By what s may be divided in a leap."""
FAR = 100
"""Newton steps after a leap."""
FOLDS = 12
"""Folds at most on one path."""
TRIES = ((0.0, 1.0), (0.0, 10.0), (0.03, 1.0), (0.03, 10.0))
"""How to leap: random distance of the starts, as a part of the voltages; how often a law may exceed its tangent."""
CLOSE = 1.02
"""A step's factor below which a fold is near."""


def over_folds(full: Full, laws: Laws, b: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unknowns (B, n_free), and which samples have an operating point, sample by sample."""
    each = [_path(full, laws, b[k : k + 1], known[k : k + 1]) for k in range(len(b))]
    return np.concatenate([x for x, _ in each]), np.array([done for _, done in each])


def _path(full: Full, laws: Laws, b: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, bool]:
    """One sample's way down to s = 0: x (1, n_free), and whether it got there."""
    rng, zero = np.random.default_rng(0), np.zeros_like(b)
    x, s, last, factor, folds = zero, FIRST, np.inf, 10.0, 0
    while True:
        found, ok, used = newton(full, laws, b, known, x, np.array([s]), zero, INNER)
        if ok[0]:
            x, last = found, s
            if s == 0.0:
                return x, True
            factor = min(factor ** (1.5 if used[0] <= 6 else 1.0 if used[0] <= 15 else 0.5), 1e3)
        elif np.isinf(last):  # nothing found yet: begin higher
            s *= 10.0
            if s > MOST:
                return x, False
            continue
        else:
            factor **= 0.25
            if factor < CLOSE:
                leap = _leap(full, laws, b, known, x, last, rng) if folds < FOLDS else None
                if leap is None:
                    return x, False
                x, last = leap
                folds, factor = folds + 1, 2.0
                if last == 0.0:
                    return x, True
        s = last / factor
        if s < LEAST:
            s = 0.0


def _leap(full: Full, laws: Laws, b, known, x, last: float, rng) -> tuple[np.ndarray, float] | None:
    """Where Newton's method arrives beyond a fold at s = `last`, and at which s; None where it doesn't."""
    count = len(LEAPS)
    many = [np.repeat(a, count, axis=0) for a in (b, known, np.zeros_like(b))]
    for distance, growth in TRIES:
        start = np.repeat(x, count, axis=0)
        start += distance * (np.abs(start) + 0.1) * rng.standard_normal(start.shape)
        found, ok, _ = newton(full, laws, many[0], many[1], start, last / LEAPS, many[2], FAR, growth)
        if ok.any():
            k = int(np.flatnonzero(ok)[-1])
            return found[k : k + 1], last / LEAPS[k]
    return None
