"""From sympy expressions to one NumPy function.

sympy's own `lambdify` returns a scalar for a constant derivative and evaluates `Piecewise` through the slow
`numpy.select`; both are mended here, in the one place where functions are generated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from sympy.printing.numpy import NumPyPrinter

Parts = Sequence[tuple[sympy.Symbol, sympy.Expr]]


class _Printer(NumPyPrinter):
    def _print_Piecewise(self, expr):
        *pieces, (last, _) = expr.args
        text = self._print(last)
        for value, condition in reversed(pieces):
            text = f"numpy.where({self._print(condition)}, {self._print(value)}, {text})"
        return text

    def _print_Pow(self, expr, rational=False):
        # numpy.power is ten times a product.
        base, exponent = expr.args
        if exponent.is_Integer and 1 < abs(exponent) <= 4 and base.is_Symbol:
            product = "*".join([self._print(base)] * int(abs(exponent)))
            return f"({product})" if exponent > 0 else f"(1.0/({product}))"
        if exponent == -1:
            return f"(1.0/({self._print(base)}))"
        return super()._print_Pow(expr, rational=rational)

    def _nested(self, name, arguments):
        text = self._print(arguments[0])
        for a in arguments[1:]:
            text = f"numpy.{name}({text}, {self._print(a)})"
        return text

    def _print_Max(self, expr):
        return self._nested("maximum", expr.args)

    def _print_Min(self, expr):
        return self._nested("minimum", expr.args)

    def _print_Heaviside(self, expr):
        return f"numpy.heaviside({self._print(expr.args[0])}, 0.5)"

    def _print_DiracDelta(self, expr):
        return "0.0"  # the slope of a step, where ngspice too has none

    def _print_Interpolation(self, expr):
        x, place = self._print(expr.args[0]), self._place(expr)
        slopes = tuple(np.diff(expr.ys) / np.diff(expr.xs))
        starts = tuple(y - s * x for x, y, s in zip(expr.xs, expr.ys, slopes))
        return f"(numpy.take({self._table(starts)}, {place}) + numpy.take({self._table(slopes)}, {place})*{x})"

    def _print_InterpolationSlope(self, expr):
        return f"numpy.take({self._table(np.diff(expr.ys) / np.diff(expr.xs))}, {self._place(expr)})"

    def _place(self, expr) -> str:
        """Text for the number of the segment that the argument is in."""
        at = f"numpy.searchsorted({self._table(expr.xs)}, {self._print(expr.args[0])}, side='right')"
        return f"numpy.clip({at} - 1, 0, {len(expr.xs) - 2})"

    @staticmethod
    def _table(numbers) -> str:
        return f"({', '.join(repr(float(x)) for x in numbers)},)"

    def _print_Remainder(self, expr):
        return f"numpy.fmod({self._print(expr.args[0])}, {self._print(expr.args[1])})"

    def _print_Floor(self, expr):
        return f"numpy.floor({self._print(expr.args[0])})"

    def _print_Ceiling(self, expr):
        return f"numpy.ceil({self._print(expr.args[0])})"


def source(arguments: Sequence[sympy.Symbol], expressions: Sequence[sympy.Expr], parts: Parts = ()) -> str:
    """The generated function as Python text, common subexpressions shared; `parts` are computed first."""
    names = {a: sympy.Symbol(f"a{k}", real=True) for k, a in enumerate(arguments)}
    needed = _needed(expressions, parts)
    inner = {part: sympy.Symbol(f"s{k}", real=True) for k, (part, _) in enumerate(needed)}
    expressions = [sympy.sympify(e).xreplace(names | inner) for e in expressions]
    # Piecewise branches must not be shared across their conditions' borders: cse only touches common parts,
    # which are evaluated everywhere anyway by numpy.where.
    shared, reduced = sympy.cse(expressions, symbols=(sympy.Symbol(f"t{k}") for k in range(10**6)))
    printer = _Printer({"fully_qualified_modules": True, "inline": True, "allow_unknown_functions": False})
    lines = [f"def law({', '.join(str(n) for n in names.values())}):"]
    lines += [f"    {inner[part]} = {printer.doprint(value.xreplace(names | inner))}" for part, value in needed]
    lines += [f"    {name} = {printer.doprint(value)}" for name, value in shared]
    lines.append("    return (" + " ".join(f"{printer.doprint(e)}," for e in reduced) + ")")
    return "\n".join(lines)


def _needed(expressions: Sequence[sympy.Expr], parts: Parts) -> list[tuple[sympy.Symbol, sympy.Expr]]:
    """The parts that the expressions use, by themselves or through others."""
    used = set().union(*(sympy.sympify(e).free_symbols for e in expressions))
    needed = []
    for part, value in reversed(parts):
        if part in used:
            needed.append((part, value))
            used |= value.free_symbols
    return needed[::-1]


@dataclass(frozen=True, eq=False)
class Generated:
    """A generated function; `text` is its source, to print and read."""

    law: Callable[..., tuple]
    text: str

    def __call__(self, *values: Any) -> tuple[np.ndarray, ...]:
        shape = np.broadcast_shapes(*(np.shape(v) for v in values))
        with np.errstate(all="ignore"):
            return tuple(np.broadcast_to(r, shape) if np.shape(r) != shape else r for r in self.law(*values))

    def __reduce__(self):  # a function has no name to be found by in another process; its text goes there
        return _from_text, (self.text,)


def numpy_function(
    arguments: Sequence[sympy.Symbol], expressions: Sequence[sympy.Expr], parts: Parts = ()
) -> Generated:
    """One function returning a tuple of arrays, each of the arguments' broadcast shape.

    `parts` are names that the expressions use, with what they stand for, each in terms of those before it.

    Examples
    --------
    >>> x, g = sympy.symbols("x g", real=True)
    >>> f = numpy_function([x, g], [g * x, g])
    >>> f(np.array([1.0, 2.0]), 3.0)
    (array([3., 6.]), array([3., 3.]))
    """
    return _from_text(source(arguments, expressions, parts))


def _from_text(text: str) -> Generated:
    return Generated(function_of(text, np), text)


def function_of(text: str, numpy: Any) -> Callable[..., tuple]:
    """The function of a generated text, with what stands for NumPy in it."""
    namespace: dict = {"numpy": numpy}
    # The text was printed by sympy from an expression tree; nothing a user typed is compiled.
    exec(compile(text, "<generated law>", "exec"), namespace)
    return namespace["law"]
