"""Text to tree: a tokeniser and a Pratt parser.

Precedence, loosest first: ``?:``, ``||``, ``&&``, ``== != <>``, ``< <= > >=``, ``+ -``, ``* / %``, unary
``- + !``, ``^ **``. As in ngspice, powers associate to the left (``2^3^2`` is 64) and bind tighter than a
sign in front (``-2^2`` is -4). Braces and quotes inside an expression are parentheses.
"""

from __future__ import annotations

import re

from analogpnn.errors import NetlistError
from analogpnn.expression.tree import Call, Chain, Conditional, Name, Node, Number, Probe, Unary
from analogpnn.units import NUMBER, parse_number

MAX_DEPTH = 80
"""Deepest nesting of parentheses."""
MAX_LENGTH = 500_000
"""Longest text of one expression."""

_TOKEN = re.compile(
    rf"\s*(?:(?P<number>{NUMBER})|(?P<name>[a-z_][a-z0-9_.#]*)"
    r"|(?P<op>\*\*|\|\||&&|==|!=|<>|<=|>=|[-+*/%^<>!?:(){}',=]))",
    re.IGNORECASE | re.ASCII,
)
_NODE = r"[^\s(),{}'\"=]+"
_PROBE = re.compile(rf"\s*\(\s*({_NODE})\s*(?:,\s*({_NODE})\s*)?\)")
_LEVELS = (("?",), ("||",), ("&&",), ("==", "!=", "<>"), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"))
_LEVEL = {op: level for level, ops in enumerate(_LEVELS, 1) for op in ops} | {"^": 9, "**": 9}
_SIGN = 8
_SAME = {"**": "^", "<>": "!="}
_CLOSE = {"(": ")", "{": "}", "'": "'"}


def parse(text: str) -> Node:
    """Read an expression.

    Parameters
    ----------
    text : str
        SPICE text, with or without braces or quotes around it.

    Returns
    -------
    Node
        Names and nodes in lower case.

    Raises
    ------
    NetlistError
        With `text` and the column of the mistake in it.

    Examples
    --------
    >>> parse("'a + 2k'")
    Chain(first=Name(name='a', column=1), rest=(('+', Number(value=2000.0)),))
    """
    if len(text) > MAX_LENGTH:
        raise NetlistError(f"an expression of {len(text)} characters; the longest allowed has {MAX_LENGTH}")
    return _Parser(text).whole()


class _Parser:
    """One pass over one text; `op`, `name`, `number` describe the token at hand, which starts at `start`."""

    __slots__ = ("column", "depth", "name", "number", "op", "position", "text")

    def __init__(self, text: str):
        self.text, self.position, self.depth, self.column = text, 0, 0, 0
        self.op = ""
        self.name: str | None = None
        self.number: str | None = None
        self.advance()

    def error(self, what: str, column: int | None = None, cure: str | None = None) -> NetlistError:
        column = self.column if column is None else column
        return NetlistError(what, text=self.text, column=column, cure=cure)

    def advance(self) -> None:
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            self.name = self.number = None
            rest = self.text[self.position :]
            self.column = len(self.text) - len(rest.lstrip())
            if rest.strip():
                letter = rest.strip()[0]
                cure = "Micro is written u: 10u." if letter in "\u00b5\u03bc" else None
                raise self.error(f"{letter!r} has no meaning in an expression", cure=cure)
            self.op = "end"
            self.column = len(self.text)
            return
        self.position = match.end()
        self.number, self.name, op = match["number"], match["name"], match["op"]
        self.op = op or ""
        self.column = match.start("number" if self.number else "name" if self.name else "op")

    def whole(self) -> Node:
        node = self.expression(0)
        if self.op != "end":
            cure = "Equality is written '=='." if self.op == "=" else None
            raise self.error(f"'{self.op or self.name or self.number}' is not expected here", cure=cure)
        return node

    def expression(self, loosest: int) -> Node:
        """An operand and all operators after it that bind tighter than level `loosest`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"more than {MAX_DEPTH} levels of nesting in an expression")
        node = self.operand()
        while (level := _LEVEL.get(self.op, 0)) > loosest:
            if self.op == "?":
                self.advance()
                yes = self.expression(0)
                self.expect(":", "?")
                node = Conditional(node, yes, self.expression(0))
                continue
            rest = []
            while _LEVEL.get(self.op, 0) == level:
                op = self.op
                self.advance()
                rest.append((_SAME.get(op, op), self.expression(level)))
            node = Chain(node, tuple(rest))
        self.depth -= 1
        return node

    def operand(self) -> Node:
        column = self.column
        if self.number is not None:
            try:
                node: Node = Number(parse_number(self.number))
            except ValueError as error:
                raise self.error(str(error)) from None
            self.advance()
            return node
        if self.name is not None:
            name = self.name.lower()
            if name in ("v", "i"):
                return self.probe(name, column)
            self.advance()
            return self.call(name, column) if self.op == "(" else Name(name, column)
        op = self.op
        if op in ("-", "+", "!"):
            self.advance()
            operand = self.expression(_SIGN)
            return operand if op == "+" else Unary(op, operand)
        if op in _CLOSE:
            self.advance()
            node = self.expression(0)
            self.expect(_CLOSE[op], op)
            return node
        raise self.error("an operand is missing" if op == "end" else f"an operand is missing before '{op}'")

    def expect(self, close: str, opened: str) -> None:
        if self.op != close:
            raise self.error(f"'{close}' is missing (for '{opened}')")
        self.advance()

    def call(self, name: str, column: int) -> Node:
        self.advance()
        arguments = []
        if self.op != ")":
            arguments.append(self.expression(0))
            while self.op == ",":
                self.advance()
                arguments.append(self.expression(0))
        self.expect(")", f"{name}(")
        return Call(name, tuple(arguments), column)

    def probe(self, kind: str, column: int) -> Node:
        """v(a), v(a,b), i(source): node names follow no expression's grammar, so the text is read."""
        match = _PROBE.match(self.text, self.position)
        if match is None:
            self.advance()
            if self.op == "(":
                raise self.error(
                    f"'{kind}(' needs {'a node or two: v(a), v(a,b)' if kind == 'v' else 'a source: i(v1)'}",
                    column,
                )
            return Name(kind, column)
        a, b = match[1].lower(), (match[2] or "").lower()
        if kind == "i" and b:
            raise self.error("i() takes one source", column)
        self.position = match.end()
        self.advance()
        return Probe(kind, a, (b or "0") if kind == "v" else "", column)
