"""SPICE expressions: one grammar, one tree, two readers (a number, or sympy); nothing is evaluated as Python.

>>> evaluate("{2*(w + 1k)}", {"w": 24.0})
2048.0
>>> controls = []
>>> to_sympy("k*v(a,b)^2", controls), controls
(c0**2*k, [Control(kind='v', a='a', b='b')])
"""

from analogpnn.expression.evaluate import evaluate
from analogpnn.expression.format import format_expression
from analogpnn.expression.parse import parse
from analogpnn.expression.symbolic import Control, to_sympy
from analogpnn.expression.tree import Call, Chain, Conditional, Function, Name, Node, Number, Probe, Unary

__all__ = [
    "Call",
    "Chain",
    "Conditional",
    "Control",
    "Function",
    "Name",
    "Node",
    "Number",
    "Probe",
    "Unary",
    "evaluate",
    "format_expression",
    "parse",
    "to_sympy",
]
