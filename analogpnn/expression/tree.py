"""The tree an expression is read into, and ways to walk over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from analogpnn.errors import NetlistError

MAX_NODES = 100_000
"""Largest tree that expanding functions may make (functions of functions grow exponentially)."""


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    operator: str  # '-' or '!'
    operand: Node


@dataclass(frozen=True, slots=True)
class Chain:
    """Operators of one precedence, from left to right: ``first op1 node1 op2 node2 ...``.

    One flat node and not a tower of binary ones, because a B source may well sum a thousand terms.
    """

    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Conditional:
    test: Node
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Node, ...]
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Probe:
    """A voltage ``v(a)`` (then b is '0') or ``v(a,b)``, or a current ``i(a)`` (then b is '')."""

    kind: str
    a: str
    b: str
    column: int = field(default=0, compare=False)


Node = Number | Name | Unary | Chain | Conditional | Call | Probe


@dataclass(frozen=True, slots=True)
class Function:
    """A user's function, ``.func name(arguments) {body}``."""

    name: str
    arguments: tuple[str, ...]
    body: Node


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below."""
    if isinstance(node, Chain):
        return (node.first, *(right for _, right in node.rest))
    if isinstance(node, Call):
        return node.arguments
    if isinstance(node, Unary):
        return (node.operand,)
    if isinstance(node, Conditional):
        return (node.test, node.yes, node.no)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """Every node of the tree, the root first, from left to right."""
    stack = [node]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(children(node)))


def transform(node: Node, leaf: Callable[[Node], Node]) -> Node:
    """The tree with `leaf` applied to its names, probes and numbers."""
    if isinstance(node, Chain):
        return Chain(transform(node.first, leaf), tuple((op, transform(n, leaf)) for op, n in node.rest))
    if isinstance(node, Call):
        return Call(node.function, tuple(transform(n, leaf) for n in node.arguments), node.column)
    if isinstance(node, Unary):
        return Unary(node.operator, transform(node.operand, leaf))
    if isinstance(node, Conditional):
        return Conditional(*(transform(n, leaf) for n in children(node)))
    return leaf(node)


def inline(node: Node, functions) -> Node:
    """The tree with every call of a user's function replaced by the function's body.

    Parameters
    ----------
    node : Node
    functions : Mapping[str, Function]

    Raises
    ------
    NetlistError
        For a function that calls itself, a wrong number of arguments, or a tree of more than `MAX_NODES`.
    """
    if not any(isinstance(n, Call) and n.function in functions for n in walk(node)):
        return node
    budget = [MAX_NODES]

    def expand(node: Node, bound: dict[str, Node], open_: tuple[str, ...]) -> Node:
        budget[0] -= 1
        if budget[0] < 0:
            raise NetlistError(f"the functions in this expression expand to more than {MAX_NODES} terms")
        if isinstance(node, Name):
            return bound.get(node.name, node)
        if isinstance(node, Chain):
            rest = tuple((op, expand(n, bound, open_)) for op, n in node.rest)
            return Chain(expand(node.first, bound, open_), rest)
        if isinstance(node, Unary):
            return Unary(node.operator, expand(node.operand, bound, open_))
        if isinstance(node, Conditional):
            return Conditional(*(expand(n, bound, open_) for n in children(node)))
        if isinstance(node, Call):
            arguments = tuple(expand(n, bound, open_) for n in node.arguments)
            function = functions[node.function] if node.function in functions else None
            if function is None:
                return Call(node.function, arguments, node.column)
            check_call(function, len(arguments), node.column)
            if function.name in open_:
                raise recursive(function, node.column)
            inner = dict(zip(function.arguments, arguments))
            budget[0] -= sum(1 for n in arguments for _ in walk(n))
            return expand(function.body, inner, (*open_, function.name))
        return node

    return expand(node, {}, ())


def check_call(function: Function, given: int, column: int) -> None:
    """Refuse a call with a wrong number of arguments."""
    if given != len(function.arguments):
        raise NetlistError(
            f"{function.name}({', '.join(function.arguments)}) is called with {given} argument(s)",
            column=column,
        )


def recursive(function: Function, column: int) -> NetlistError:
    return NetlistError(
        f"function '{function.name}' calls itself",
        column=column,
        cure="SPICE functions can't be recursive: write the expression out.",
    )
