"""Newton's method on a batch: converged samples leave, the others go on.

One step linearises every law at the controls the limiter allowed, solves, and limits again. A sample is done when
the solved controls agree with those it was linearised at: the step that finds this has squared the error once more.
"""

from __future__ import annotations

import numpy as np

from analogpnn.engines.fast.laws import Laws

TOLERANCE = 1e-7
"""Agreement of controls, relative and in volts; the step that finds it leaves its square over 2 nVt, 1e-13 V."""


def iterate(
    system, laws: Laws, state, start: np.ndarray, max_steps: int, cap=0.0, tolerance=TOLERANCE, rest: bool = False
):
    """Iterate until every sample has converged or `max_steps` are used.

    Parameters
    ----------
    system : Reduced or Full
    state : what ``system.begin`` returned, for the whole batch
    start : ndarray, shape (B, n_in)
        Port voltages to begin at.
    rest : bool
        They are those of a circuit at rest: free unknowns at 0 V, held nodes at their voltages. The first tangents are
        then taken there, junctions alone being limited, as on a step from zero volts.
    cap : float
        Largest change of a control per step [V]; 0 for none beyond the devices' own limits.
    tolerance : float

    Returns
    -------
    x : ndarray (B, n_free), done : ndarray (B,) of bool, controls : ndarray (B, n_in), steps : int
    """
    batch = len(start)
    rows = np.arange(batch)
    done = np.zeros(batch, dtype=bool)
    x = np.full((batch, system.linear_size), np.nan)
    controls = np.array(start)
    at = laws.element_controls(start)
    if rest:
        with np.errstate(all="ignore"):
            at = laws.limit(at, [[np.zeros_like(c) for c in controls] for controls in at], system.resistance, np.inf)
    used = 0
    for step in range(1, max_steps + 1):
        used = step
        with np.errstate(all="ignore"):  # what overflows fails, and is taken up by continuation
            tangent = laws.tangent(at)
            u = system.step(state, laws, tangent, rows)
            new = laws.element_controls(u)
            error = movement(new, at, tolerance)
        ok = error <= tolerance
        bad = ~np.isfinite(error)
        if ok.any():
            found = rows[ok]
            with np.errstate(all="ignore"):
                currents = tangent.offset + laws.times(tangent, u)
                x[found] = system.finish(state, currents, rows)[ok]
            controls[found] = u[ok]
            done[found] = True
        stay = ~ok & ~bad
        if not stay.any():
            break
        nxt = laws.limit(new, at, system.resistance)
        if cap:
            nxt = [[p + np.clip(f - p, -cap, cap) for f, p in zip(fs, ps)] for fs, ps in zip(nxt, at)]
        if stay.all():
            at = nxt
        else:
            at = [[c[stay] for c in group] for group in nxt]
            rows = rows[stay]
    return x, done, controls, used


def movement(new: list[list[np.ndarray]], at: list[list[np.ndarray]], tolerance: float) -> np.ndarray:
    """How far each sample's controls are from where the laws were linearised (B,) [V]; converged at `tolerance`.

    That much of the control itself is let pass.
    """
    error = np.zeros(len(new[0][0]))
    for fresh, past in zip(new, at):
        for f, p in zip(fresh, past):
            error = np.maximum(error, (np.abs(f - p) - tolerance * np.abs(f)).max(axis=1, initial=0.0))
    return error
