"""Inner loops over what flows into a layer, each streaming the weights through the processor once.

Loops hold few arrays each: with many the compiler, which has to tell them apart, leaves them scalar. So what is kept
in the cache beside a row lies in one array, CHUNK numbers apart. One thread: they are bound by memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

OPTIONS: dict[str, Any] = {
    "cache": True,
    "error_model": "numpy",
    "nogil": True,
    "fastmath": {"contract", "reassoc", "nsz"},
}
CHUNK = 1024
"""Columns worked on at once: a piece of a row and what is added to it stay in the first-level cache."""


@njit(**OPTIONS)
def product(x, w):
    """``x @ w`` (B, n), and ``sum_i x_i^2 sum_j w_ij`` (B,); rows whose inputs are all zero aren't read."""
    batch, n = len(x), w.shape[1]
    doubled = half(x)
    used, xs = _used(x[:, :doubled] if doubled else x)
    out, power = np.empty((batch, n), w.dtype), np.zeros(batch)
    sums, none = np.empty((xs.shape[1] // 4, 4 * CHUNK), w.dtype), np.zeros(CHUNK, w.dtype)
    for start in range(0, n, CHUNK):
        stop = min(n, start + CHUNK)
        nothing = none[: stop - start]
        sums[:] = 0
        for k in range(0, len(used), 2):  # two inputs and four samples at a time: fewer ways to the cache and back
            i, j = used[k], used[min(k + 1, len(used) - 1)]
            a, c = w[i, start:stop], w[j, start:stop]
            b, d = (w[i + doubled, start:stop], w[j + doubled, start:stop]) if doubled else (nothing, nothing)
            for q in range(len(sums)):
                first, second = _add_two(sums[q], xs[k, 4 * q : 4 * q + 4], xs[k + 1, 4 * q : 4 * q + 4], a, b, c, d)
                for s in range(4 * q, min(4 * q + 4, batch)):
                    power[s] += first * xs[k, s] * xs[k, s] + second * xs[k + 1, s] * xs[k + 1, s]
        for s in range(batch):
            out[s, start:stop] = sums[s // 4, s % 4 * CHUNK : s % 4 * CHUNK + stop - start]
    return out, power


@njit(**OPTIONS)
def driven(inputs, column, scale, out):
    """``out_bi = scale_i inputs_b,column_i``: doubled inputs, amplified, in the numbers of `out` (B, n)."""
    for s in range(out.shape[0]):
        row, into = inputs[s], out[s]
        for i in range(out.shape[1]):
            into[i] = scale[i] * row[column[i]]


@njit(**OPTIONS)
def pushed(theta, columns, values, nodes, scale, out):
    """Add to out (n,) what current sources push into its nodes: scale times theta, or values where columns are -1."""
    total = np.zeros(len(out))
    for i in range(len(columns)):
        k = columns[i]
        total[nodes[i]] += scale[i] * (theta[k] if k >= 0 else values[i])
    for j in range(len(out)):
        out[j] += total[j]


@njit(**OPTIONS)
def finite(x):
    """Whether all of (k, n) are finite numbers."""
    for s in range(len(x)):
        row, bad = x[s], 0
        for j in range(row.shape[0]):
            bad += 0 if abs(row[j]) < np.inf else 1
        if bad:
            return False
    return True


@njit(**OPTIONS)
def inverse(x):
    """1 / x (n,), the least and the greatest x; NaN if there is one."""
    out, least, most = np.empty_like(x), x[0], x[0]
    for j in range(x.shape[0]):
        out[j] = 1 / x[j]
    for j in range(x.shape[0]):
        v = x[j]
        if not (v >= least and v <= most):
            if v < least:
                least = v
            elif v > most:
                most = v
            else:
                return out, v, v
    return out, least, most


@njit(**OPTIONS)
def half(x):
    """Half the number of columns if the second half is minus the first, else 0."""
    n = x.shape[1] // 2
    if x.shape[1] != 2 * n:
        return 0
    for s in range(len(x)):
        a, b, off = x[s, :n], x[s, n:], 0
        for j in range(n):
            off += a[j] != -b[j]
        if off:
            return 0
    return n


@njit(**OPTIONS)
def _used(x):
    """Rows of weights that count, and their inputs, zeros added: (an even number, a multiple of four)."""
    batch, n = x.shape
    used, columns, count = np.empty(n, np.int64), np.zeros((n + 1, (batch + 3) // 4 * 4), x.dtype), 0
    for i in range(n):
        some = False
        for s in range(batch):
            some = some or x[s, i] != 0
        if some:
            used[count] = i
            for s in range(batch):
                columns[count, s] = x[s, i]
            count += 1
    return used[:count], columns[: count + count % 2]


@njit(**OPTIONS)
def _add_two(out, x, y, a, b, c, d):
    """Of four samples s ``out_s += x_s (a - b) + y_s (c - d)``; the sums of a + b and c + d."""
    x0, x1, x2, x3, y0, y1, y2, y3 = x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3]
    first, second = a.dtype.type(0), a.dtype.type(0)
    for j in range(a.shape[0]):
        u, v = a[j] - b[j], c[j] - d[j]
        first += a[j] + b[j]
        second += c[j] + d[j]
        out[j] += x0 * u + y0 * v
        out[j + CHUNK] += x1 * u + y1 * v
        out[j + 2 * CHUNK] += x2 * u + y2 * v
        out[j + 3 * CHUNK] += x3 * u + y3 * v
    return first, second
