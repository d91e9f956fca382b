"""BiCGSTAB (biconjugate gradients, stabilised) on the ports of an unsymmetric circuit, all samples at once.

Solves (I + Z D) u = c for every sample: Z (n, n) is the same for all, D diagonal and a sample's own. One step takes two
products of all samples with Z, where elimination would take a factorisation for each sample. A sample for which the
method breaks down is solved by elimination.

H. A. van der Vorst, SIAM J. Sci. Stat. Comput. 13, 631 (1992).
"""

from __future__ import annotations

import numpy as np

from analogpnn.engines.fast.conjugate import COARSE, FINE, MAX_STEPS
from analogpnn.engines.fast.full import solve_rows


def solve(z: np.ndarray, d: np.ndarray, c: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """u of (I + Z D) u = c.

    Parameters
    ----------
    z : ndarray, shape (n, n)
    d, c, guess : ndarray, shape (B, n)

    Examples
    --------
    >>> z = np.array([[2.0, 1.0], [-1.0, 3.0]])
    >>> solve(z, np.ones((1, 2)), np.array([[4.0, 3.0]]), np.array([[1.0, 1.0]]))
    array([[1., 1.]])
    """
    # Unknown is y = M u: where a law is steep u is what is small, and keeps its digits.
    scale = 1.0 + d * np.abs(np.diag(z))
    inverse, weight = 1.0 / scale, d / scale
    turned = np.ascontiguousarray(z.T)

    def image(y: np.ndarray) -> np.ndarray:
        return inverse * y + (weight * y) @ turned

    y = scale * guess
    r = c - image(y)
    size, start = _dot(c, c) + 1e-300, _dot(r, r)
    # Newton squares its error, so a step need not be solved beyond the square of the residual it starts with.
    goal = np.maximum(np.minimum(COARSE**2, start / size) * start, FINE**2 * size)
    shadow, p, v = r.copy(), np.zeros_like(r), np.zeros_like(r)
    rho, alpha, omega = (np.ones(len(r)) for _ in range(3))
    going = start > goal
    for _ in range(MAX_STEPS):
        if not going.any():
            return inverse * y
        before, rho = rho, _dot(shadow, r)
        beta = np.where(going, _ratio(rho, before) * _ratio(alpha, omega), 0.0)[:, None]
        p = r + beta * (p - omega[:, None] * v)
        v = image(p)
        alpha = np.where(going, _ratio(rho, _dot(shadow, v)), 0.0)
        half = r - alpha[:, None] * v
        t = image(half)
        omega = np.where(going, _ratio(_dot(t, half), _dot(t, t)), 0.0)
        y += alpha[:, None] * p + omega[:, None] * half
        r = np.where(going[:, None], half - omega[:, None] * t, r)
        going = _dot(r, r) > goal
    u = inverse * y
    hard = np.flatnonzero(~(_dot(r, r) <= goal))
    if len(hard):
        u[hard] = solve_rows(np.eye(len(z)) + z * d[hard, None, :], c[hard])
    return u


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("bk,bk->b", a, b)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a / np.where(b == 0.0, 1e-300, b)
