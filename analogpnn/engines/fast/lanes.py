"""Sparse factorisation of eight samples at once.

One elimination order serves the whole batch, so the sample index can be the innermost one: every scalar operation of
a textbook left-looking factorisation becomes a vector operation on eight samples with perfect locality. Blocks of
eight go to the cores. Symmetric systems take L D L^T, others L U at twice the work, both without pivoting.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8

_DOUBLE, _LONG = ir.DoubleType(), ir.IntType(64)
_VECTOR = ir.VectorType(_DOUBLE, LANES)


def _subtract(n_columns: int):
    """w[indices[p + q]] -= sum over c of l[p_c + q] * m[c] for q in 0..length, all lanes.

    Written in LLVM IR because numba does not keep the multipliers of a lane loop in registers.
    """

    @intrinsic
    def kernel(typing, w, l, indices, m, places, length):
        signature = types.void(w, l, indices, m, places, length)

        def generate(context, b, sig, args):
            w_, l_, i_, m_ = (context.make_array(sig.args[k])(context, b, args[k]).data for k in range(4))
            start = [b.extract_value(args[4], c) for c in range(n_columns)]
            pointer = _VECTOR.as_pointer()

            def at(base, row):
                return b.bitcast(b.gep(base, [b.mul(row, ir.Constant(_LONG, LANES))]), pointer)

            held = [b.load(at(m_, ir.Constant(_LONG, c)), align=8) for c in range(n_columns)]
            with cgutils.for_range(b, args[5], intp=_LONG) as loop:
                q = loop.index
                row = b.sext(b.load(b.gep(i_, [b.add(start[0], q)])), _LONG)
                total = b.load(at(w_, row), align=8)
                for c in range(n_columns):
                    part = b.fmul(b.load(at(l_, b.add(start[c], q)), align=8), held[c], flags=("contract",))
                    total = b.fsub(total, part, flags=("contract",))
                b.store(total, at(w_, row), align=8)
            return context.get_dummy_value()

        return signature, generate

    return kernel


_sub1, _sub2, _sub3, _sub4 = (_subtract(k) for k in (1, 2, 3, 4))
_OPTIONS = {"cache": True, "fastmath": {"contract", "nnan", "ninf", "nsz"}, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
def _ldl(n, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, a, l, d, inverse, w, m):
    """A = L D L^T; `a` holds the lower triangle by columns (cp, ci), diagonal included."""
    for j in range(n):
        for p in range(cp[j], cp[j + 1]):
            for s in range(LANES):
                w[ci[p], s] = a[p, s]
        for g in range(gp[j], gp[j + 1]):
            e, count = gs[g], gl[g]
            first = rk[e]
            length = lp[first + 1] - rt[e]
            for c in range(count):
                for s in range(LANES):
                    m[c, s] = l[rt[e + c], s] * d[rk[e + c], s]
            if count == 4:
                _sub4(w, l, li, m, (np.int64(rt[e]), np.int64(rt[e + 1]), np.int64(rt[e + 2]), np.int64(rt[e + 3])), length)
            elif count == 3:
                _sub3(w, l, li, m, (np.int64(rt[e]), np.int64(rt[e + 1]), np.int64(rt[e + 2])), length)
            elif count == 2:
                _sub2(w, l, li, m, (np.int64(rt[e]), np.int64(rt[e + 1])), length)
            else:
                _sub1(w, l, li, m, (np.int64(rt[e]),), length)
        for s in range(LANES):
            d[j, s] = w[j, s]
            inverse[j, s] = 1.0 / w[j, s]
            w[j, s] = 0.0
        for p in range(lp[j], lp[j + 1]):
            for s in range(LANES):
                l[p, s] = w[li[p], s] * inverse[j, s]
                w[li[p], s] = 0.0


@njit(**_OPTIONS)
def _lu(n, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, a, l, u, inverse, w, m):
    """A = L U with L unit lower; u[place of (j, k) in L] holds U[k, j]; `a` holds whole columns."""
    for j in range(n):
        for p in range(cp[j], cp[j + 1]):
            for s in range(LANES):
                w[ci[p], s] = a[p, s]
        for e in range(rp[j], rp[j + 1]):
            k = rk[e]
            for s in range(LANES):
                m[0, s] = w[k, s]
                u[rt[e], s] = w[k, s]
                w[k, s] = 0.0
            _sub1(w, l, li, m, (np.int64(lp[k]),), lp[k + 1] - lp[k])
        for s in range(LANES):
            inverse[j, s] = 1.0 / w[j, s]
            w[j, s] = 0.0
        for p in range(lp[j], lp[j + 1]):
            for s in range(LANES):
                l[p, s] = w[li[p], s] * inverse[j, s]
                w[li[p], s] = 0.0


@njit(**_OPTIONS)
def _forward(n, lp, li, l, x, m):
    for j in range(n):
        for s in range(LANES):
            m[0, s] = x[j, s]
        _sub1(x, l, li, m, (np.int64(lp[j]),), lp[j + 1] - lp[j])


@njit(**_OPTIONS)
def _backward_ldl(n, lp, li, l, inverse, x, m):
    for j in range(n - 1, -1, -1):
        for s in range(LANES):
            m[0, s] = x[j, s] * inverse[j, s]
        for p in range(lp[j], lp[j + 1]):
            for s in range(LANES):
                m[0, s] -= l[p, s] * x[li[p], s]
        for s in range(LANES):
            x[j, s] = m[0, s]


@njit(**_OPTIONS)
def _backward_lu(n, lp, li, u, inverse, x, m):
    # Row j of U lies where column j of L does.
    for j in range(n - 1, -1, -1):
        for s in range(LANES):
            m[0, s] = x[j, s]
        for p in range(lp[j], lp[j + 1]):
            for s in range(LANES):
                m[0, s] -= u[p, s] * x[li[p], s]
        for s in range(LANES):
            x[j, s] = m[0, s] * inverse[j, s]


@njit(parallel=True, **_OPTIONS)
def solve_blocks(symmetric, n, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, base, places, added, x):
    """Factor ``base + added`` for every block of samples and solve in place.

    base : (entries,); places : (k,) entries that differ between samples; added : (blocks, k, LANES);
    x : (blocks, n, LANES), right-hand sides in, solutions out.
    """
    for block in prange(x.shape[0]):
        a = np.empty((len(base), LANES))
        for p in range(len(base)):
            for s in range(LANES):
                a[p, s] = base[p]
        for q in range(len(places)):
            for s in range(LANES):
                a[places[q], s] += added[block, q, s]
        l = np.empty((len(li), LANES))
        inverse = np.empty((n, LANES))
        w = np.zeros((n, LANES))
        m = np.empty((4, LANES))
        if symmetric:
            d = np.empty((n, LANES))
            _ldl(n, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, a, l, d, inverse, w, m)
            _forward(n, lp, li, l, x[block], m)
            _backward_ldl(n, lp, li, l, inverse, x[block], m)
        else:
            u = np.empty((len(li), LANES))
            _lu(n, lp, li, rp, rk, rt, gp, gs, gl, cp, ci, a, l, u, inverse, w, m)
            _forward(n, lp, li, l, x[block], m)
            _backward_lu(n, lp, li, u, inverse, x[block], m)


def to_blocks(values: np.ndarray) -> np.ndarray:
    """(k, B) -> (blocks, k, LANES), the last block padded with copies of the last sample."""
    k, batch = values.shape
    blocks = -(-batch // LANES)
    if blocks * LANES != batch:
        values = np.concatenate([values, np.repeat(values[:, -1:], blocks * LANES - batch, axis=1)], axis=1)
    return np.ascontiguousarray(values.reshape(k, blocks, LANES).transpose(1, 0, 2))


def from_blocks(x: np.ndarray, batch: int) -> np.ndarray:
    """(blocks, n, LANES) -> (B, n)."""
    return x.transpose(0, 2, 1).reshape(-1, x.shape[1])[:batch]


