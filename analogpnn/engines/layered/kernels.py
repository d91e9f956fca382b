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


def descend(
    w, left, right, rows, columns, rate, low, high, across=None
) -> tuple[np.ndarray | None, np.ndarray | None, int]:
    """``w <- clip(w + rate (rows_i + columns_j - sum_k left_ki right_kj))`` in place.

    Parameters
    ----------
    w : ndarray, shape (n_lower, n_upper)
    left : ndarray, shape (k, n_lower)
    right : ndarray, shape (k, n_upper)
    rows : ndarray, shape (n_lower,), or None for zero: the nodes below are held
    columns : ndarray, shape (n_upper,)
    rate, low, high : float
    across : ndarray, shape (n_upper, n_lower), optional
        The transposed of a crossbar with few columns, kept up to date.

    Returns
    -------
    row_sums : ndarray, shape (n_lower,), or None
        Of the new weights; nobody asks for those of held nodes that come with their negatives.
    column_sums : ndarray, shape (n_upper,)
    changed : int
        How many weights are others than before; -1 where the update isn't a finite number: nothing is done.
    """
    kind = w.dtype
    none = np.empty(0, kind)
    if rows is None:
        rows = none
    if left.dtype != kind or not left.flags.c_contiguous:  # every other kind of arrays would be compiled for
        left, right, rows, columns = (np.ascontiguousarray(x, dtype=kind) for x in (left, right, rows, columns))
    if w.shape[1] < NARROW and across is None:
        across = np.ascontiguousarray(w.T)
    if len(left) <= SMALL or (across is not None and len(left) <= 4 * SMALL):
        across = none.reshape(0, 0) if across is None else across
        by_row, by_column, changed = steps.step(w, left, right, rows, columns, rate, low, high, across)
        return by_row if len(by_row) else None, by_column, changed
    if not (np.isfinite(right).all() and np.isfinite(columns).all()):
        return None, None, -1
    limits = kind.type(rate), kind.type(low), kind.type(high)
    half = 0 if len(rows) else streams.half(left)
    if half and across is None:
        return None, *steps.add_doubled(w, left[:, :half].T @ right, columns, *limits)
    rows = rows if len(rows) else np.zeros(len(w), kind)
    found = steps.add(w, left.T @ right, rows, columns, *limits)
    if across is not None:
        across[...] = w.T
    return found
