"""Sparse factorisation of eight samples at once.

One elimination order serves the whole batch, so the sample index can be the innermost one: every scalar operation of
a textbook left-looking factorisation becomes a vector operation on eight samples with perfect locality. Blocks of
eight go to the cores. Symmetric systems take L D L^T, others L U at twice the work, both without pivoting.
"""

from __future__ import annotations

import os
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
        v.hold(m, x, 0, j, 0)
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
        for s in range(min(LANES, batch - block * LANES)):
            for j in range(n):
                x[block * LANES + s, columns[j]] = y[j, s]


SPREAD = 3e6
"""Flops from which the blocks are shared out to the cores: a fraction of a millisecond."""


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_cores(), thread_name_prefix="analogpnn")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def solve_blocks(arguments: tuple, right: np.ndarray, x: np.ndarray, flops: float) -> None:
    """x = (base + added)^-1 right for every sample.

    Plain threads over blocks, each running compiled code without the interpreter's lock: numba's own `prange` waits
    in a spin that costs milliseconds as soon as another process wants the cores.

    Parameters
    ----------
    arguments : of `_solve_range` between the block range and the right-hand sides: ``base`` (entries,), ``places`` (k,)
        entries that differ between samples, ``added`` (k, B)
    right, x : ndarray, shape (B, n)
        In the unknowns' own order; ``rows`` and ``columns`` among the arguments reorder them.
    flops : float
        Work per sample.
    """

    def run(piece: tuple) -> None:
        _solve_range(*piece)

    blocks = -(-len(right) // LANES)
    cores = min(_cores(), blocks)
    if cores == 1 or flops * len(right) < SPREAD:
        run((0, blocks, *arguments, right, x))
        return
    # Twice as many pieces as cores, so that a core that is late has less to do.
    edges = np.linspace(0, blocks, min(blocks, 2 * cores) + 1).astype(int)
    pieces = [(int(a), int(b), *arguments, right, x) for a, b in zip(edges, edges[1:])]
    jobs = [_threads().submit(run, piece) for piece in pieces]
    for job in jobs:
        job.result()
