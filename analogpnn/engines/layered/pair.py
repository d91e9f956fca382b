"""Two free layers and one crossbar between them: all sweeps of all samples in one loop."""

from __future__ import annotations

import numpy as np
from numba import njit

from analogpnn.engines.layered.streams import OPTIONS


@njit(**OPTIONS)
def settle_pair(
    w, inflow, inflow_above, own, own_above, push, inverse, inverse_above, low, high, low_above, high_above, sweeps,
    most, tolerance, start, fed,
):  # fmt: skip
    """Settle a layer of n nodes and the one of m above it.

    w : (m, n), conductances from above; inflow and own : (B, n) and (n,), what flows in from elsewhere, the same from
    above; push : (B or 0, m), what the boundary adds there; low, high and their likes : (1 or B, n or m); start :
    (B, m), the first guess above, or (0, m) for zeros; fed : (B,), power at 0 V. Stops as `solver._Sweep.run` does,
    every sample by itself.

    Returns
    -------
    v, u : ndarray, shape (B, n) and (B, m)
        [V]
    power : ndarray, shape (B,)
        Delivered [W], where rails deliver nothing.
    failed : int
        The first sample that still moved after `most` sweeps, or -1.
    """
    m, n = w.shape
    number = w.dtype.type
    v, u, power = np.empty_like(inflow), np.zeros_like(inflow_above), np.empty(len(fed))
    base, above = np.empty(n, w.dtype), np.empty(m, w.dtype)
    failed = -1
    for s in range(len(fed)):
        h, o = v[s], u[s]
        a, b, c, d = low[min(s, len(low) - 1)], high[min(s, len(high) - 1)], low_above[0], high_above[0]
        if len(low_above) > 1:
            c, d = low_above[s], high_above[s]
        _both(base, inflow[s], own)
        for k in range(m):
            above[k] = inflow_above[s, k] + own_above[k]
            if len(push):
                above[k] += number(push[s, k])
            if len(start):
                o[k] = start[s, k]
        last = np.inf
        done = False
        for _turn in range(1, (sweeps if sweeps > 0 else most) + 1):
            _below(w, base, inverse, a, b, h, o)
            moved, size = number(0), number(0)
            for k in range(m):
                row = w[k]
                total = above[k]
                for j in range(n):
                    total += row[j] * h[j]
                new = min(max(total * inverse_above[k], c[k]), d[k])
                moved = max(moved, abs(new - o[k]))
                size = max(size, abs(new))
                o[k] = new
            if sweeps > 0:
                continue
            if not moved < np.inf:
                break
            if moved <= 0.1 * tolerance * size:
                done = True
                break
            ratio = moved / last
            if moved <= 100 * tolerance * size and ratio < 1 and moved * ratio / (1 - ratio) <= tolerance * size:
                done = True
                break
            last = moved
        if sweeps == 0:
            if not done and failed < 0:
                failed = s
            _below(w, base, inverse, a, b, h, o)
        power[s] = fed[s] + _taken(inflow[s], own, h) + _taken(inflow_above[s], own_above, o)
        if len(push):
            for k in range(m):
                power[s] += push[s, k] * o[k]
    return v, u, power, failed


@njit(**OPTIONS)
def _both(out, a, b):
    """out = a + b."""
    for j in range(out.shape[0]):
        out[j] = a[j] + b[j]


@njit(**OPTIONS)
def _taken(inflow, own, v):
    """What a layer at v changes of the delivered power."""
    found = v.dtype.type(0)
    for j in range(v.shape[0]):
        found += (own[j] - inflow[j]) * v[j]
    return found


@njit(**OPTIONS)
def _below(w, into, inverse, low, high, h, o):
    m, n = w.shape
    for j in range(n):
        h[j] = into[j]
    k = 0
    while k + 4 <= m:  # four at a time: fewer ways to the cache and back
        a, b, c, d = o[k], o[k + 1], o[k + 2], o[k + 3]
        if a != 0 or b != 0 or c != 0 or d != 0:  # all are zero where no first guess was given
            w0, w1, w2, w3 = w[k], w[k + 1], w[k + 2], w[k + 3]
            for j in range(n):
                h[j] += (a * w0[j] + b * w1[j]) + (c * w2[j] + d * w3[j])
        k += 4
    while k < m:
        row, a = w[k], o[k]
        for j in range(n):
            h[j] += a * row[j]
        k += 1
    for j in range(n):
        h[j] = min(max(h[j] * inverse[j], low[j]), high[j])
