"""The two things that are done to a crossbar: a product with it, and a step of its conductances.

At small batches both are bound by memory: loops of our own stream the weights once (`streams`). At large ones BLAS
multiplies, and one pass does the rest.
"""

from __future__ import annotations

import numpy as np

from analogpnn.engines.layered import streams

SMALL = 16
"""Samples up to which streaming the weights once is what counts; above, BLAS is faster."""
NARROW = 32
"""Columns below which a crossbar's step runs down its columns: rows that short leave vector units idle."""


def product(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``x @ w`` (B, n_upper), and the power ``sum_i x_i^2 sum_j w_ij`` (B,).

    Inputs that come with their negatives cost half: x W+ - x W- is x (W+ - W-). At small batches inputs that are zero
    in every sample cost nothing: their rows of weights aren't read.
    """
    if len(x) <= SMALL and w.flags.c_contiguous and x.flags.c_contiguous:
        return streams.product(x, w)
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
    number = w.dtype.type
    rows = np.zeros(0, w.dtype) if rows is None else rows.astype(w.dtype, copy=False)
    left, right = (np.ascontiguousarray(x, dtype=w.dtype) for x in (left, right))
    own, rate = columns.astype(w.dtype, copy=False), number(rate)
    low, high = number(low), number(high)
    if w.shape[1] < NARROW and len(left) <= 4 * SMALL:
        return streams.descend_narrow(w, left, right, rows, own, rate, low, high)
    if len(left) > SMALL:
        change = (left[:, : left.shape[1] // 2] if mirrored(left) else left).T @ right
        return streams.add(w, change, rows, own, rate, low, high)
    return streams.descend(w, left, right, rows, own, rate, low, high)
