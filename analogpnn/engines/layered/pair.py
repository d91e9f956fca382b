"""Two free layers and one crossbar between them: all sweeps of all samples in one loop."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract", "reassoc", "nsz"})
def settle_pair(
    w, into, above, inverse, inverse_above, low, high, low_above, high_above, sweeps, most, tolerance, v, u
):
    """Settle the layer `v` (B, n) below and `u` (B, m) above; they hold the first guess.

    w : (m, n), conductances from above; into : (B, n) and above : (B, m), what flows in from elsewhere; low, high and
    their likes : (1 or B, n or m). Stops as `solver._Sweep.run` does, every sample by itself.

    Returns
    -------
    failed : int
        The first sample that still moved after `most` sweeps, or -1.
    """
    m, n = w.shape
    failed = -1
    for s in range(v.shape[0]):
        h, o = v[s], u[s]
        a, b, c, d = low[min(s, len(low) - 1)], high[min(s, len(high) - 1)], low_above[0], high_above[0]
        if len(low_above) > 1:
            c, d = low_above[s], high_above[s]
        last = np.inf
        done = False
        for _turn in range(1, (sweeps if sweeps > 0 else most) + 1):
            _below(w, into[s], inverse, a, b, h, o)
            moved, size = w.dtype.type(0), w.dtype.type(0)
            for k in range(m):
                row = w[k]
                total = above[s, k]
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
        if sweeps > 0:
            continue
        if not done and failed < 0:
            failed = s
        _below(w, into[s], inverse, a, b, h, o)
    return failed


@njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _below(w, into, inverse, low, high, h, o):
    m, n = w.shape
    for j in range(n):
        h[j] = into[j]
    k = 0
    while k + 4 <= m:  # four at a time: fewer ways to the cache and back
        w0, w1, w2, w3 = w[k], w[k + 1], w[k + 2], w[k + 3]
        a, b, c, d = o[k], o[k + 1], o[k + 2], o[k + 3]
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
