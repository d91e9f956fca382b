"""Inner loops of a crossbar's step: every weight read once, written once, summed on the way; see `streams`."""

from __future__ import annotations

import numpy as np
from numba import njit

from analogpnn.engines.layered.streams import CHUNK, OPTIONS, finite, half


@njit(**OPTIONS)
def step(w, left, right, rows, columns, rate, low, high, across):
    """``w <- clip(w + rate (rows_i + columns_j - sum_k left_ki right_kj))``, by the loop that suits.

    Rows may be (0,), for zero: the nodes below are held. Across is the transposed of w if it is to be worked on instead
    (a crossbar of few columns), and (0, 0) else.

    Returns
    -------
    row_sums : ndarray, shape (n_lower,)
        (0,) if left comes with its negatives.
    column_sums : ndarray, shape (n_upper,)
    moved : int
        How many weights are others now, or -1 and nothing done where the change isn't a finite number.
    """
    number, none = w.dtype.type, np.empty(0, w.dtype)
    pace, least, most = number(rate), number(low), number(high)
    if not (finite(right) and _all_finite(columns)):
        return none, none, -1
    if len(across) == 0 and len(rows) == 0 and half(left):
        column_sums, moved = descend_doubled(w, left, right, columns, pace, least, most)
        return none, column_sums, moved
    if len(rows) == 0:
        rows = np.zeros(len(w), w.dtype)
    if len(across):
        return descend_narrow(w, left, right, rows, columns, pace, least, most, across)
    return descend(w, left, right, rows, columns, pace, least, most)


@njit(**OPTIONS)
def descend(w, left, right, rows, columns, rate, low, high):
    """``w <- clip(w + rate (rows_i + columns_j - sum_k left_ki right_kj))``: row sums, column sums, how many moved."""
    m, n = w.shape
    row_sums, column_sums, moved = np.zeros(m, w.dtype), np.zeros(n, w.dtype), 0
    for start in range(0, n, CHUNK):
        stop = min(n, start + CHUNK)
        own, change = rate * columns[start:stop], np.empty(stop - start, w.dtype)
        for i in range(m):
            _combine(change, rate, left, i, right, start, stop)
            by, count = _move(
                w[i, start:stop], own, rate * rows[i], change, w.dtype.type(1), low, high, column_sums[start:stop]
            )
            row_sums[i] += by
            moved += count
    return row_sums, column_sums, moved


@njit(**OPTIONS)
def descend_doubled(w, left, right, columns, rate, low, high):
    """The same where row i + m/2 has minus the left of row i, and rows count for nothing: column sums, how many moved.

    Both rows share the sum over k. Where it is zero, at four pixels in five, the loop is a shorter one.
    """
    m, n = w.shape
    column_sums, moved = np.empty(n, w.dtype), 0
    for start in range(0, n, CHUNK):
        stop = min(n, start + CHUNK)
        own, change = _beside(rate * columns[start:stop]), np.empty(stop - start, w.dtype)
        for i in range(m // 2):
            a, b = w[i, start:stop], w[i + m // 2, start:stop]
            if _some(left, i):
                _combine(change, rate, left, i, right, start, stop)
                moved += _move_two(a, b, own, change, w.dtype.type(1), low, high)
            else:
                moved += _shift_two(a, b, own, low, high)
        column_sums[start:stop] = own[CHUNK : CHUNK + stop - start]
    return column_sums, moved


@njit(**OPTIONS)
def descend_narrow(w, left, right, rows, columns, rate, low, high, across):
    """The same for a crossbar of few columns: row by row of its transposed, which is kept, and copied back."""
    m, n = w.shape
    row_sums, column_sums, moved = np.zeros(m, w.dtype), np.empty(n, w.dtype), 0
    own, change = rate * rows, np.empty(m, w.dtype)
    for j in range(n):
        _combine(change, rate, right, j, left, 0, m)
        column_sums[j], count = _move(across[j], own, rate * columns[j], change, w.dtype.type(1), low, high, row_sums)
        moved += count
    for i in range(m):
        for j in range(n):
            w[i, j] = across[j, i]
    return row_sums, column_sums, moved


@njit(**OPTIONS)
def add(w, taken, rows, columns, rate, low, high):
    """``w <- clip(w + rate (rows_i + columns_j - taken_ij))``, as `descend`; `taken` is (n_lower, n_upper)."""
    m, n = w.shape
    row_sums, column_sums, moved = np.zeros(m, w.dtype), np.zeros(n, w.dtype), 0
    for start in range(0, n, CHUNK):
        stop = min(n, start + CHUNK)
        own = rate * columns[start:stop]
        for i in range(m):
            by, count = _move(
                w[i, start:stop], own, rate * rows[i], taken[i, start:stop], rate, low, high, column_sums[start:stop]
            )
            row_sums[i] += by
            moved += count
    return row_sums, column_sums, moved


@njit(**OPTIONS)
def add_doubled(w, taken, columns, rate, low, high):
    """The same as `descend_doubled`; `taken` is (n_lower / 2, n_upper)."""
    m, n = w.shape
    column_sums, moved = np.empty(n, w.dtype), 0
    for start in range(0, n, CHUNK):
        stop = min(n, start + CHUNK)
        own = _beside(rate * columns[start:stop])
        for i in range(m // 2):
            a, b = w[i, start:stop], w[i + m // 2, start:stop]
            moved += _move_two(a, b, own, taken[i, start:stop], rate, low, high)
        column_sums[start:stop] = own[CHUNK : CHUNK + stop - start]
    return column_sums, moved


@njit(**OPTIONS)
def shift(theta, columns, nodes, scale, drift, factor, rate, low, high):
    """Current sources that feed the nodes of a layer: ``value <- clip(value - rate factor scale drift_node)``.

    Columns are their places in theta, worked on in place; the others are (sources,), drift (n,).

    Returns
    -------
    moved : int
        How many are others now, or -1 and nothing done where one wouldn't be a finite number.
    """
    moved = 0
    for i in range(len(columns)):
        if not abs(theta[columns[i]] - rate[i] * (factor * (scale[i] * drift[nodes[i]]))) < np.inf:
            return -1
    for i in range(len(columns)):
        k = columns[i]
        old = theta[k]
        theta[k] = min(max(old - rate[i] * (factor * (scale[i] * drift[nodes[i]])), low[i]), high[i])
        moved += theta[k] != old
    return moved


@njit(**OPTIONS)
def _all_finite(x):
    bad = 0
    for j in range(x.shape[0]):
        bad += 0 if abs(x[j]) < np.inf else 1
    return bad == 0


@njit(**OPTIONS)
def _some(left, i):
    """Whether there is anything in column i."""
    for k in range(len(left)):
        if left[k, i] != 0:
            return True
    return False


@njit(**OPTIONS)
def _combine(out, rate, left, i, right, start, stop):
    """out = rate sum_k left_ki right_k."""
    for j in range(out.shape[0]):
        out[j] = 0
    terms, k = len(left), 0
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


@njit(**OPTIONS)
def _add_times(out, a, row):
    for j in range(out.shape[0]):
        out[j] += a * row[j]


@njit(**OPTIONS)
def _move(row, own, more, change, factor, low, high, total):
    """A piece of a row by own + more - factor change, within bounds; its sum, and how many numbers are others now."""
    by, moved = row.dtype.type(0), np.int32(0)
    for j in range(row.shape[0]):
        v = row[j] + ((more + own[j]) - factor * change[j])
        v = low if v < low else v
        v = high if v > high else v
        moved = np.int32(moved + np.int32(v != row[j]))  # as wide as a float: lanes stay full
        by += v
        row[j] = v
        total[j] += v
    return by, moved


@njit(**OPTIONS)
def _beside(own):
    """Own in the first half of an array of 2 CHUNK, and zeros for column sums in the second."""
    out = np.zeros(2 * CHUNK, own.dtype)
    out[: len(own)] = own
    return out


@njit(**OPTIONS)
def _move_two(a, b, own, change, factor, low, high):
    """Two rows by own - factor change and own + factor change, within bounds; how many numbers are others now."""
    moved = np.int32(0)
    for j in range(a.shape[0]):
        u, v = a[j] + (own[j] - factor * change[j]), b[j] + (own[j] + factor * change[j])
        u = low if u < low else u
        v = low if v < low else v
        u = high if u > high else u
        v = high if v > high else v
        moved = np.int32(moved + np.int32(u != a[j]) + np.int32(v != b[j]))
        a[j] = u
        b[j] = v
        own[j + CHUNK] += u + v
    return moved


@njit(**OPTIONS)
def _shift_two(a, b, own, low, high):
    """`_move_two` where nothing else is added."""
    moved = np.int32(0)
    for j in range(a.shape[0]):
        u, v = a[j] + own[j], b[j] + own[j]
        u = low if u < low else u
        v = low if v < low else v
        u = high if u > high else u
        v = high if v > high else v
        moved = np.int32(moved + np.int32(u != a[j]) + np.int32(v != b[j]))
        a[j] = u
        b[j] = v
        own[j + CHUNK] += u + v
    return moved
