"""A law as straight-line code for rows of eight numbers: from sympy to LLVM, without branches.

numba compiles a law to one number at a time and calls the C library for each exponential. Here every operation is one
of machine vectors, conditions select between values that are both computed, and the exponential is a polynomial: three
to five times the speed. Only arithmetic, square roots, exponentials, minima and conditions are known; other laws are
left to NumPy.
"""

from __future__ import annotations

from math import log

import sympy
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from analogpnn.devices.device import Device
from analogpnn.engines.fast.vector import LANES, Rows, everywhere, whole

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_LONGS = ir.VectorType(ir.IntType(64), LANES)
_FUSED = ("contract",)

Instruction = tuple
"""(name, operands ...): operands are places of earlier instructions, or a number for "constant"."""


class UnknownOperationError(Exception):
    """The law holds an operation that has no vector code."""


def program(device: Device) -> tuple[list[Instruction], list[int]]:
    """The law and its slopes as instructions, and where their values are.

    The first instructions are the inputs: controls, then parameters.

    Raises
    ------
    UnknownOperationError
    """
    names = [device.symbol(a) for a in (*device.controls, *device.parameters)]
    writer = _Writer({name: k for k, name in enumerate(names)})
    for name, value in device.parts:
        writer.known[name] = writer.place(value)
    shared, results = sympy.cse([device.expression, *device.slopes])
    for name, value in shared:
        writer.known[name] = writer.place(value)
    return writer.code, [writer.place(r) for r in results]


class _Writer:
    """Appends instructions; equal ones are written once."""

    def __init__(self, known: dict[sympy.Basic, int]):
        self.known = dict(known)
        self.code: list[Instruction] = [("input",) for _ in known]
        self.written: dict[Instruction, int] = {}

    def put(self, *instruction) -> int:
        if instruction not in self.written:
            self.written[instruction] = len(self.code)
            self.code.append(instruction)
        return self.written[instruction]

    def place(self, e: sympy.Basic) -> int:
        if e not in self.known:
            self.known[e] = self._write(e)
        return self.known[e]

    def chain(self, name: str, items) -> int:
        first, *rest = [self.place(item) for item in items]
        for item in rest:
            first = self.put(name, first, item)
        return first

    def _write(self, e: sympy.Basic) -> int:
        if isinstance(e, sympy.Number | sympy.NumberSymbol):
            return self.put("constant", float(e))
        if e in (sympy.true, sympy.false):
            return self.put("truth", bool(e))
        if e.is_Add:
            return self._sum(e)
        if e.is_Mul:
            return self._product(e)
        if e.is_Pow:
            return self._power(e.base, e.exp)
        if isinstance(e, sympy.exp):
            return self.put("exp", self.place(e.args[0]))
        if isinstance(e, sympy.Piecewise):
            return self._pieces(e)
        if e.is_Relational and e.rel_op in ("<", "<=", ">", ">=", "==", "!="):
            return self.put("compare", e.rel_op, self.place(e.lhs), self.place(e.rhs))
        if isinstance(e, sympy.Heaviside):
            return self.put("step", self.place(e.args[0]))
        for kind, name in ((sympy.Max, "max"), (sympy.Min, "min"), (sympy.And, "and"), (sympy.Or, "or")):
            if isinstance(e, kind):
                return self.chain(name, e.args)
        if isinstance(e, sympy.ITE):
            return self.put("select", *(self.place(a) for a in e.args))
        if isinstance(e, sympy.Not):
            return self.put("not", self.place(e.args[0]))
        if isinstance(e, sympy.Abs):
            inside = self.place(e.args[0])
            return self.put("max", inside, self.put("subtract", self.put("constant", 0.0), inside))
        raise UnknownOperationError(str(e.func))

    def _sum(self, e: sympy.Add) -> int:
        plus = [a for a in e.args if not a.could_extract_minus_sign()]
        minus = [-a for a in e.args if a.could_extract_minus_sign()]
        total = self.chain("add", plus) if plus else self.put("constant", 0.0)
        for item in minus:
            total = self.put("subtract", total, self.place(item))
        return total

    def _product(self, e: sympy.Mul) -> int:
        above, below = [], []
        for factor in e.args:
            if factor.is_Pow and factor.exp.is_Rational and factor.exp < 0:
                below.append(1 / factor)
            else:
                above.append(factor)
        top = self.chain("multiply", above) if above else self.put("constant", 1.0)
        return self.put("divide", top, self.chain("multiply", below)) if below else top

    def _power(self, base: sympy.Expr, exponent: sympy.Expr) -> int:
        if not exponent.is_Rational or exponent.q not in (1, 2) or abs(exponent) > 8:
            raise UnknownOperationError("power")
        if exponent < 0:
            return self.put("divide", self.put("constant", 1.0), self._power(base, -exponent))
        root = self.place(base) if exponent.q == 1 else self.put("root", self.place(base))
        total = root
        for _ in range(int(exponent.p) - 1):
            total = self.put("multiply", total, root)
        return total

    def _pieces(self, e: sympy.Piecewise) -> int:
        *pieces, (last, condition) = e.args
        if condition != sympy.true:
            raise UnknownOperationError("piecewise without an else")
        total = self.place(last)
        for value, condition in reversed(pieces):
            total = self.put("select", self.place(condition), self.place(value), total)
        return total


def compile_law(code: list[Instruction], results: list[int], n_controls: int):
    """An intrinsic ``law(at, parameters, slopes, constants, row, n, e, element)``.

    Reads control c of element e in row ``row + c n + e`` of `at` and its parameters in column e of `parameters`; writes
    the slopes to the same rows of `slopes`, and i - sum of slope * control to row `element` of `constants`.
    """

    def emit(context, b, signature, given):
        at, slopes, constants = (Rows(context, b, signature.args[k], given[k]) for k in (0, 2, 3))
        table = context.make_array(signature.args[1])(context, b, given[1])
        row, n, e, element = given[4:]
        rows = [b.add(b.add(row, e), b.mul(ir.Constant(ir.IntType(64), c), n)) for c in range(n_controls)]
        inputs = [at[r] for r in rows]
        for k in range(sum(1 for i in code if i[0] == "input") - n_controls):
            place = b.add(b.mul(ir.Constant(ir.IntType(64), k), n), e)
            inputs.append(b.load(b.gep(table.data, [place])))
        current, *d = (wide(b, x) for x in values(b, code, inputs, results))
        for r, slope, control in zip(rows, d, inputs):
            slopes[r] = slope
            current = b.fsub(current, b.fmul(slope, control))
        constants[element] = current
        return context.get_dummy_value()

    long = types.int64

    def law(typing, at, parameters, slopes, constants, row, n, e, element):
        return types.void(at, parameters, slopes, constants, long, long, long, long), emit

    return intrinsic(law)


def values(b, code, inputs, results):
    """What the instructions give: vectors, or single numbers where only parameters enter."""
    done: list = []
    for name, *operands in code:
        if name == "input":
            done.append(inputs[len(done)])
        elif name == "constant":
            done.append(ir.Constant(ir.DoubleType(), operands[0]))
        elif name == "truth":
            done.append(ir.Constant(ir.IntType(1), int(operands[0])))
        elif name == "compare":
            done.append(b.fcmp_ordered(operands[0], *_alike(b, *(done[k] for k in operands[1:]))))
        elif name == "select":
            condition, *either = (done[k] for k in operands)
            if isinstance(condition.type, ir.VectorType):
                either = [wide(b, x) for x in either]
            done.append(b.select(condition, *_alike(b, *either)))
        else:
            done.append(_OPERATIONS[name](b, *_alike(b, *(done[k] for k in operands))))
    return [done[k] for k in results]


def wide(b, x):
    """A vector, of one number too."""
    return x if isinstance(x.type, ir.VectorType) else everywhere(b, x)


def _alike(b, *operands):
    """All vectors, if one of them is."""
    some = any(isinstance(x.type, ir.VectorType) for x in operands)
    return [wide(b, x) for x in operands] if some else operands


def _constant(x: float):
    return ir.Constant(_VECTOR, [x] * LANES)


def _of_vectors(operation):
    return lambda b, x: operation(b, wide(b, x))


def _step(b, x):
    zero = _constant(0.0)
    above = b.select(b.fcmp_ordered(">", x, zero), _constant(1.0), _constant(0.5))
    return b.select(b.fcmp_ordered("<", x, zero), zero, above)


def _exp(b, x):
    """2^k exp(r), r = x - k log 2 within half a log 2, by Taylor's series to r^13: within 2 units in the last place."""
    x = b.select(b.fcmp_ordered("<", x, _constant(-708.0)), _constant(-708.0), x)
    # Added to 1.5 * 2^52 a number is rounded to an integer, which is left in the lowest bits.
    magic = 6755399441055744.0
    shifted = b.fadd(b.fmul(x, _constant(1.0 / log(2.0))), _constant(magic))
    k = b.fsub(shifted, _constant(magic))
    # log 2 in two parts, the first with few enough bits that k times it is exact (Cody and Waite).
    r = b.fsub(x, b.fmul(k, _constant(6.93147180369123816490e-01)))
    r = b.fsub(r, b.fmul(k, _constant(1.90821492927058770002e-10)))
    coefficients = [1.0]
    for power in range(1, 14):
        coefficients.append(coefficients[-1] / power)
    total = _constant(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = b.fadd(b.fmul(total, r, flags=_FUSED), _constant(c), flags=_FUSED)
    bits = b.bitcast(shifted, _LONGS)
    bits = b.shl(b.add(bits, ir.Constant(_LONGS, [1023] * LANES)), ir.Constant(_LONGS, [52] * LANES))
    result = b.fmul(total, b.bitcast(bits, _VECTOR))
    return b.select(b.fcmp_ordered(">", x, _constant(709.0)), _constant(float("inf")), result)


def _either(sign: str):
    return lambda b, x, y: b.select(b.fcmp_ordered(sign, x, y), x, y)


_OPERATIONS = {
    "add": lambda b, x, y: b.fadd(x, y, flags=_FUSED), "subtract": lambda b, x, y: b.fsub(x, y, flags=_FUSED),
    "multiply": lambda b, x, y: b.fmul(x, y, flags=_FUSED), "divide": lambda b, x, y: b.fdiv(x, y),
    "root": lambda b, x: whole(b, "sqrt", x), "exp": _of_vectors(_exp),
    "step": _of_vectors(_step), "max": _either(">"), "min": _either("<"),
    "select": lambda b, c, x, y: b.select(c, x, y), "not": lambda b, c: b.not_(c),
    "and": lambda b, x, y: b.and_(x, y), "or": lambda b, x, y: b.or_(x, y),
}  # fmt: skip
