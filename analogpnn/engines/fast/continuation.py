"""Samples on which Newton's method alone fails: easier circuits that lead, step by step, to the one asked for.

Every stage is Newton's method on all unknowns of a circuit with a conductance s from each node to an anchor a, and
the resistance s * OHMS2 in each voltage branch,

    A x + S i(C x) + s M (x - a) = p b

from an x that a neighbouring stage has found: gmin stepping lets s go to zero with a = 0, source stepping lets p grow
to one, and pseudo-transient continuation is the implicit Euler method, a the last x and s = C / h with growing step h:
a circuit with a capacitor at each node and an inductance in each source, let go from 0 V. Steps adapt for each
sample by itself, and what doesn't come along is given up; where a path turns back, one may leap over (`leaping`). The
very last resort is luck: other restraints and random starts (`wandering`).

References
----------
C. T. Kelley, D. E. Keyes, Convergence analysis of pseudo-transient continuation, SIAM J. Numer. Anal. 35, 508 (1998).
"""

from __future__ import annotations

import numpy as np

from analogpnn.engines.fast.full import Full
from analogpnn.engines.fast.iteration import iterate
from analogpnn.engines.fast.laws import Laws
from analogpnn.engines.fast.leaping import leap
from analogpnn.engines.fast.restrained import FIRST, INNER, LEAST, LOOSE, MOST, newton
from analogpnn.engines.fast.wandering import wander

DIRECT = 120
"""Newton steps straight from 0 V."""
CAUTIOUS = 300
"""The same, where none may exceed its tangent."""
BUDGET = 900
"""Newton steps for all stages of one way; then the sample is given up."""
DRAWS, POLISH = 4, 3
SMALL, MOST_STEPS = 0.5, 100
"""Largest change of a control [V] and number of Newton steps, where sources are stepped in small steps."""
CLOSE = 1.02
"""A factor between two conductances below which the path has come to a fold."""
FOLDS = 12
"""Folds at most on one path."""
HIGH = 1e4
"""Voltages that nobody wants of a circuit [V]."""
MISSES = 4
"""Parts in a row that may be left out there."""


def settle(
    full: Full, laws: Laws, b: np.ndarray, known: np.ndarray, start: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Unknowns (B, n_free), and which samples have an operating point: what one way leaves, the next one tries.

    If a start (B, n_free) is given, the first way is from there.
    """
    x = np.full(b.shape, np.nan)
    done, tried = np.zeros(len(b), dtype=bool), []
    if start is not None:
        x, done, _ = newton(full, laws, b, known, start, np.zeros(len(b)), start, INNER)
    high: dict[int, np.ndarray] = {}
    for way in (directly, gmin_stepping, source_stepping, pseudo_transient, in_small_steps, cautiously, over_folds):
        left = np.flatnonzero(~done)
        if not len(left):
            return x, done
        found, ok = way(full, laws, b[left], known[left])
        if way is over_folds:  # beyond a fold lies anything; megavolts are kept for the case that there is nothing else
            height = np.abs(found * (full.inertia > 0)).max(axis=1)
            high = {int(k): x_k for k, x_k in zip(left[ok & (height > HIGH)], found[ok & (height > HIGH)])}
            ok = ok & (height <= HIGH)
        x[left[ok]] = found[ok]
        done[left[ok]] = True
        tried.append(np.full(b.shape, np.nan))
        tried[-1][left] = found
    for k in np.flatnonzero(~done).tolist():
        near = np.array([one[k] for one in tried if np.isfinite(one[k]).all()])
        arrived = wander(full, laws, b[k], known[k], near, LOOSE)
        if k in high and (arrived is None or np.abs(arrived).max() > np.abs(high[k]).max()):
            arrived = high[k]
        if arrived is not None:
            x[k], done[k] = arrived, True
    return x, done


def polished(full: Full, laws: Laws, x: np.ndarray, b: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Answers improved by what Kirchhoff's law misses, as long as that becomes less.

    A Newton step for x itself is as exact as the solution of a linear system with voltages on its right-hand side; a
    step for the correction is as exact as the currents can be summed, which matters beside kilovolts.
    """
    x, (missed, size, t) = np.array(x), _missed(full, laws, x, b, known)
    with np.errstate(all="ignore"):
        for _ in range(POLISH):
            better = x - full.solve(laws, t, missed)
            fresh, _, _ = _missed(full, laws, better, b, known)
            good = (np.abs(fresh) / size).sum(axis=1) < (np.abs(missed) / size).sum(axis=1)
            if not good.any():
                break
            x[good] = better[good]
            missed, size, t = _missed(full, laws, x, b, known)
    return x


def _missed(full: Full, laws: Laws, x: np.ndarray, b: np.ndarray, known: np.ndarray):
    """What the equations miss (B, n_free), the size of what is summed there, and the tangent."""
    ports = full.ports
    u = (ports.read_free @ x.T).T + known
    with np.errstate(all="ignore"):
        t = laws.tangent(laws.element_controls(u))
        given = t.offset + laws.times(t, u)
        size = (abs(full.linear) @ np.abs(x).T).T + (abs(ports.inject_free) @ np.abs(given).T).T + np.abs(b) + 1e-300
        return (full.linear @ x.T).T + (ports.inject_free @ given.T).T - b, size, t


def directly(full: Full, laws: Laws, b: np.ndarray, known: np.ndarray):
    """From 0 V, with restrained steps."""
    zero = np.zeros_like(b)
    return newton(full, laws, b, known, zero, np.zeros(len(b)), zero, DIRECT)[:2]


def cautiously(full: Full, laws: Laws, b: np.ndarray, known: np.ndarray):
    """From 0 V in more steps, none of which lets a law exceed its tangent."""
    zero = np.zeros_like(b)
    return newton(full, laws, b, known, zero, np.zeros(len(b)), zero, CAUTIOUS, 1.0)[:2]


def over_folds(full: Full, laws: Laws, b: np.ndarray, known: np.ndarray):
    """Gmin stepping that leaps where the path turns back: see `leaping`."""
    return gmin_stepping(full, laws, b, known, FOLDS)


def gmin_stepping(full: Full, laws: Laws, b: np.ndarray, known: np.ndarray, folds: int = 0):
    """Conductances to ground from 10 mS to 0, divided by a factor that follows success; after a failure by its root.

    `folds` of the path are leapt over; each has a `BUDGET` of its own.
    """
    batch, zero, rng = len(b), np.zeros_like(b), np.random.default_rng(0)
    left = np.full(batch, folds)
    x, s, factor, last = np.zeros_like(b), np.full(batch, FIRST), np.full(batch, 10.0), np.full(batch, np.inf)
    live, done, spent = np.ones(batch, dtype=bool), np.zeros(batch, dtype=bool), np.zeros(batch, dtype=int)
    while len(rows := np.flatnonzero(live & ~done & (spent < BUDGET))):
        found, ok, used = newton(full, laws, b[rows], known[rows], x[rows], s[rows], zero[rows], INNER)
        spent[rows] += used
        good, bad, used = rows[ok], rows[~ok], used[ok]
        x[good], last[good], done[good] = found[ok], s[good], s[good] == 0.0
        power = np.where(used <= 6, 1.5, np.where(used <= 15, 1.0, 0.5))
        factor[good] = np.minimum(factor[good] ** power, 1e3)
        s[good] /= factor[good]
        s[good[s[good] < LEAST]] = 0.0
        begun = np.isfinite(last[bad])
        factor[bad] = np.where(begun, factor[bad] ** 0.25, 10.0)
        s[bad] = np.where(begun, last[bad] / factor[bad], 10.0 * s[bad])
        live[bad] = np.where(begun, factor[bad] > CLOSE, s[bad] <= MOST)
        for k in bad[begun & ~live[bad] & (left[bad] > 0)]:
            beyond = leap(full, laws, b[k], known[k], x[k], last[k], rng)
            if beyond is not None:
                x[k], last[k] = beyond
                live[k], done[k], left[k], spent[k] = True, last[k] == 0.0, left[k] - 1, 0
                factor[k], s[k] = 2.0, last[k] / 2.0
    return x, done


def source_stepping(full: Full, laws: Laws, b: np.ndarray, known: np.ndarray):
    """All sources from 0 to their values at once, in steps that follow success."""
    batch, zero = len(b), np.zeros(len(b))
    x, part, step = np.zeros_like(b), np.zeros(batch), np.full(batch, 0.1)
    live, spent = np.ones(batch, dtype=bool), np.zeros(batch, dtype=int)
    while len(rows := np.flatnonzero(live & (part < 1.0) & (spent < BUDGET))):
        aim = np.minimum(part[rows] + step[rows], 1.0)
        p = aim[:, None]
        found, ok, used = newton(full, laws, p * b[rows], p * known[rows], x[rows], zero[rows], x[rows], INNER)
        spent[rows] += used
        good, bad = rows[ok], rows[~ok]
        x[good], part[good] = found[ok], aim[ok]
        step[good] *= np.where(used[ok] <= 8, 3.0, 1.0)
        step[bad] /= 8.0
        live[bad] = step[bad] > 1e-5
    return x, part >= 1.0


def in_small_steps(full: Full, laws: Laws, b: np.ndarray, known: np.ndarray):
    """Source stepping in equal parts, no control moving by more than `SMALL` in a Newton step.

    Around the corners of piecewise formulas, where the tangent says nothing of what lies behind them.
    """
    x, controls = np.zeros_like(b), np.zeros_like(known)
    found, missed = np.zeros(len(b), dtype=bool), np.zeros(len(b), dtype=int)
    for part in np.linspace(0.02, 1.0, 50):
        rows = np.flatnonzero(missed < MISSES)
        if not len(rows):
            break
        state = full.begin(part * b[rows], part * known[rows])
        # Where a corner comes to lie in the way, the next part begins at what the last one has found.
        x[rows], ok, controls[rows], _ = iterate(full, laws, state, controls[rows], MOST_STEPS, SMALL, LOOSE)
        found[rows], missed[rows] = ok, np.where(ok, 0, missed[rows] + 1)
    return x, found & (missed == 0)


def pseudo_transient(full: Full, laws: Laws, b: np.ndarray, known: np.ndarray, start: np.ndarray | None = None):
    """Implicit Euler from 0 V or a start: steps grow where Newton's method needs few, and shrink where it fails."""
    batch = len(b)
    x, s, factor = np.zeros_like(b) if start is None else np.array(start), np.full(batch, FIRST), np.full(batch, 10.0)
    live, done, spent = np.ones(batch, dtype=bool), np.zeros(batch, dtype=bool), np.zeros(batch, dtype=int)
    while len(rows := np.flatnonzero(live & ~done & (spent < BUDGET))):
        found, ok, used = newton(full, laws, b[rows], known[rows], x[rows], s[rows], x[rows], INNER)
        spent[rows] += used
        good, bad, used = rows[ok], rows[~ok], used[ok]
        x[good], done[good] = found[ok], s[good] == 0.0
        factor[good] = np.where(used <= 12, np.minimum(1.5 * factor[good], 20.0), 1.2)
        s[good] /= factor[good]
        s[good[s[good] < LEAST]] = 0.0
        factor[bad] = 1.5
        s[bad] = np.maximum(6.0 * s[bad], 10.0 * LEAST)
        live[bad] = s[bad] <= MOST
    return x, done


def residual(full: Full, laws: Laws, b: np.ndarray, known: np.ndarray) -> np.ndarray:
    """What Kirchhoff's law (and the laws of branches) miss after some steps from 0 V, shape (B, n_free)."""
    zero = np.zeros_like(b)
    x = newton(full, laws, b, known, zero, np.zeros(len(b)), zero, INNER)[0]
    missed = _missed(full, laws, x, b, known)[0]
    return np.where(np.isfinite(missed), np.abs(missed), np.inf)


def doubt(full: Full, laws: Laws, x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """How far rounding alone may move each unknown, shape (B, n_free): J^-1 r, r the rounding of each row's terms.

    Where large currents leave a part of the circuit that only gmin ties to ground, 64 bits don't hold its voltages.
    The largest of some random choices of signs in r.
    """
    rng = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        _, size, t = _missed(full, laws, x, np.zeros_like(x), known)
        rounding = np.finfo(float).eps * size
        signs = rng.choice([-1.0, 1.0], (DRAWS, *x.shape))
        return np.max([np.abs(full.solve(laws, t, sign * rounding)) for sign in signs], axis=0)
