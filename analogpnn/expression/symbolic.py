"""Tree to sympy: what a B source's expression means, so that it can be differentiated.

The rules are those of ngspice's B sources: ``x^y``, ``x**y`` and ``pow(x,y)`` are ``|x|^y``, ``pwr(x,y)``
keeps the sign of x, ``u(0)`` is 1/2, comparisons and logic give 1 or 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import sympy

from analogpnn.errors import NetlistError
from analogpnn.expression.evaluate import BUILT_IN, CHOICE, require, unknown_function
from analogpnn.expression.parse import parse
from analogpnn.expression.tree import (
    Call,
    Chain,
    Conditional,
    Function,
    Name,
    Node,
    Number,
    Probe,
    Unary,
    inline,
)


class Control(NamedTuple):
    """A quantity an expression reads: v(a,b) of two nodes ('0' is ground), or i(a) of a source."""

    kind: str
    a: str
    b: str


class _Steps:
    """A step function, of slope zero (sympy alone leaves an unevaluable ``Derivative(floor(x))``)."""

    def fdiff(self, argindex=1):
        return sympy.Integer(0)


class Floor(_Steps, sympy.floor):
    """Largest integer not above the argument."""


class Ceiling(_Steps, sympy.ceiling):
    """Smallest integer not below the argument."""


_SMALL = 2**31
MOST_NESTED = 6
"""Comparisons of comparisons, remainders of remainders: each level doubles what is written out."""
_FOLDED = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "^": lambda x, y: abs(x) ** y,
}


def _number(value: float) -> sympy.Expr:
    if not math.isfinite(value):
        raise OverflowError("a number out of range")
    return sympy.Integer(int(value)) if value == int(value) and abs(value) < _SMALL else sympy.Float(value)


def _folded(op: str, x: sympy.Expr, y: sympy.Expr) -> sympy.Expr | None:
    """The value of an operation on two numbers; None where one of them is none.

    sympy is exact, and would write out 2^2^2^2^2^2; small fractions stay exact.
    """
    if not (x.is_number and y.is_number):
        return None
    if op in "+-*/" and x.is_Rational and y.is_Rational and (y != 0 or op != "/"):
        exact = _FOLDED[op](x, y)
        if abs(exact.p) < _SMALL and exact.q < _SMALL:
            return exact
    return _number(_FOLDED[op](float(x), float(y)))


class Remainder(sympy.Function):
    """C's fmod(x, y): the sign of the dividend. One name, where written out every ``%`` would double the expression."""

    nargs = 2

    @classmethod
    def eval(cls, x, y):
        if x.is_number and y.is_number:
            return _number(math.fmod(float(x), float(y)))
        return None

    def fdiff(self, argindex=1):
        x, y = self.args
        return sympy.Integer(1) if argindex == 1 else -sympy.sign(x / y) * Floor(sympy.Abs(x / y))


def _power(x, y):
    """|x|^y: for an even integer y that is x^y, which differentiates more simply."""
    number = _folded("^", x, y)
    if number is not None:
        return number
    return x**y if x.is_nonnegative or (y.is_integer and y.is_even) else sympy.Abs(x) ** y


def _atanh(x):
    return sympy.atanh(x)


class _Table(sympy.Function):
    """A function given by points; a subclass for every table."""

    nargs = 1
    is_real = True
    xs: tuple[float, ...] = ()
    ys: tuple[float, ...] = ()

    def _hashable_content(self):
        return (*super()._hashable_content(), self.xs, self.ys)


class Interpolation(_Table):
    """Straight between the points of a table, straight on beyond them."""

    def fdiff(self, argindex=1):
        return _slope_class(self.xs, self.ys)(self.args[0])


class InterpolationSlope(_Table):
    """The slope of an `Interpolation`, itself of slope zero."""

    def fdiff(self, argindex=1):
        return sympy.Integer(0)


@lru_cache(maxsize=1024)
def _interpolation_class(xs: tuple[float, ...], ys: tuple[float, ...]) -> type[Interpolation]:
    return type("Interpolation", (Interpolation,), {"xs": xs, "ys": ys})


@lru_cache(maxsize=1024)
def _slope_class(xs: tuple[float, ...], ys: tuple[float, ...]) -> type[InterpolationSlope]:
    return type("InterpolationSlope", (InterpolationSlope,), {"xs": xs, "ys": ys})


def _interpolation(x, *points):
    """Straight between the points, straight on beyond them."""
    xs, ys = points[0::2], points[1::2]
    if any((b - a).is_positive is False for a, b in zip(xs, xs[1:])):
        raise ValueError("the x of pwl() must rise")
    if len(xs) > 16 and all(p.is_number for p in points):  # choices would nest the function's brackets too deeply
        return _interpolation_class(tuple(map(float, xs)), tuple(map(float, ys)))(x)
    lines = [y0 + (x - x0) * (y1 - y0) / (x1 - x0) for x0, x1, y0, y1 in zip(xs, xs[1:], ys, ys[1:])]
    return sympy.Piecewise(*((line, x < limit) for line, limit in zip(lines, xs[1:-1])), (lines[-1], True))


_SYMPY = {
    "abs": sympy.Abs,
    "sqrt": sympy.sqrt,
    "exp": sympy.exp,
    "ln": sympy.log,
    "log": sympy.log,
    "log10": lambda x: sympy.log(x) / sympy.log(10),
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "asin": sympy.asin,
    "acos": sympy.acos,
    "atan": sympy.atan,
    "arctan": sympy.atan,
    "atan2": sympy.atan2,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "asinh": sympy.asinh,
    "acosh": sympy.acosh,
    "atanh": sympy.atanh,
    "min": sympy.Min,
    "max": sympy.Max,
    "pow": _power,
    "pwr": lambda x, y: sympy.sign(x) * sympy.Abs(x) ** y,
    "sqr": lambda x: x**2,
    "sgn": sympy.sign,
    "u": lambda x: sympy.Heaviside(x, sympy.Rational(1, 2)),
    "u2": lambda x: sympy.Min(sympy.Max(x, 0), 1),
    "uramp": lambda x: sympy.Max(x, 0),
    "pwl": _interpolation,
    "floor": Floor,
    "ceil": Ceiling,
    "int": lambda x: sympy.sign(x) * Floor(sympy.Abs(x)),
    # Half-way cases go to the even neighbour in ngspice and up here: no expression in v can tell.
    "nint": lambda x: Floor(x + sympy.Rational(1, 2)),
}
_CONSTANTS = {"pi": sympy.pi, "e": sympy.E}
_COMPARE = {"==": sympy.Eq, "!=": sympy.Ne, "<": sympy.Lt, "<=": sympy.Le, ">": sympy.Gt, ">=": sympy.Ge}


def to_sympy(
    expression: Node | str,
    controls: list[Control],
    functions: Mapping[str, Function] | None = None,
    *,
    textbook: bool = False,
) -> sympy.Expr:
    """An expression as a sympy one.

    Parameters
    ----------
    expression : Node or str
    controls : list of Control
        Every v() and i() is appended once and stands in the result as the symbol ``c0``, ``c1``, ... of its
        place.
    functions : Mapping[str, Function], optional
        The user's own functions; they are written out.
    textbook : bool
        Read x^y as in a textbook, keeping the sign of an odd power, instead of ngspice's |x|^y. For laws of
        devices; never for cards.

    Returns
    -------
    sympy.Expr
        Of the real symbols ``c0, ...`` and the expression's names, in lower case (``pi`` and ``e`` are
        constants).

    Raises
    ------
    NetlistError

    Examples
    --------
    >>> controls = []
    >>> current = to_sympy("i0*(exp(v(a,k)/vt) - 1)", controls)
    >>> current.diff("c0") if not controls else current.diff(sympy.Symbol("c0", real=True))
    i0*exp(c0/vt)/vt
    """
    node = parse(expression) if isinstance(expression, str) else expression
    try:
        return _Reader(controls, textbook).number(inline(node, functions or {}))
    except RecursionError:
        raise NetlistError("an expression is nested too deeply") from None
    except (
        TypeError,
        ValueError,
        ZeroDivisionError,
        OverflowError,
    ) as error:  # sympy's own refusals, min(zoo, 1) say
        raise NetlistError(f"an expression has no meaning: {error}") from None


class _Reader:
    __slots__ = ("controls", "index", "levels", "power")

    def __init__(self, controls: list[Control], textbook: bool):
        self.power = sympy.Pow if textbook else _power
        self.levels = 0
        self.controls, self.index = controls, {control: k for k, control in enumerate(controls)}

    def number(self, node: Node) -> sympy.Expr:
        if isinstance(node, Number):
            value = node.value
            # an integer exponent gives v**2 the derivative 2*v and not 2.0*v**1.0
            return sympy.Integer(int(value)) if value == int(value) and abs(value) < 2**31 else sympy.Float(value)
        if isinstance(node, Name):
            return _CONSTANTS.get(node.name) or sympy.Symbol(node.name, real=True)
        if isinstance(node, Probe):
            return self.control(node)
        if isinstance(node, Chain):
            return self.chain(node)
        if isinstance(node, Unary) and node.operator == "-":
            return -self.number(node.operand)
        if isinstance(node, Conditional):
            return self.choice(node.test, node.yes, node.no)
        if isinstance(node, Call):
            if node.function in CHOICE:
                require(node, 3, 3)
                return self.choice(*node.arguments)
            if node.function not in _SYMPY:
                raise unknown_function(node)
            require(node, *BUILT_IN[node.function][:2])
            arguments = [self.number(n) for n in node.arguments]
            if all(
                x.is_number for x in arguments
            ):  # in floating point: sympy would give floor(exp(1e6)) digit by digit
                name = {"pow": "pwr", "pwr": "pow"}.get(node.function, node.function)
                if name == "pow":  # |x|^y with the sign of x
                    x, y = map(float, arguments)
                    return _number(math.copysign(abs(x) ** y, x))
                return _number(BUILT_IN[name][2](*map(float, arguments)))
            return _SYMPY[node.function](*arguments)
        return sympy.Piecewise((1, self.truth(node)), (0, True))

    def control(self, node: Probe) -> sympy.Expr:
        if node.kind == "v" and node.a == node.b:
            return sympy.Integer(0)
        control = Control(node.kind, node.a, node.b)
        k = self.index.setdefault(control, len(self.controls))
        if k == len(self.controls):
            self.controls.append(control)
        return sympy.Symbol(f"c{k}", real=True)

    def chain(self, node: Chain) -> sympy.Expr:
        op = node.rest[0][0]
        if op in "+-":  # one flat Add: adding a thousand terms one by one is quadratic
            terms = [self.number(node.first)]
            terms += [self.number(right) if op == "+" else -self.number(right) for op, right in node.rest]
            total = sympy.Add(*terms)
            big = total.is_Rational and max(abs(total.p), total.q) >= _SMALL
            return _number(float(total)) if big else total
        if op in "*/%^":
            result = self.number(node.first)
            for op, right in node.rest:
                y = self.number(right)
                number = _folded(op, result, y) if op != "%" else None
                if number is not None:
                    result = number if op != "^" or self.power is _power else _number(float(result) ** float(y))
                elif op == "*":
                    result = result * y
                elif op == "/":
                    result = result / y
                elif op == "^":
                    result = self.power(result, y)
                else:
                    if result.count(Remainder) + y.count(Remainder) >= MOST_NESTED:
                        raise NetlistError(f"more than {MOST_NESTED} remainders (%) of one another in an expression")
                    result = Remainder(result, y)
            return result
        return sympy.Piecewise((1, self.truth(node)), (0, True))

    def choice(self, test: Node, yes: Node, no: Node) -> sympy.Expr:
        return sympy.Piecewise((self.number(yes), self.truth(test)), (self.number(no), True))

    def truth(self, node: Node):
        """The node as a condition: what a comparison says, or `not zero`."""
        self.levels += 1
        chained = len(node.rest) if isinstance(node, Chain) and node.rest[0][0] in _COMPARE else 1
        if self.levels > MOST_NESTED or chained > MOST_NESTED:
            raise NetlistError(f"more than {MOST_NESTED} conditions inside one another in an expression")
        try:
            return self.condition(node)
        finally:
            self.levels -= 1

    def condition(self, node: Node):
        if isinstance(node, Unary) and node.operator == "!":
            return sympy.Not(self.truth(node.operand))
        if isinstance(node, Chain) and node.rest[0][0] in ("&&", "||"):
            join = sympy.And if node.rest[0][0] == "&&" else sympy.Or
            return join(self.truth(node.first), *[self.truth(right) for _, right in node.rest])
        if isinstance(node, Chain) and node.rest[0][0] in _COMPARE:
            result = self.number(node.first)
            for k, (op, right) in enumerate(node.rest):
                if k:  # a < b < c compares the truth of a < b with c, as in C
                    result = sympy.Piecewise((1, result), (0, True))
                result = _COMPARE[op](result, self.number(right))
            return result
        return sympy.Ne(self.number(node), 0)
