"""Sparse factorisation of eight samples at once.

One elimination order serves the whole batch, so the sample index can be the innermost one: every scalar operation of
a textbook left-looking factorisation becomes a vector operation on eight samples with perfect locality. Blocks of
eight go to the cores. Symmetric systems take L D L^T, others L U at twice the work, both without pivoting.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from numba import njit

from analogpnn.engines.fast import vector as v

LANES = v.LANES
_compiled = njit(cache=True, error_model="numpy", nogil=True)


@_compiled
def _ldl(n, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, a, l, d, inverse, w, m):
    """A = L D L^T; `a` holds the lower triangle by columns (cp, ci), diagonal included."""
    for j in range(n):
        v.put_column(w, a, ci, cp[j], cp[j + 1])
        for g in range(gp[j], gp[j + 1]):
            e, count = gs[g], gl[g]
            length = lp[rk[e] + 1] - rt[e]
            for c in range(count):
                v.multiply(m, l, d, c, rt[e + c], rk[e + c])
            if count == 4:
                v.subtract4(w, l, li, m, rt[e], rt[e + 1], rt[e + 2], rt[e + 3], length)
            elif count == 3:
                v.subtract3(w, l, li, m, rt[e], rt[e + 1], rt[e + 2], length)
            elif count == 2:
                v.subtract2(w, l, li, m, rt[e], rt[e + 1], length)
            else:
                v.subtract1(w, l, li, m, rt[e], length)
        v.pivot(w, d, inverse, j)
        v.take_column(l, w, inverse, li, j, lp[j], lp[j + 1])


@_compiled
def _lu(n, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, a, l, u, inverse, w, m):
    """A = L U with L unit lower; u[place of (j, k) in L] holds U[k, j]; `a` holds whole columns."""
    for j in range(n):
        v.put_column(w, a, ci, cp[j], cp[j + 1])
        for e in range(rp[j], rp[j + 1]):
            k = rk[e]
            v.move(m, u, w, rt[e], k, 0)
            v.subtract1(w, l, li, m, lp[k], lp[k + 1] - lp[k])
        v.pivot(w, inverse, inverse, j)
        v.take_column(l, w, inverse, li, j, lp[j], lp[j + 1])


@_compiled
def _forward(n, lp, li, l, x, m):
    for j in range(n):
        v.hold(m, x, 0, j)
        v.subtract1(x, l, li, m, lp[j], lp[j + 1] - lp[j])


@_compiled
def _backward_ldl(n, lp, li, l, inverse, x, m):
    for j in range(n - 1, -1, -1):
        v.back_ldl(x, l, li, inverse, j, lp[j], lp[j + 1])


@_compiled
def _backward_lu(n, lp, li, u, inverse, x, m):
    # Row j of U lies where column j of L does.
    for j in range(n - 1, -1, -1):
        v.back_lu(x, u, li, inverse, j, lp[j], lp[j + 1])


@_compiled
def _solve(symmetric, n, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, a, y):
    """Overwrite y (n, LANES) with the solution for the entries a."""
    l = np.empty((len(li), LANES))
    inverse = np.empty((n, LANES))
    w = np.zeros((n, LANES))
    m = np.empty((4, LANES))
    if symmetric:
        d = np.empty((n, LANES))
        _ldl(n, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, a, l, d, inverse, w, m)
        _forward(n, lp, li, l, y, m)
        _backward_ldl(n, lp, li, l, inverse, y, m)
    else:
        u = np.empty((len(li), LANES))
        _lu(n, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, a, l, u, inverse, w, m)
        _forward(n, lp, li, l, y, m)
        _backward_lu(n, lp, li, u, inverse, y, m)


@_compiled
def _solve_range(
    first, last, symmetric, n, rows, columns, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, base, places, added, right, x
):
    batch = right.shape[0]
    for block in range(first, last):
        a = np.empty((len(base), LANES))
        y = np.empty((n, LANES))
        for p in range(len(base)):
            for s in range(LANES):
                a[p, s] = base[p]
        for s in range(LANES):
            sample = min(block * LANES + s, batch - 1)  # the last block is filled up with copies
            for q in range(len(places)):
                a[places[q], s] += added[q, sample]
            for j in range(n):
                y[j, s] = right[sample, rows[j]]
        _solve(symmetric, n, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, a, y)
        for s in range(min(LANES, batch - block * LANES)):
            for j in range(n):
                x[block * LANES + s, columns[j]] = y[j, s]


@_compiled
def step(
    symmetric, n, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, entries, entry_pointers, entry_slots, entry_signs,
    row_pointers, row_elements, row_signs, element, upper, lower, sign, n_elements, active, base, matrix, right,
    constants, slopes, y, u, fixed, at, tolerance, error
):  # fmt: skip
    """One linear step of the blocks in `active`: y solves the linearised equations, u are its controls.

    `error` is how far they are from where the laws were linearised; what they are, times `tolerance`, is let pass.

    The matrix is `base`, or the block's own rows of `matrix` where that is given, and the slopes.

    Arrays have rows of LANES samples, block after block; controls are numbered by slot, outputs by element (see
    `batched.Slots`).
    """
    a = np.empty((len(base), LANES))
    i = np.empty((n_elements, LANES))
    x = np.zeros((n + 1, LANES))  # the last row is ground, and whatever else is known
    n_slots = len(element)
    for k in range(len(active)):
        b = active[k]
        if len(matrix):
            v.copy_rows(a, matrix, 0, b * (len(base) + 1), len(base))
        else:
            v.spread(a, base, len(base))
        for q in range(len(entries)):
            v.accumulate(
                a, slopes, entry_slots, entry_signs, entries[q], b * n_slots, entry_pointers[q], entry_pointers[q + 1]
            )
        v.copy_rows(i, constants, 0, b * n_elements, n_elements)
        if len(fixed):
            v.products(i, slopes, fixed, element, b * n_slots, n_slots)
        v.copy_rows(x, right, 0, b * n, n)
        for j in range(n):
            if row_pointers[j + 1] > row_pointers[j]:
                v.accumulate(x, i, row_elements, row_signs, j, 0, row_pointers[j], row_pointers[j + 1])
        _solve(symmetric, n, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, a, x)
        v.differences(u, x, upper, lower, sign, b * n_slots, n_slots)
        if len(fixed):
            v.add_rows(u, fixed, b * n_slots, b * n_slots, n_slots)
        v.copy_rows(y, x, b * n, 0, n)
        for s in range(LANES):
            error[b, s] = 0.0
        v.moved(error, u, at, tolerance, b, b * n_slots, n_slots)


@_compiled
def reset(active, n, base, right, matrix, total):
    """Rows of `matrix` and `total` of the blocks in `active` as they are before cells add to them."""
    for k in range(len(active)):
        b = active[k]
        for p in range(len(base)):
            for s in range(LANES):
                matrix[b * (len(base) + 1) + p, s] = base[p]
        v.copy_rows(total, right, b * n, b * n, n)


@_compiled
def collect(
    symmetric, n, columns, cp, ci, row_pointers, row_elements, row_signs, element, n_elements, active, error, tolerance,
    base, matrix, right, constants, slopes, u, y, x, done
):  # fmt: skip
    """Keep the solutions of lanes that have just converged: before their laws are linearised anew.

    Without pivoting, unsymmetric elimination can go wrong without a word: there a solution must satisfy its equations,
    or its error is set to infinity.
    """
    r, scale = np.empty((n, LANES)), np.empty((n, LANES))
    i, size = np.empty((n_elements, LANES)), np.empty((n_elements, LANES))
    n_slots = len(element)
    for k in range(len(active)):
        b = active[k]
        fresh = False
        for s in range(LANES):
            fresh = fresh or (error[b, s] <= tolerance and not done[b, s])
        if not fresh:
            continue
        if not symmetric:
            for e in range(n_elements):
                for s in range(LANES):
                    i[e, s] = constants[b * n_elements + e, s]
            for t in range(n_slots):
                for s in range(LANES):
                    i[element[t], s] += slopes[b * n_slots + t, s] * u[b * n_slots + t, s]
            for e in range(n_elements):
                for s in range(LANES):
                    size[e, s] = abs(i[e, s])
            for j in range(n):
                for s in range(LANES):
                    r[j, s] = right[b * n + j, s]
                    scale[j, s] = abs(right[b * n + j, s])
                for t in range(row_pointers[j], row_pointers[j + 1]):
                    for s in range(LANES):
                        r[j, s] += row_signs[t] * i[row_elements[t], s]
                        scale[j, s] += size[row_elements[t], s]
            for j in range(n):
                for p in range(cp[j], cp[j + 1]):
                    for s in range(LANES):
                        entry = matrix[b * (len(base) + 1) + p, s] if len(matrix) else base[p]
                        part = entry * y[b * n + j, s]
                        r[ci[p], s] -= part
                        scale[ci[p], s] += abs(part)
            for j in range(n):
                for s in range(LANES):
                    wrong = not abs(r[j, s]) <= 1e-8 * scale[j, s] + 1e-15
                    if wrong and error[b, s] <= tolerance and not done[b, s]:
                        error[b, s] = np.inf
        for s in range(LANES):
            if error[b, s] <= tolerance and not done[b, s]:
                done[b, s] = True
                for j in range(n):
                    x[b, s, columns[j]] = y[b * n + j, s]


@_compiled
def factor_shared(n, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, base, l, inverse):
    """One L D L^T for all samples: l (fill,), inverse (n,) of D. Returns the least pivot over its diagonal entry."""
    a, wide = np.empty((len(base), LANES)), np.empty((len(li), LANES))
    d, reciprocal = np.empty((n, LANES)), np.empty((n, LANES))
    v.spread(a, base, len(base))
    _ldl(n, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, a, wide, d, reciprocal, np.zeros((n, LANES)), np.empty((4, LANES)))
    for p in range(len(l)):
        l[p] = wide[p, 0]
    least = np.inf
    for j in range(n):
        inverse[j] = reciprocal[j, 0]
        ratio = d[j, 0] / base[cp[j]] if cp[j + 1] > cp[j] and ci[cp[j]] == j else 0.0
        least = ratio if not ratio >= least else least
    return least


@_compiled
def solve_shared(first, last, n, rows, lp, li, l, inverse, right, x):
    """x = A^-1 right for rows (B, n), eight right-hand sides at a time."""
    batch = right.shape[0]
    y = np.empty((n, LANES))
    for block in range(first, last):
        for s in range(LANES):
            sample = min(block * LANES + s, batch - 1)
            for j in range(n):
                y[j, s] = right[sample, rows[j]]
        for j in range(n):
            v.subtract_column(y, l, li, j, lp[j], lp[j + 1])
        for j in range(n - 1, -1, -1):
            v.back_column(y, l, li, inverse, j, lp[j], lp[j + 1])
        for s in range(min(LANES, batch - block * LANES)):
            for j in range(n):
                x[block * LANES + s, rows[j]] = y[j, s]


SPREAD = 3e6
"""Flops from which the blocks are shared out to the cores: a fraction of a millisecond."""


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(_cores() - 1, 1), thread_name_prefix="analogpnn")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def solve_blocks(arguments: tuple, right: np.ndarray, x: np.ndarray, flops: float) -> None:
    """x = (base + added)^-1 right for every sample.

    Parameters
    ----------
    arguments : of `_solve_range` between the block range and the right-hand sides: ``base`` (entries,), ``places`` (k,)
        entries that differ between samples, ``added`` (k, B)
    right, x : ndarray, shape (B, n)
        In the unknowns' own order; ``rows`` and ``columns`` among the arguments reorder them.
    flops : float
        Work per sample.
    """

    def run(first: int, last: int) -> None:
        piece = (first, last, *arguments, right, x)
        _solve_range(*piece)

    share(run, -(-len(right) // LANES), flops * LANES)


def share(run: Callable[[int, int], None], blocks: int, flops: float) -> None:
    """run(first, last) over all blocks, by as many cores as the work is worth.

    Plain threads over blocks, each running compiled code without the interpreter's lock: numba's own `prange` waits
    in a spin that costs milliseconds as soon as another process wants the cores.

    Parameters
    ----------
    flops : float
        Work per block.
    """
    cores = min(_cores(), blocks)
    if cores == 1 or flops * blocks < SPREAD:
        run(0, blocks)
        return
    # Twice as many pieces as cores, so that a core that is late has less to do; a few blocks a core are kept together,
    # because each piece costs the interpreter's time.
    count = cores if blocks <= 4 * cores else 2 * cores
    edges = np.linspace(0, blocks, count + 1).astype(int).tolist()
    pieces = deque(zip(edges, edges[1:]))

    def work() -> None:
        while pieces:
            try:
                first, last = pieces.popleft()
            except IndexError:  # another was quicker
                return
            run(first, last)

    # This thread works too; one that has not woken up by the time all is done isn't waited for.
    jobs = [_threads().submit(work) for _ in range(cores - 1)]
    work()
    for job in jobs:
        if not job.cancel():
            job.result()
