"""Tree to number: what ``.param`` and ``{...}`` mean.

These are the rules of ngspice's parameter language, which differ from its B sources' in two places:
``pow(-2,3)`` is -8 (a B source has 8) and ``pwr(-2,3)`` is 8 (a B source has -8). In both, ``x^y`` is
``|x|^y``.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping

from analogpnn.errors import NetlistError
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
    check_call,
    recursive,
    walk,
)

MAX_CALLS = 100_000
"""Most calls of users' functions in one evaluation (functions of functions grow exponentially)."""
MAX_POINTS = 20_001
"""Most arguments of pwl()."""
CONSTANTS = {"pi": math.pi, "e": math.e}


def _sign(x: float) -> float:
    return float((x > 0) - (x < 0))


def _interpolate(x: float, points: tuple[float, ...]) -> float:
    """Straight between the points x0, y0, x1, y1, ... and straight on beyond them."""
    xs, ys = points[0::2], points[1::2]
    k = min(max(bisect_right(xs, x) - 1, 0), len(xs) - 2)
    return ys[k] + (x - xs[k]) * (ys[k + 1] - ys[k]) / (xs[k + 1] - xs[k])


BUILT_IN: dict[str, tuple[int, int, Callable[..., float]]] = {
    name: (1, 1, getattr(math, name))
    for name in ("sqrt exp log10 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh floor ceil".split())
}
BUILT_IN |= {
    "abs": (1, 1, abs),
    "ln": (1, 1, math.log),
    "log": (1, 1, math.log),
    "arctan": (1, 1, math.atan),
    "atan2": (2, 2, math.atan2),
    "min": (1, 99, min),
    "max": (1, 99, max),
    "pow": (2, 2, math.pow),
    "pwr": (2, 2, lambda x, y: math.pow(abs(x), y)),
    "sqr": (1, 1, lambda x: x * x),
    "sgn": (1, 1, _sign),
    "u": (1, 1, lambda x: (_sign(x) + 1) / 2),
    "u2": (1, 1, lambda x: min(max(x, 0.0), 1.0)),
    "uramp": (1, 1, lambda x: max(x, 0.0)),
    "pwl": (5, MAX_POINTS, lambda x, *points: _interpolate(x, points)),
    "int": (1, 1, lambda x: float(math.trunc(x))),
    "nint": (1, 1, lambda x: float(round(x))),
}
CHOICE = ("if", "ternary_fcn")
"""Functions of which only the chosen argument is evaluated."""

_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": math.fmod,
    "^": lambda a, b: math.pow(abs(a), b),
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    "<": lambda a, b: float(a < b),
    "<=": lambda a, b: float(a <= b),
    ">": lambda a, b: float(a > b),
    ">=": lambda a, b: float(a >= b),
    "&&": lambda a, b: float(bool(a) and bool(b)),
    "||": lambda a, b: float(bool(a) or bool(b)),
}


def evaluate(
    expression: Node | str,
    names: Mapping[str, float],
    functions: Mapping[str, Function] | None = None,
) -> float:
    """The value of an expression of parameters.

    Parameters
    ----------
    expression : Node or str
    names : Mapping[str, float]
        Parameters, in lower case. They hide the constants ``pi`` and ``e``.
    functions : Mapping[str, Function], optional
        The user's own functions; their bodies may use `names` too.

    Returns
    -------
    float
        Finite.

    Raises
    ------
    NetlistError
        For an undefined name or function, a division by zero, a value out of range, a voltage or current.

    Examples
    --------
    >>> evaluate("2^-1 + max(w, 3)", {"w": 4.0})
    4.5
    """
    text = expression if isinstance(expression, str) else None
    node = parse(expression) if isinstance(expression, str) else expression
    try:
        value = _Evaluation(functions or {}).value(node, names, ())
    except NetlistError as error:
        if error.text is None:
            error.text = text
        raise
    except ZeroDivisionError:
        raise NetlistError("a division by zero in an expression", text=text) from None
    except (OverflowError, ValueError):
        raise NetlistError("an expression leaves the range of its functions", text=text) from None
    except RecursionError:
        raise NetlistError("an expression is nested too deeply", text=text) from None
    if not math.isfinite(value):
        raise NetlistError("the value of an expression is not finite", text=text)
    return value


class _Bound(dict):
    """A function's arguments, in front of the names around it."""

    __slots__ = ("around",)
    around: Mapping[str, float]

    def __missing__(self, key):
        return self.around[key]


class _Evaluation:
    __slots__ = ("calls", "functions")

    def __init__(self, functions: Mapping[str, Function]):
        self.functions, self.calls = functions, 0

    def value(self, node: Node, names: Mapping[str, float], open_: tuple[str, ...]) -> float:
        if isinstance(node, Number):
            return node.value
        if isinstance(node, Name):
            try:
                return names[node.name]
            except KeyError:
                if node.name in CONSTANTS:
                    return CONSTANTS[node.name]
                raise UndefinedName(node.name, node.column) from None
        if isinstance(node, Chain):
            result = self.value(node.first, names, open_)
            for op, right in node.rest:
                result = _OPERATORS[op](result, self.value(right, names, open_))
            return result
        if isinstance(node, Unary):
            operand = self.value(node.operand, names, open_)
            return -operand if node.operator == "-" else float(operand == 0)
        if isinstance(node, Conditional):
            return self.value(node.yes if self.value(node.test, names, open_) else node.no, names, open_)
        if isinstance(node, Call):
            return self.call(node, names, open_)
        assert isinstance(node, Probe)
        raise NetlistError(
            f"{node.kind}({node.a}) has no value here",
            column=node.column,
            cure="Voltages and currents belong into the expressions of B, E, G and R cards.",
        )

    def call(self, node: Call, names: Mapping[str, float], open_: tuple[str, ...]) -> float:
        function = self.functions[node.function] if node.function in self.functions else None
        if function is not None:
            self.calls += 1
            if self.calls > MAX_CALLS:
                raise NetlistError(f"more than {MAX_CALLS} calls of functions in one expression", column=node.column)
            check_call(function, len(node.arguments), node.column)
            if function.name in open_:
                raise recursive(function, node.column)
            bound = _Bound(zip(function.arguments, [self.value(n, names, open_) for n in node.arguments]))
            bound.around = names
            return self.value(function.body, bound, (*open_, function.name))
        if node.function in CHOICE:
            require(node, 3, 3)
            test, yes, no = node.arguments
            return self.value(yes if self.value(test, names, open_) else no, names, open_)
        if node.function not in BUILT_IN:
            raise unknown_function(node)
        fewest, most, compute = BUILT_IN[node.function]
        require(node, fewest, most)
        return float(compute(*[self.value(n, names, open_) for n in node.arguments]))


class UndefinedName(NetlistError):
    """An expression uses a name that nothing defines."""

    def __init__(self, name: str, column: int | None = None, **where):
        super().__init__(f"parameter '{name}' is not defined", column=column, **where)
        self.name = name


def require(node: Call, fewest: int, most: int) -> None:
    """Refuse a built-in function's call with a wrong number of arguments."""
    if not fewest <= len(node.arguments) <= most:
        wanted = f"{fewest}" if fewest == most else f"at least {fewest}"
        raise NetlistError(
            f"{node.function}() takes {wanted} argument(s), not {len(node.arguments)}", column=node.column
        )
    if node.function == "pwl" and len(node.arguments) % 2 == 0:
        raise NetlistError("pwl() takes x and then pairs x0,y0, x1,y1, ...", column=node.column)


def check_functions(tree: Node) -> None:
    """Refuse functions that do not exist, and wrong numbers of arguments, in a tree of built-in functions."""
    for node in walk(tree):
        if isinstance(node, Call):
            if node.function in CHOICE:
                require(node, 3, 3)
            elif node.function in BUILT_IN:
                require(node, *BUILT_IN[node.function][:2])
            else:
                raise unknown_function(node)


def unknown_function(node: Call) -> NetlistError:
    return NetlistError(
        f"there is no function '{node.function}'",
        column=node.column,
        cure=f"Define it with .func, or use: {' '.join(sorted([*BUILT_IN, *CHOICE]))}.",
    )
