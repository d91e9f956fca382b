"""sympy to the text of a B source."""

from __future__ import annotations

from collections.abc import Mapping

import sympy
from sympy.logic.boolalg import BooleanFalse, BooleanTrue

from analogpnn.errors import NetlistError
from analogpnn.units import format_number

_FUNCTIONS = {
    name: name for name in "exp sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh floor".split()
} | {
    "log": "ln",
    "Abs": "abs",
    "sign": "sgn",
    "Heaviside": "u",
    "ceiling": "ceil",
    "Floor": "floor",
    "Ceiling": "ceil",
}


def format_expression(expression: sympy.Expr, names: Mapping[sympy.Symbol, str] | None = None) -> str:
    """A sympy expression as ngspice writes it in a B source.

    ngspice's ``x**y`` is ``|x|^y``, so odd integer powers are written ``pwr(x,y)``; other powers keep ``**``,
    for a base that is not negative. ``max`` and ``min`` take two arguments, a negative power is a quotient
    (ngspice refuses ``0**-1`` even on the way to a solution).

    Parameters
    ----------
    expression : sympy.Expr
    names : Mapping[sympy.Symbol, str], optional
        What to write for a symbol, like ``v(a,b)`` or ``{is}``; otherwise its name.
        (ngspice cuts literals in B sources to 11 digits: pass what must be exact as a parameter.)

    Returns
    -------
    str

    Raises
    ------
    NetlistError
        For what ngspice has no word for.

    Examples
    --------
    >>> v = sympy.Symbol("v", real=True)
    >>> format_expression(sympy.exp(v / 2) - v**3, {v: "v(a)"})
    '(-pwr(v(a),3)+exp((v(a)/2)))'
    """
    return _Writer(names or {}).text(expression)


class _Writer:
    def __init__(self, names: Mapping[sympy.Symbol, str]):
        self.names = names

    def text(self, e) -> str:
        if e.is_Symbol:
            return self.names.get(e, e.name)
        if e.is_Integer:
            return f"({e})" if e < 0 else str(e)
        if e.is_Rational:
            return f"({e.p}/{e.q})"
        if e is sympy.pi:
            return "pi"
        if e.is_number and e.is_finite and (e.is_Float or not e.args):
            value = format_number(float(e))
            return f"({value})" if value.startswith("-") else value
        if e.is_Add:
            text = "+".join(self.text(term) for term in e.as_ordered_terms())
            return f"({text.replace('+-', '-')})"
        if e.is_Mul:
            return self.product(e)
        if e.is_Pow:
            return self.power(e.base, e.exp)
        if e.is_Piecewise:
            return self.choice(e.args)
        return self.other(e)

    def product(self, e) -> str:
        coefficient, rest = e.as_coeff_Mul()
        sign, factors = ("-", [-coefficient]) if coefficient.is_negative else ("", [coefficient])
        above, below = [], []
        for factor in [f for f in factors if f != 1] + list(sympy.Mul.make_args(rest)):
            if factor.is_Pow and factor.exp.is_number and factor.exp.is_negative:
                below.append(self.power(factor.base, -factor.exp))
            elif factor.is_Rational and not factor.is_Integer:
                above += [str(factor.p)] if factor.p != 1 else []
                below.append(str(factor.q))
            else:
                above.append(self.text(factor))
        text = "*".join(above) or "1"
        for divisor in below:
            text += "/" + divisor
        return f"{sign}{text}" if sign and not below and len(above) == 1 else f"({sign}{text})"

    def power(self, base, exponent) -> str:
        if base is sympy.E:
            return f"exp({self.text(exponent)})"
        if exponent.is_number and exponent.is_negative:
            return f"(1/{self.power(base, -exponent)})"
        if exponent == 1:
            return self.text(base)
        if exponent == sympy.Rational(1, 2):
            return f"sqrt({self.text(base)})"
        if exponent.is_Integer and exponent.is_odd and not base.is_nonnegative:
            return f"pwr({self.text(base)},{exponent})"
        return f"({self.text(base)}**{self.text(exponent)})"

    def choice(self, pieces) -> str:
        text = "0"
        for value, condition in reversed(pieces):
            if condition == True:  # noqa: E712 - sympy's true
                text = self.text(value)
            else:
                text = f"({self.condition(condition)} ? {self.text(value)} : {text})"
        return text

    def condition(self, c) -> str:
        if isinstance(c, BooleanTrue):
            return "1"
        if isinstance(c, BooleanFalse):
            return "0"
        if c.is_Relational:
            return f"({self.text(c.lhs)} {c.rel_op} {self.text(c.rhs)})"
        if isinstance(c, sympy.ITE):
            return f"({' ? '.join(map(self.condition, c.args[:2]))} : {self.condition(c.args[2])})"
        if isinstance(c, sympy.Not):
            return f"(!{self.condition(c.args[0])})"
        if isinstance(c, (sympy.And, sympy.Or)):
            join = " && " if isinstance(c, sympy.And) else " || "
            return f"({join.join(self.condition(a) for a in c.args)})"
        raise NetlistError(f"ngspice has no way to write the condition {c}")

    def other(self, e) -> str:
        name = type(e).__name__
        if name in ("Min", "Max"):
            first, *rest = (self.text(a) for a in e.args)
            for argument in rest:
                first = f"{name.lower()}({first},{argument})"
            return first
        if name == "Interpolation":
            points = ",".join(f"{format_number(x)},{format_number(y)}" for x, y in zip(e.xs, e.ys))
            return f"pwl({self.text(e.args[0])},{points})"
        if name == "Remainder":
            x, y = map(self.text, e.args)
            return f"({x}-{y}*sgn({x}/{y})*floor(abs({x}/{y})))"
        if name in _FUNCTIONS:
            return f"{_FUNCTIONS[name]}({self.text(e.args[0])})"
        if name == "DiracDelta":  # the slope of a step, where ngspice too has none
            return "0"
        if name == "atan2":  # ngspice has none; this is the half-angle formula, right but on the negative x axis
            y, x = e.args
            return f"(2*atan({self.text(y)}/({self.text(sympy.sqrt(x**2 + y**2) + x)})))"
        raise NetlistError(f"ngspice has no function '{name}'", cure="Write the law with functions that ngspice knows.")
