"""Inner loops over the weights of a crossbar, each streaming them through the processor once.

Loops hold few arrays each: with many the compiler leaves them scalar. One thread: they are bound by memory.
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
    half = _half(x)
    used, xs = _used(x[:, :half] if half else x)
    out, power = np.zeros((batch, n), w.dtype), np.zeros(batch)
    for start in range(0, n, CHUNK):
        stop = min(n, start + CHUNK)
        piece = np.zeros((4, stop - start), w.dtype)
        for k in range(0, len(used), 4):  # four rows at a time: fewer ways to the cache and back
            count = min(4, len(used) - k)
            for q in range(count):
                i = used[k + q]
                if half:
                    total = _difference(w[i, start:stop], w[i + half, start:stop], piece[q])
                else:
                    total = _copied(w[i, start:stop], piece[q])
                for s in range(batch):
                    power[s] += total * xs[k + q, s] * xs[k + q, s]
            for s in range(batch):
                if count == 4:
                    _add_four(out[s, start:stop], xs[k : k + 4, s], piece)
                else:
                    for q in range(count):
                        _add_times(out[s, start:stop], xs[k + q, s], piece[q])
    return out, power


@njit(**OPTIONS)
def descend(w, left, right, rows, columns, rate, low, high):
    """``w <- clip(w + rate (rows_i + columns_j - sum_k left_ki right_kj))``: row sums, column sums, how many moved.

    Rows that come with their negatives share the sum over k.
    """
    m, n = w.shape
    half = 0 if len(rows) else _half(left)
    none, one = w.dtype.type(0), w.dtype.type(1)
    row_sums, column_sums, moved = np.zeros(m, w.dtype), np.zeros(n, w.dtype), 0
    for start in range(0, n, CHUNK):
        stop = min(n, start + CHUNK)
        own, change = rate * columns[start:stop], np.zeros(stop - start, w.dtype)
        total = column_sums[start:stop]
        for i in range(half or m):
            some = _combine(change, rate, left, i, right, start, stop)
            for sign in range(2 if half else 1):
                at = i + half * sign
                if some or len(rows):
                    by, count = _move(
                        w[at, start:stop], own, rate * rows[i] if len(rows) else none, change,
                        -one if sign else one, low, high, total,
                    )  # fmt: skip
                else:
                    by, count = _shift(w[at, start:stop], own, low, high, total)
                row_sums[at] += by
                moved += int(count)
    return row_sums, column_sums, moved


@njit(**OPTIONS)
def descend_narrow(w, left, right, rows, columns, rate, low, high):
    """The same for a crossbar of few columns, column by column."""
    m, n = w.shape
    none, one = w.dtype.type(0), w.dtype.type(1)
    row_sums, column_sums, moved = np.zeros(m, w.dtype), np.zeros(n, w.dtype), 0
    own, change = np.zeros(m, w.dtype), np.empty(m, w.dtype)
    for i in range(len(rows)):
        own[i] = rate * rows[i]
    for j in range(n):
        _combine(change, rate, right, j, left, 0, m)
        shift = rate * columns[j]
        by, count = none, none
        for i in range(m):
            old = w[i, j]
            v = old + ((own[i] + shift) - change[i])
            v = low if v < low else v
            v = high if v > high else v
            count += one if v != old else none
            by += v
            w[i, j] = v
            row_sums[i] += v
        column_sums[j] = by
        moved += int(count)
    return row_sums, column_sums, moved


@njit(**OPTIONS)
def add(w, taken, rows, columns, rate, low, high):
    """``w <- clip(w + rate (rows_i + columns_j - taken_ij))``, as `descend`.

    `taken` is (n_lower, n_upper), or half as many rows that come again with the other sign.
    """
    m, n = w.shape
    half = len(taken)
    none = w.dtype.type(0)
    row_sums, column_sums, moved = np.zeros(m, w.dtype), np.zeros(n, w.dtype), 0
    for start in range(0, n, CHUNK):
        stop = min(n, start + CHUNK)
        own = rate * columns[start:stop]
        for i in range(m):
            by, count = _move(
                w[i, start:stop], own, rate * rows[i] if len(rows) else none,
                taken[i if i < half else i - half, start:stop], rate if i < half else -rate, low, high,
                column_sums[start:stop],
            )  # fmt: skip
            row_sums[i] += by
            moved += int(count)
    return row_sums, column_sums, moved


@njit(**OPTIONS)
def driven(inputs, column, scale, out):
    """``out_bi = scale_i inputs_b,column_i``: doubled inputs, amplified, in the numbers of `out` (B, n)."""
    for s in range(out.shape[0]):
        row, into = inputs[s], out[s]
        for i in range(out.shape[1]):
            into[i] = scale[i] * row[column[i]]


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
def _half(x):
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
    """Rows of weights that count, and their inputs (rows, B)."""
    batch, n = x.shape
    used, columns, count = np.empty(n, np.int64), np.empty((n, batch), x.dtype), 0
    for i in range(n):
        some = False
        for s in range(batch):
            some = some or x[s, i] != 0
        if some:
            used[count] = i
            for s in range(batch):
                columns[count, s] = x[s, i]
            count += 1
    return used[:count], columns[:count]


@njit(**OPTIONS)
def _difference(a, b, out):
    """out = a - b; the sum of a + b."""
    total = out.dtype.type(0)
    for j in range(out.shape[0]):
        total += a[j] + b[j]
        out[j] = a[j] - b[j]
    return total


@njit(**OPTIONS)
def _copied(a, out):
    """out = a; its sum."""
    total = out.dtype.type(0)
    for j in range(out.shape[0]):
        total += a[j]
        out[j] = a[j]
    return total


@njit(**OPTIONS)
def _add_four(out, x, rows):
    a, b, c, d = x[0], x[1], x[2], x[3]
    w0, w1, w2, w3 = rows[0], rows[1], rows[2], rows[3]
    for j in range(out.shape[0]):
        out[j] += (a * w0[j] + b * w1[j]) + (c * w2[j] + d * w3[j])


@njit(**OPTIONS)
def _add_times(out, a, row):
    for j in range(out.shape[0]):
        out[j] += a * row[j]


@njit(**OPTIONS)
def _combine(out, rate, left, i, right, start, stop):
    """out = rate sum_k left_ki right_k, and whether there is anything in it."""
    terms, some = len(left), False
    for k in range(terms):
        some = some or left[k, i] != 0
    for j in range(out.shape[0]):
        out[j] = 0
    if not some:
        return False
    k = 0
    while k + 4 <= terms:
        a, b, c, d = rate * left[k, i], rate * left[k + 1, i], rate * left[k + 2, i], rate * left[k + 3, i]
        if a != 0 or b != 0 or c != 0 or d != 0:
            y0, y1 = right[k, start:stop], right[k + 1, start:stop]
            y2, y3 = right[k + 2, start:stop], right[k + 3, start:stop]
            for j in range(out.shape[0]):
                out[j] += (a * y0[j] + b * y1[j]) + (c * y2[j] + d * y3[j])
        k += 4
    while k < terms:
        if left[k, i] != 0:
            _add_times(out, rate * left[k, i], right[k, start:stop])
        k += 1
    return True


@njit(**OPTIONS)
def _move(row, own, more, change, factor, low, high, total):
    """A piece of a row by own + more - factor change, within bounds; its sum, and how many numbers are others now."""
    none, one = row.dtype.type(0), row.dtype.type(1)
    by, moved = none, none
    for j in range(row.shape[0]):
        v = row[j] + ((more + own[j]) - factor * change[j])
        v = low if v < low else v
        v = high if v > high else v
        moved += one if v != row[j] else none
        by += v
        row[j] = v
        total[j] += v
    return by, moved


@njit(**OPTIONS)
def _shift(row, own, low, high, total):
    """`_move` where nothing else is added.

    A loop of its own: four pixels in five are zero, and with their zeros added too a step takes a tenth longer.
    """
    none, one = row.dtype.type(0), row.dtype.type(1)
    by, moved = none, none
    for j in range(row.shape[0]):
        v = row[j] + own[j]
        v = low if v < low else v
        v = high if v > high else v
        moved += one if v != row[j] else none
        by += v
        row[j] = v
        total[j] += v
    return by, moved
