"""The linear step on many symmetric ports, all samples at once, as matrix products.

    (I + Z D) u = c      with Z symmetric, D diagonal and positive for each sample

becomes, with q = sqrt(D) u, the symmetric positive definite  (I + sqrt(D) Z sqrt(D)) q = sqrt(D) c,  solved by
conjugate gradients with a diagonal preconditioner. One product with Z serves the whole batch, so the work is matrix
products at the machine's rate and random graphs, whose factors fill up, cost no more than grids.
"""

from __future__ import annotations

import numpy as np

COARSE, FINE = 0.01, 1e-13
"""Reduction of the residual far from Newton's end, and the relative residual that is always enough."""
MAX_STEPS = 400


def solve(z: np.ndarray, d: np.ndarray, c: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """u (B, K) with (I + Z D) u = c for z (K, K), d, c, guess (B, K).

    Inexact on purpose while Newton's method is far from its end.

    Examples
    --------
    >>> z = np.array([[2.0, 1.0], [1.0, 3.0]])
    >>> solve(z, np.ones((1, 2)), np.array([[4.0, 5.0]]), np.array([[1.0, 1.0]]))
    array([[1., 1.]])
    """
    s = np.sqrt(np.maximum(d, 0.0))
    precondition = 1.0 / (1.0 + d * np.diag(z))
    q = s * guess
    size = np.einsum("bk,bk->b", s * c, s * c) + 1e-300
    r = s * c - q - s * ((s * q) @ z)
    start = np.einsum("bk,bk->b", r, r)
    # Newton squares its error, so a step need not be solved beyond the square of the residual it starts with.
    goal = np.maximum(np.minimum(COARSE**2, start / size) * start, FINE**2 * size)
    direction = precondition * r
    rz = np.einsum("bk,bk->b", r, direction)
    for _ in range(MAX_STEPS):
        if (np.einsum("bk,bk->b", r, r) <= goal).all():
            break
        image = direction + s * ((s * direction) @ z)
        alpha = (rz / np.maximum(np.einsum("bk,bk->b", direction, image), 1e-300))[:, None]
        q += alpha * direction
        r -= alpha * image
        new = precondition * r
        rz_new = np.einsum("bk,bk->b", r, new)
        direction = new + (rz_new / np.maximum(rz, 1e-300))[:, None] * direction
        rz = rz_new
    # Where the law is steep its own share q carries u, elsewhere the sum does: each where it loses no digits.
    return np.where(d * np.diag(z) > 1.0, q / np.maximum(s, 1e-300), c - (s * q) @ z)
