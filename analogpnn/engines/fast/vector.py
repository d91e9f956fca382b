"""Rows of eight doubles as machine vectors: the few operations a factorisation in lanes is made of.

Written in LLVM IR, because numba neither keeps lanes in registers across a loop nor drops its sign checks on indices.
All arrays are (rows, LANES) and contiguous; `indices` are int32.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
_DOUBLE, _LONG = ir.DoubleType(), ir.IntType(64)
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_FAST = ("contract",)


class _Rows:
    """Rows of an array argument: load and store by row number."""

    def __init__(self, context, builder, kind, value):
        self.b = builder
        self.data = context.make_array(kind)(context, builder, value).data

    def _at(self, row):
        return self.b.bitcast(self.b.gep(self.data, [self.b.mul(row, ir.Constant(_LONG, LANES))]), _VECTOR.as_pointer())

    def __getitem__(self, row):
        return self.b.load(self._at(row), align=8)

    def __setitem__(self, row, value):
        self.b.store(value, self._at(row), align=8)

    def index(self, place):
        """An entry of an index array as a row number."""
        return self.b.sext(self.b.load(self.b.gep(self.data, [place])), _LONG)


def _kernel(n_arrays: int, n_numbers: int, body):
    """An intrinsic of array arguments, then integers; `body(b, arrays, numbers)` emits its code."""

    def emit(context, b, signature, values):
        arrays = [_Rows(context, b, signature.args[k], values[k]) for k in range(n_arrays)]
        body(b, arrays, values[n_arrays:])
        return context.get_dummy_value()

    numbers = (types.int64,) * n_numbers
    # numba reads an intrinsic's arity from its signature, so each arity is spelt out once.
    makers = {
        (2, 3): lambda t, a, c, i, j, k: (types.void(a, c, *numbers), emit),
        (3, 2): lambda t, a, c, d, i, j: (types.void(a, c, d, *numbers), emit),
        (3, 1): lambda t, a, c, d, i: (types.void(a, c, d, *numbers), emit),
        (3, 3): lambda t, a, c, d, i, j, k: (types.void(a, c, d, *numbers), emit),
        (4, 2): lambda t, a, c, d, e, i, j: (types.void(a, c, d, e, *numbers), emit),
        (4, 3): lambda t, a, c, d, e, i, j, k: (types.void(a, c, d, e, *numbers), emit),
        (4, 4): lambda t, a, c, d, e, i, j, k, l: (types.void(a, c, d, e, *numbers), emit),
        (4, 5): lambda t, a, c, d, e, i, j, k, l, m: (types.void(a, c, d, e, *numbers), emit),
    }
    return intrinsic(makers[n_arrays, n_numbers])


def _put_column(b, arrays, numbers):
    w, a, indices = arrays
    first, last = numbers
    with cgutils.for_range_slice(b, first, last, ir.Constant(_LONG, 1)) as (p, _):
        w[indices.index(p)] = a[p]


put_column = _kernel(3, 2, _put_column)
"""w[indices[p]] = a[p] for first <= p < last."""


def _multiply(b, arrays, numbers):
    m, l, d = arrays
    c, p, k = numbers
    m[c] = b.fmul(l[p], d[k])


multiply = _kernel(3, 3, _multiply)
"""m[c] = l[p] * d[k]."""


def _pivot(b, arrays, numbers):
    w, d, inverse = arrays
    (j,) = numbers
    value = w[j]
    d[j] = value
    inverse[j] = b.fdiv(ir.Constant(_VECTOR, [1.0] * LANES), value)
    w[j] = ir.Constant(_VECTOR, [0.0] * LANES)


pivot = _kernel(3, 1, _pivot)
"""d[j] = w[j], inverse[j] = 1 / w[j], w[j] = 0."""


def _take_column(b, arrays, numbers):
    l, w, inverse, indices = arrays
    j, first, last = numbers
    scale = inverse[j]
    with cgutils.for_range_slice(b, first, last, ir.Constant(_LONG, 1)) as (p, _):
        row = indices.index(p)
        l[p] = b.fmul(w[row], scale)
        w[row] = ir.Constant(_VECTOR, [0.0] * LANES)


take_column = _kernel(4, 3, _take_column)
"""l[p] = w[indices[p]] * inverse[j], w[indices[p]] = 0 for first <= p < last."""


def _move(b, arrays, numbers):
    m, u, w = arrays
    place, k, c = numbers
    value = w[k]
    m[c] = value
    u[place] = value
    w[k] = ir.Constant(_VECTOR, [0.0] * LANES)


move = _kernel(3, 3, _move)
"""m[c] = u[place] = w[k], w[k] = 0."""


def _subtract(count: int):
    def body(b, arrays, numbers):
        w, l, indices, m = arrays
        *starts, length = numbers
        held = [m[ir.Constant(_LONG, c)] for c in range(count)]
        with cgutils.for_range(b, length, intp=_LONG) as loop:
            row = indices.index(b.add(starts[0], loop.index))
            total = w[row]
            for c in range(count):
                total = b.fsub(total, b.fmul(l[b.add(starts[c], loop.index)], held[c], flags=_FAST), flags=_FAST)
            w[row] = total

    return _kernel(4, count + 1, body)


subtract1, subtract2, subtract3, subtract4 = (_subtract(k) for k in (1, 2, 3, 4))
"""w[indices[p1 + q]] -= sum over c of l[pc + q] * m[c] for q < length; arguments w, l, indices, m, p1..., length."""


def _back(scale_first: bool):
    def body(b, arrays, numbers):
        x, l, indices, inverse = arrays
        j, first, last = numbers
        start = b.fmul(x[j], inverse[j]) if scale_first else x[j]
        total = cgutils.alloca_once_value(b, start)
        with cgutils.for_range_slice(b, first, last, ir.Constant(_LONG, 1)) as (p, _):
            part = b.fmul(l[p], x[indices.index(p)], flags=_FAST)
            b.store(b.fsub(b.load(total), part, flags=_FAST), total)
        x[j] = b.load(total) if scale_first else b.fmul(b.load(total), inverse[j])

    return _kernel(4, 3, body)


back_ldl = _back(True)
"""x[j] = x[j] * inverse[j] - sum of l[p] * x[indices[p]]."""
back_lu = _back(False)
"""x[j] = (x[j] - sum of l[p] * x[indices[p]]) * inverse[j]."""


def _hold(b, arrays, numbers):
    m, x = arrays
    c, j, _ = numbers
    m[c] = x[j]


hold = _kernel(2, 3, _hold)
"""m[c] = x[j]."""
