"""Rows of eight doubles as machine vectors: the few operations a factorisation in lanes is made of.

Written in LLVM IR, because numba neither keeps lanes in registers across a loop nor drops its sign checks on indices.
All arrays are (rows, LANES) and contiguous; `indices` are int32.
"""

from __future__ import annotations

import inspect

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
_DOUBLE, _LONG = ir.DoubleType(), ir.IntType(64)
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_FAST = ("contract",)


class Rows:
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

    def number(self, place):
        """An entry of a one-dimensional array of doubles."""
        return self.b.load(self.b.gep(self.data, [place]))

    def index(self, place):
        """An entry of an index array as a row number."""
        return self.b.sext(self.b.load(self.b.gep(self.data, [place])), _LONG)


def _kernel(n_arrays: int, n_numbers: int, body):
    """An intrinsic of array arguments, then integers; `body(b, arrays, numbers)` emits its code."""

    def emit(context, b, signature, values):
        arrays = [Rows(context, b, signature.args[k], values[k]) for k in range(n_arrays)]
        body(b, arrays, values[n_arrays:])
        return context.get_dummy_value()

    def declare(typing, *given):
        return types.void(*given[:n_arrays], *(types.int64,) * n_numbers), emit

    # numba reads an intrinsic's arity from its signature.
    names = ("typing", *(f"a{k}" for k in range(n_arrays + n_numbers)))
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    declare.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
    return intrinsic(declare)


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
    c, j = numbers
    m[c] = x[j]


hold = _kernel(2, 2, _hold)
"""m[c] = x[j]."""


def everywhere(b, number):
    """One number in every lane."""
    kind = ir.VectorType(number.type, LANES)
    undefined = ir.Constant(kind, ir.Undefined)
    one = b.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    return b.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def whole(b, name: str, x):
    """An LLVM intrinsic of one vector or number, such as sqrt or fabs."""
    kind = ir.FunctionType(x.type, [x.type])
    suffix = f"v{LANES}f64" if isinstance(x.type, ir.VectorType) else "f64"
    return b.call(cgutils.get_or_insert_function(b.module, kind, f"llvm.{name}.{suffix}"), [x])


def _copy(b, arrays, numbers):
    target, source = arrays
    (row,) = numbers
    target[row] = source[row]


copy = _kernel(2, 1, _copy)
"""target[row] = source[row]."""


def _moved(b, arrays, numbers):
    error, fresh, past, tolerance = arrays
    element, first, count = numbers
    allowed = tolerance[ir.Constant(_LONG, 0)]
    worst = cgutils.alloca_once_value(b, error[element])
    with cgutils.for_range(b, count, intp=_LONG) as loop:
        row = b.add(first, loop.index)
        f = fresh[row]
        gap = whole(b, "fabs", b.fsub(f, past[row]))
        gap = b.fsub(gap, b.fmul(whole(b, "fabs", f), allowed))
        # A gap that is no number is kept: nothing is smaller than it.
        b.store(b.select(b.fcmp_unordered(">", gap, b.load(worst)), gap, b.load(worst)), worst)
    error[element] = b.load(worst)


moved = _kernel(4, 3, _moved)
"""error[element] = max(error[element], |fresh[i] - past[i]| - tolerance[0] |fresh[i]|), first <= i < first + count."""


@intrinsic
def within(typing, at, fresh, least, row):
    """at[row] = fresh[row], at most max(least, 2 |at[row]|) from at[row]."""

    def emit(context, b, signature, values):
        at, fresh = (Rows(context, b, signature.args[k], values[k]) for k in range(2))
        step, row = everywhere(b, values[2]), values[3]
        old, new = at[row], fresh[row]
        size = whole(b, "fabs", old)
        reach = b.fadd(size, size)
        reach = b.select(b.fcmp_ordered(">", reach, step), reach, step)
        low, high = b.fsub(old, reach), b.fadd(old, reach)
        new = b.select(b.fcmp_ordered("<", new, low), low, new)
        at[row] = b.select(b.fcmp_ordered(">", new, high), high, new)
        return context.get_dummy_value()

    return types.void(at, fresh, types.float64, types.int64), emit


def _subtract_column(b, arrays, numbers):
    x, l, indices = arrays
    j, first, last = numbers
    held = x[j]
    with cgutils.for_range_slice(b, first, last, ir.Constant(_LONG, 1)) as (p, _):
        row = indices.index(p)
        x[row] = b.fsub(x[row], b.fmul(everywhere(b, l.number(p)), held, flags=_FAST), flags=_FAST)


subtract_column = _kernel(3, 3, _subtract_column)
"""x[indices[p]] -= l[p] * x[j] for first <= p < last, with one l for all lanes."""


def _back_column(b, arrays, numbers):
    x, l, indices, inverse = arrays
    j, first, last = numbers
    total = cgutils.alloca_once_value(b, b.fmul(x[j], everywhere(b, inverse.number(j))))
    with cgutils.for_range_slice(b, first, last, ir.Constant(_LONG, 1)) as (p, _):
        part = b.fmul(everywhere(b, l.number(p)), x[indices.index(p)], flags=_FAST)
        b.store(b.fsub(b.load(total), part, flags=_FAST), total)
    x[j] = b.load(total)


back_column = _kernel(4, 3, _back_column)
"""x[j] = x[j] * inverse[j] - sum of l[p] * x[indices[p]], with one l and one inverse for all lanes."""


def _spread(b, arrays, numbers):
    a, base = arrays
    (count,) = numbers
    with cgutils.for_range(b, count, intp=_LONG) as loop:
        a[loop.index] = everywhere(b, base.number(loop.index))


spread = _kernel(2, 1, _spread)
"""a[p] = base[p] in every lane, for p < count; `base` is one-dimensional."""


def _accumulate(b, arrays, numbers):
    target, source, indices, signs = arrays
    place, offset, first, last = numbers
    total = cgutils.alloca_once_value(b, target[place])
    with cgutils.for_range_slice(b, first, last, ir.Constant(_LONG, 1)) as (t, _):
        part = b.fmul(everywhere(b, signs.number(t)), source[b.add(offset, indices.index(t))], flags=_FAST)
        b.store(b.fadd(b.load(total), part, flags=_FAST), total)
    target[place] = b.load(total)


accumulate = _kernel(4, 4, _accumulate)
"""target[place] += sum of signs[t] * source[offset + indices[t]] for first <= t < last; `signs` is one-dimensional."""


def _products(b, arrays, numbers):
    target, left, right, indices = arrays
    offset, count = numbers
    with cgutils.for_range(b, count, intp=_LONG) as loop:
        place, row = indices.index(loop.index), b.add(offset, loop.index)
        target[place] = b.fadd(target[place], b.fmul(left[row], right[row], flags=_FAST), flags=_FAST)


products = _kernel(4, 2, _products)
"""target[indices[t]] += left[offset + t] * right[offset + t] for t < count."""


def _differences(b, arrays, numbers):
    target, x, upper, lower, signs = arrays
    offset, count = numbers
    with cgutils.for_range(b, count, intp=_LONG) as loop:
        t = loop.index
        gap = b.fsub(x[upper.index(t)], x[lower.index(t)])
        target[b.add(offset, t)] = b.fmul(everywhere(b, signs.number(t)), gap)


differences = _kernel(5, 2, _differences)
"""target[offset + t] = signs[t] * (x[upper[t]] - x[lower[t]]) for t < count; `signs` is one-dimensional."""


def _run(add: bool):
    def body(b, arrays, numbers):
        target, source = arrays
        to, origin, count = numbers
        with cgutils.for_range(b, count, intp=_LONG) as loop:
            row, value = b.add(to, loop.index), source[b.add(origin, loop.index)]
            target[row] = b.fadd(target[row], value) if add else value

    return _kernel(2, 3, body)


copy_rows, add_rows = _run(False), _run(True)
"""target[to + t] = (or +=) source[origin + t] for t < count."""


@intrinsic
def beyond(typing, fresh, past, row, limit, sign):
    """Whether in any lane fresh[row] and past[row] are more than `limit` apart, sign * fresh[row] > 0; or no number."""

    def emit(context, b, signature, values):
        new, old = (Rows(context, b, signature.args[k], values[k])[values[2]] for k in range(2))
        gap = whole(b, "fabs", b.fsub(new, old))
        forward = b.fcmp_unordered(">", b.fmul(new, everywhere(b, values[4])), everywhere(b, ir.Constant(_DOUBLE, 0.0)))
        lanes = b.and_(b.fcmp_unordered(">", gap, everywhere(b, values[3])), forward)
        return b.icmp_unsigned("!=", b.bitcast(lanes, ir.IntType(LANES)), ir.Constant(ir.IntType(LANES), 0))

    return types.boolean(fresh, past, types.int64, types.float64, types.float64), emit
