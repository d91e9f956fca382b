"""Sums over the voltages of a layer, in one pass: power, and the averages that make its conductances' forces."""

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


@njit(**OPTIONS)
def delivered(total, current, voltage):
    """Add ``sum_i current_bi voltage_bi`` to total (B,) [W]; the others have shape (B, n)."""
    for s in range(len(total)):
        found = voltage.dtype.type(0)
        a, b = current[s], voltage[s]
        for j in range(a.shape[0]):
            found += a[j] * b[j]
        total[s] += found


@njit(**OPTIONS)
def moments(states, weights, total):
    r"""Of states :math:`u_k = u + \delta_k` of a layer with weights :math:`a_k`, ``total`` the sum of all weights.

    Parameters
    ----------
    states : tuple of ndarray, shape (B, n) each
        The reference u, then the others [V].
    weights : tuple of float
        Of the others; a zero at least.
    total : float

    Returns
    -------
    left : ndarray, shape (k B, n)
        :math:`u, \sum a_k \delta_k, \delta_1, \delta_2, \ldots`
    right : ndarray, shape (k B, n)
        What they are multiplied with where this is the upper layer, over B: :math:`\sum a_k \delta_k + \sum a\, u, u,
        a_1 \delta_1, a_2 \delta_2, \ldots`
    own : ndarray, shape (n,)
        Mean of :math:`\sum a\, u^2 / 2 + u \sum a_k \delta_k + \sum a_k \delta_k^2 / 2`.
    drift : ndarray, shape (n,)
        Mean of :math:`\sum a_k \delta_k + \sum a\, u`, in double precision.
    """
    batch, n = states[0].shape
    number = states[0].dtype.type
    half, share, whole = number(0.5), number(1) / number(batch), number(total)
    left = np.empty(((len(states) + 1) * batch, n), states[0].dtype)
    right = np.empty_like(left)
    own, drift = np.zeros(n, states[0].dtype), np.zeros(n)
    for s in range(batch):
        u, moved = left[s], left[batch + s]
        for j in range(n):
            u[j] = states[0][s, j]
            moved[j] = 0
        for k in range(1, len(states)):
            a, v, at = number(weights[k - 1]), states[k][s], (k + 1) * batch + s
            shift, scaled = left[at], right[at]
            for j in range(n):
                shift[j] = v[j] - u[j]
            for j in range(n):
                moved[j] += a * shift[j]
                own[j] += half * a * shift[j] * shift[j]
            for j in range(n):
                scaled[j] = a * share * shift[j]
        for j in range(n):
            own[j] += u[j] * moved[j] + half * whole * u[j] * u[j]
        first, second = right[s], right[batch + s]
        for j in range(n):
            first[j] = share * (moved[j] + whole * u[j])
            second[j] = share * u[j]
        for j in range(n):
            drift[j] += first[j]
    for j in range(n):
        own[j] *= share
    return left, right, own, drift
