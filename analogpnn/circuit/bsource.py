"""An expression's tree as the text of an ngspice B source, exact to the last digit.

The tree already means what a B source means (``x^y`` is ``|x|^y``); what remains are functions B sources
lack, and literals, which ngspice cuts to 11 digits there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from analogpnn.expression import Call, Chain, Conditional, Name, Node, Number, Probe, Unary
from analogpnn.units import format_number

_KEPT = ("pi", "e", "time", "temper", "hertz")  # names ngspice knows itself


def expression_text(
    node: Node,
    values: Mapping[str, float],
    constant: Callable[[float, str], str],
    spell: Callable[[str], str] = str,
    call: Callable[[str], str] = str,
) -> tuple[str, set[str]]:
    """Text of an expression, and which of the names in `values` it uses.

    Parameters
    ----------
    node : Node
    values : mapping
        Numbers for the expression's names.
    constant : callable
        ``(number, name)`` -> text that stands for it exactly, like ``{name}`` with a ``.param`` elsewhere.
    spell, call : callable
        Name of a node, of a source -> the name to write.

    Examples
    --------
    >>> from analogpnn.expression import parse
    >>> expression_text(parse("k*min(v(a,b), 1, v(a))^2"), {"k": 0.1}, lambda x, name: "{k}")
    ('({k}*(min(min(v(a,b),1),v(a))**2))', {'k'})
    """
    writer = _Text(values, constant, spell, call)
    return writer.text(node), writer.used


class _Text:
    def __init__(
        self,
        values: Mapping[str, float],
        constant: Callable[[float, str], str],
        spell: Callable[[str], str],
        call: Callable[[str], str],
    ):
        self.values, self.constant, self.spell, self.call = values, constant, spell, call
        self.used: set[str] = set()

    def text(self, node: Node) -> str:
        if isinstance(node, Number):
            return self.number(node.value)
        if isinstance(node, Name):
            if node.name not in self.values and node.name in _KEPT:
                return node.name
            self.used.add(node.name)
            return self.constant(self.values[node.name], node.name)
        if isinstance(node, Probe):
            if node.kind == "i":
                return f"i({self.call(node.a)})"
            return f"v({self.spell(node.a)})" if node.b == "0" else f"v({self.spell(node.a)},{self.spell(node.b)})"
        if isinstance(node, Unary):
            return f"({node.operator}{self.text(node.operand)})"
        if isinstance(node, Conditional):
            return self.choice(node.test, node.yes, node.no)
        if isinstance(node, Call):
            return self.function(node)
        return self.chain(node)

    def number(self, value: float) -> str:
        if value == int(value) and abs(value) < 1e9:
            return str(int(value))
        exact = float(f"{value:.10e}") == value
        return format_number(value) if exact else self.constant(value, "number")

    def choice(self, *parts: Node) -> str:
        return f"ternary_fcn({','.join(map(self.text, parts))})"

    def function(self, node: Call) -> str:
        x = [self.text(argument) for argument in node.arguments]
        name = node.function
        if name == "if":
            return f"ternary_fcn({','.join(x)})"
        if name in ("min", "max"):
            text = x[0]
            for other in x[1:]:
                text = f"{name}({text},{other})"
            return text
        if name == "sqr":
            return f"({x[0]}*{x[0]})"
        if name == "int":
            return _integer(x[0])
        if name == "atan2":
            y, z = x
            behind = f"(atan({y}/{z})+ternary_fcn({y}>=0,pi,-pi))"
            return f"ternary_fcn({z}>0,atan({y}/{z}),ternary_fcn({z}<0,{behind},sgn({y})*pi/2))"
        return f"{ {'arctan': 'atan', 'log': 'ln'}.get(name, name) }({','.join(x)})"

    def chain(self, node: Chain) -> str:
        text = self.text(node.first)
        operators = {op for op, _ in node.rest}
        if operators <= set("+-") or operators <= set("*/"):
            return "(" + text + "".join(op + self.text(right) for op, right in node.rest) + ")"
        for op, right in node.rest:
            y = self.text(right)
            if op == "%":
                text = f"({text}-{y}*{_integer(f'{text}/{y}')})"
            else:
                text = f"({text}{'**' if op == '^' else op}{y})"
        return text


def _integer(x: str) -> str:
    """Towards zero, which B sources have no function for."""
    return f"sgn({x})*floor(abs({x}))"
