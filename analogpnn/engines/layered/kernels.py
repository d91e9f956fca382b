"""The two things that are done to a crossbar: a product with it, and a step of its conductances.

At small batches both are bound by memory: loops of our own stream the weights once (`streams`, `steps`). At large
ones BLAS multiplies, and one pass does the rest.
"""

from __future__ import annotations

import numpy as np

from analogpnn.engines.layered import steps, streams

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
    n = streams.half(x)
    if not n:
        return x @ w, np.square(x) @ sums
    x = np.ascontiguousarray(x[:, :n])
    return x @ (w[:n] - w[n:]), np.square(x) @ (sums[:n] + sums[n:])


def descend(w, left, right, rows, columns, rate, low, high) -> tuple[np.ndarray | None, np.ndarray, int]:
    """``w <- clip(w + rate (rows_i + columns_j - sum_k left_ki right_kj))`` in place.

    Parameters
    ----------
    w : ndarray, shape (n_lower, n_upper)
    left : ndarray, shape (k, n_lower)
    right : ndarray, shape (k, n_upper)
    rows : ndarray, shape (n_lower,), or None for zero: the nodes below are held
    columns : ndarray, shape (n_upper,)
    rate, low, high : float

    Returns
    -------
    row_sums : ndarray, shape (n_lower,), or None
        Of the new weights; nobody asks for those of held nodes that come with their negatives.
    column_sums : ndarray, shape (n_upper,)
    changed : int
        How many weights are others than before.
    """
    number = w.dtype.type
    left, right = (np.ascontiguousarray(x, dtype=w.dtype) for x in (left, right))
    half = streams.half(left) if rows is None else 0
    own, limits = columns.astype(w.dtype, copy=False), (number(rate), number(low), number(high))
    if half and w.shape[1] >= NARROW:
        if len(left) <= SMALL:
            return None, *steps.descend_doubled(w, left, right, own, *limits)
        return None, *steps.add_doubled(w, left[:, :half].T @ right, own, *limits)
    rows = np.zeros(len(w), w.dtype) if rows is None else rows.astype(w.dtype, copy=False)
    if w.shape[1] < NARROW and len(left) <= 4 * SMALL:
        return steps.descend_narrow(w, left, right, rows, own, *limits)
    if len(left) <= SMALL:
        return steps.descend(w, left, right, rows, own, *limits)
    return steps.add(w, left.T @ right, rows, own, *limits)
