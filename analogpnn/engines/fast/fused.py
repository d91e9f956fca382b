"""Newton's method on all free unknowns in lanes: eight samples a vector, laws compiled, blocks shared out to cores.

One step is two compiled passes over a block of eight samples, all in one cache: `lanes.step` assembles, factors, solves
and measures how far the controls moved; each law's `kernels.advance` limits them and linearises anew. A block goes on
until its last sample has converged; a sample's answer is that of the step at which it converged, whoever shares its
block.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from analogpnn.engines.fast import kernels, lanes
from analogpnn.engines.fast.batched import Batched
from analogpnn.engines.fast.iteration import TOLERANCE
from analogpnn.engines.fast.laws import WORTH, Laws, limit

LANES = lanes.LANES
STEPS = 8
"""Newton steps to expect."""
_NOTHING = np.zeros((0, 0, LANES))


def settle(
    system: Batched, laws: Laws, state, start: np.ndarray, max_steps: int, tolerance: float = TOLERANCE, cells=None,
    rest: bool = False,
):  # fmt: skip
    """As `iteration.iterate`, for laws whose parameters are the same for all samples.

    Parameters
    ----------
    cells : celled.Cells, optional
        Whose nodes were eliminated from the system.

    Returns
    -------
    x : ndarray (B, n_free), done : ndarray (B,) of bool
        With cells, the free unknowns of the whole circuit.
    """
    b, known = state
    plan = system.plan
    batch, blocks = len(start), -(-len(start) // LANES)
    slots = plan.slots
    u = slots.spread(laid_out(start))
    fixed = slots.spread(laid_out(known)) if system.ports.read_known.nnz else _NOTHING
    right = np.take(laid_out(b), plan.pattern.rows, axis=1)
    at = np.zeros_like(u)
    slopes = np.empty_like(u)
    constants = np.empty((blocks, slots.n_elements, LANES))
    error = np.zeros((blocks, LANES))
    y = np.zeros_like(right)
    x = np.full((blocks, LANES, system.linear_size if cells is None else cells.n_free), np.nan)
    done = np.zeros((blocks, LANES), dtype=bool)
    arrays = u, at, slopes, constants
    advances = [_advance(laws, k, system, slots, arrays) for k in range(len(laws.groups))]
    matrix, total = _NOTHING, right
    checking = list(plan.checking)
    if cells is not None:
        matrix, total = np.zeros((blocks, len(system.base) + 1, LANES)), np.empty_like(right)
        checking[2] = cells.places[plan.pattern.columns]
    given = system.base, _rows(matrix), _rows(total), _rows(constants), _rows(slopes)
    found = _rows(y)
    allowed = np.full((1, LANES), tolerance)
    targets = found, _rows(u), _rows(fixed), _rows(at), allowed, error
    ends = _rows(u), found, x, done

    def advance(active, begin: bool, slack: float) -> None:
        for each in advances:
            each(active, begin, slack)
        if cells is not None:
            lanes.reset(active, plan.pattern.n, system.base, _rows(right), given[1], given[2])
            cells.advance(active, begin, slack, found, given[1], given[2])

    @np.errstate(all="ignore")
    def run(first: int, last: int) -> None:
        active = np.arange(first, last)
        begin, slack = not rest, np.inf if rest else 1.0
        for _ in range(max_steps):
            advance(active, begin, slack)
            step: tuple = (*plan.arguments, active, *given, *targets)
            lanes.step(*step)
            if cells is not None:
                cells.measure(active, found, error, allowed)
            begin, slack, far = False, 1.0, error[active]
            if np.isfinite(far).all() and not (far <= tolerance).any():
                continue
            before = done[active]
            check: tuple = (*checking, active, error, tolerance, *given, *ends)
            lanes.collect(*check)
            if cells is not None:
                cells.collect(active, done[active] & ~before, found, x)
            going = ~done[active] & np.isfinite(error[active])
            active = active[going.any(axis=1)]
            if not len(active):
                break

    lanes.share(run, blocks, STEPS * (plan.pattern.flops + (0 if cells is None else cells.flops)) * LANES)
    return x.reshape(blocks * LANES, -1)[:batch], done.ravel()[:batch]


def laid_out(values: np.ndarray) -> np.ndarray:
    """(B, k) as (blocks, k, LANES); the last block is filled up with copies of the last sample."""
    lacking = -len(values) % LANES
    if lacking:
        values = np.concatenate([values, np.repeat(values[-1:], lacking, axis=0)])
    return np.ascontiguousarray(np.swapaxes(values.reshape(len(values) // LANES, LANES, values.shape[1]), 1, 2))


def _advance(laws: Laws, k: int, system: Batched, slots, arrays: tuple):
    """What takes group k from new controls to its next tangent: a compiled kernel, or NumPy for a few elements.

    Parameters
    ----------
    arrays : (u, at, slopes, constants)
        Controls, where the laws are linearised, and the tangents there: (blocks, slots or elements, LANES).
    """
    device = laws.groups[k].device
    n, slot, element = len(laws.groups[k].names), slots.first_slot[k], slots.first_element[k]
    values = [np.broadcast_to(v, n) for v in laws.parameters[k]]
    seen = None if system.resistance is None else system.resistance[laws.ports.slots[k][2]]
    kernel = kernels.advance(device, seen is not None) if n >= WORTH else None
    if kernel is None:
        columns = [v[:, None] for v in values], None if seen is None else seen[:, None]
        return partial(_by_numpy, device, *columns, slot, n, element, arrays)
    parameters = np.array(values, dtype=float).reshape(len(values), n)
    resistance = np.zeros(n) if seen is None else seen

    u, at, slopes, constants = (_rows(a) for a in arrays)
    before = u, at, arrays[0].shape[1], slot, n, arrays[3].shape[1], element
    after = parameters, resistance, slopes, constants
    return lambda active, begin, slack: kernel(active, begin, slack, *before, *after)


def _rows(a: np.ndarray) -> np.ndarray:
    rows = a.reshape(-1, LANES)
    assert rows.base is not None or not rows.size  # a view: kernels write into it
    return rows


def _by_numpy(device, values, seen, slot, n, element, arrays, active, begin, slack):
    u, at, slopes, constants = arrays
    span = [slice(slot + c * n, slot + (c + 1) * n) for c in range(len(device.controls))]
    fresh = [u[active, s] for s in span]
    if not begin:
        fresh = limit(device, fresh, [at[active, s] for s in span], values, seen, slack)
    value, *d = device.law(*fresh, *values)
    for slope, f, s in zip(d, fresh, span):
        at[active, s], slopes[active, s] = f, slope
        value = value - slope * f
    constants[active, element : element + n] = value
