"""Newton's method on a batch whose laws have parameters of their own for every sample: all go on until all are done."""

from __future__ import annotations

import numpy as np

from analogpnn.engines.fast.iteration import movement
from analogpnn.engines.fast.laws import Laws


def together(system, laws: Laws, state, start: np.ndarray, max_steps: int, tolerance: float):
    """Iterate until every sample has converged, or none can any more.

    `engines.fast.iteration` lets samples leave as they converge; here times, rates and past voltages stand in the laws
    sample by sample, and a stage takes two or three iterations anyway.

    Parameters
    ----------
    system : Full or Batched
    state : what ``system.begin`` returned
    start : ndarray, shape (B, n_in)
        Port voltages to begin at.
    tolerance : float
        Change of controls, relative and in volts, after which a sample is done; the error left is about its square.

    Returns
    -------
    x : ndarray (B, n_free), done : ndarray (B,) of bool, controls : ndarray (B, n_in)
    """
    rows, at, u = np.arange(len(start)), laws.element_controls(start), start
    done = np.zeros(len(start), dtype=bool)
    x = np.full((len(start), system.linear_size), np.nan)
    for _ in range(max_steps):
        tangent = laws.tangent(at)
        u = system.step(state, laws, tangent, rows)
        new = laws.element_controls(u)
        error = movement(new, at, tolerance)
        done = error <= tolerance
        x = system.finish(state, tangent.offset, rows)
        if (done | ~np.isfinite(error)).all():
            break
        at = laws.limit(new, at, system.resistance)
    return x, done, u
