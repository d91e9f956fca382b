"""Inner loops over the weights, each streaming them through the processor once.

Loops hold few arrays each: with many the compiler leaves them scalar. One thread: they are bound by memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_OPTIONS: dict[str, Any] = {
    "cache": True,
    "error_model": "numpy",
    "nogil": True,
    "fastmath": {"contract", "reassoc", "nsz"},
}
CHUNK = 1024
"""Columns worked on at once: a piece of a row and what is added to it stay in the first-level cache."""
SMALL = 16
"""Samples up to which streaming the weights once is what counts; above, BLAS is faster."""


def product(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``x @ w`` (B, n_upper), and the power ``sum_i x_i^2 sum_j w_ij`` (B,).

    At small batches inputs that are zero in every sample cost nothing: their rows of weights aren't read. At large ones
    inputs that come with their negatives cost half: x W+ - x W- is x (W+ - W-).
    """
    if len(x) <= SMALL and w.flags.c_contiguous and x.flags.c_contiguous:
        return _product(x, w)
    sums = w.sum(axis=1)
    if not mirrored(x):
        return x @ w, np.square(x) @ sums
    n = len(w) // 2
    x = np.ascontiguousarray(x[:, :n])
    return x @ (w[:n] - w[n:]), np.square(x) @ (sums[:n] + sums[n:])


def mirrored(x: np.ndarray) -> bool:
    """Whether the second half of the columns is minus the first."""
    n = x.shape[1] // 2
    return x.shape[1] == 2 * n and bool(np.array_equal(x[0, n:], -x[0, :n])) and not (x[:, n:] + x[:, :n]).any()


def descend(w, left, right, rows, columns, rate, low, high) -> tuple[np.ndarray, np.ndarray, int]:
    """``w <- clip(w + rate (rows_i + columns_j - sum_k left_ki right_kj))`` in place.

    Parameters
    ----------
    w : ndarray, shape (n_lower, n_upper)
    left : ndarray, shape (k, n_lower)
    right : ndarray, shape (k, n_upper)
    rows : ndarray, shape (n_lower,), or None for zero
    columns : ndarray, shape (n_upper,)
    rate, low, high : float

    Returns
    -------
    row_sums : ndarray, shape (n_lower,)
        Of the new weights.
    column_sums : ndarray, shape (n_upper,)
    changed : int
        How many weights are others than before.
    """
    kind = w.dtype.type
    rows = np.zeros(0, w.dtype) if rows is None else rows.astype(w.dtype, copy=False)
    left, right, columns = (x.astype(w.dtype, copy=False) for x in (left, right, columns))
    if len(left) > SMALL:
        change = (left[:, : left.shape[1] // 2] if mirrored(left) else left).T @ right
        return _add(w, change, rows, columns, kind(rate), kind(low), kind(high))
    return _descend(w, left, right, rows, columns, kind(rate), kind(low), kind(high))


@njit(**_OPTIONS)
def _product(x, w):
    batch, n = len(x), w.shape[1]
    used, xs = _used(x)
    out, power = np.zeros((batch, n), w.dtype), np.zeros(batch)
    for start in range(0, n, CHUNK):
        stop = min(n, start + CHUNK)
        for k in range(len(used)):
            total = _sum(w[used[k], start:stop])
            for s in range(batch):
                power[s] += total * xs[k, s] * xs[k, s]
        k = 0
        while k + 4 <= len(used):
            w0, w1 = w[used[k], start:stop], w[used[k + 1], start:stop]
            w2, w3 = w[used[k + 2], start:stop], w[used[k + 3], start:stop]
            for s in range(batch):
                a, b, c, d, o = xs[k, s], xs[k + 1, s], xs[k + 2, s], xs[k + 3, s], out[s, start:stop]
                for j in range(o.shape[0]):
                    o[j] += (a * w0[j] + b * w1[j]) + (c * w2[j] + d * w3[j])
            k += 4
        while k < len(used):
            for s in range(batch):
                _add_times(out[s, start:stop], xs[k, s], w[used[k], start:stop])
            k += 1
    return out, power


@njit(**_OPTIONS)
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


@njit(**_OPTIONS)
def _sum(row):
    total = row.dtype.type(0)
    for j in range(row.shape[0]):
        total += row[j]
    return total


@njit(**_OPTIONS)
def _add_times(out, a, row):
    for j in range(out.shape[0]):
        out[j] += a * row[j]


@njit(**_OPTIONS)
def _descend(w, left, right, rows, columns, rate, low, high):
    m, n = w.shape
    terms = len(right)
    row_sums, column_sums, moved = np.zeros(m, w.dtype), np.zeros(n, w.dtype), 0
    for start in range(0, n, CHUNK):
        stop = min(n, start + CHUNK)
        own, change = rate * columns[start:stop], np.empty(stop - start, w.dtype)
        for i in range(m):
            r = rate * rows[i] if len(rows) else rate * 0
            for j in range(change.shape[0]):
                change[j] = r + own[j]
            k = 0
            while k + 4 <= terms:  # four at a time: fewer ways to the cache and back
                a, b, c, d = -rate * left[k, i], -rate * left[k + 1, i], -rate * left[k + 2, i], -rate * left[k + 3, i]
                if a != 0 or b != 0 or c != 0 or d != 0:
                    y0, y1 = right[k, start:stop], right[k + 1, start:stop]
                    y2, y3 = right[k + 2, start:stop], right[k + 3, start:stop]
                    for j in range(change.shape[0]):
                        change[j] += (a * y0[j] + b * y1[j]) + (c * y2[j] + d * y3[j])
                k += 4
            while k < terms:
                if left[k, i] != 0:
                    _add_times(change, -rate * left[k, i], right[k, start:stop])
                k += 1
            by, count = _move(w[i, start:stop], change, low, high, column_sums[start:stop])
            row_sums[i] += by
            moved += int(count)
    return row_sums, column_sums, moved


@njit(**_OPTIONS)
def _add(w, taken, rows, columns, rate, low, high):
    """`taken` is (n_lower, n_upper), or half as many rows that come again with the other sign."""
    m, n = w.shape
    half = len(taken)
    row_sums, column_sums, moved = np.zeros(m, w.dtype), np.zeros(n, w.dtype), 0
    for start in range(0, n, CHUNK):
        stop = min(n, start + CHUNK)
        own, change = rate * columns[start:stop], np.empty(stop - start, w.dtype)
        for i in range(m):
            r = rate * rows[i] if len(rows) else rate * 0
            given = taken[i if i < half else i - half, start:stop]
            signed = rate if i < half else -rate
            for j in range(change.shape[0]):
                change[j] = (r + own[j]) - signed * given[j]
            by, count = _move(w[i, start:stop], change, low, high, column_sums[start:stop])
            row_sums[i] += by
            moved += int(count)
    return row_sums, column_sums, moved


@njit(**_OPTIONS)
def _move(row, change, low, high, total):
    """A piece of a row by `change`, within bounds; its sum, and how many numbers are others than before."""
    zero, one = row.dtype.type(0), row.dtype.type(1)
    by, moved = zero, zero
    for j in range(row.shape[0]):
        v = row[j] + change[j]
        v = low if v < low else v
        v = high if v > high else v
        moved += one if v != row[j] else zero
        by += v
        row[j] = v
        total[j] += v
    return by, moved
