"""Parameters and functions: who sees which name, in which order they are evaluated."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from analogpnn.errors import NetlistError
from analogpnn.expression import Call, Function, Name, Node, evaluate, parse
from analogpnn.expression.evaluate import UndefinedName
from analogpnn.expression.tree import walk
from analogpnn.netlist.cards import Card
from analogpnn.units import parse_number

cached_parse = lru_cache(maxsize=4096)(parse)


@dataclass(frozen=True, slots=True)
class Definition:
    """The text of a parameter's value, and where it stands: `at` in the card's text."""

    name: str
    text: str
    card: Card
    at: int


class Names(dict):
    """Names of one scope, with those of the scope around it behind them."""

    __slots__ = ("around",)

    def __init__(self, around: Names | None = None, own: Mapping | None = None):
        super().__init__(own or {})
        self.around = around

    def __missing__(self, key):
        if self.around is None:
            raise KeyError(key)
        return self.around[key]

    def __contains__(self, key) -> bool:
        return super().__contains__(key) or (self.around is not None and key in self.around)

    def every(self) -> list[str]:
        """All names visible here."""
        return [*self, *(self.around.every() if self.around is not None else ())]


@dataclass(slots=True)
class Scope:
    """The parameters and functions visible at one place."""

    names: Names = field(default_factory=Names)
    functions: Names = field(default_factory=Names)

    def inner(self) -> Scope:
        return Scope(Names(self.names), Names(self.functions))

    def number(self, text: str, card: Card, at: int | None = None) -> float:
        """The value of a number or an expression.

        Parameters
        ----------
        text : str
            In lower case.
        card : Card
        at : int, optional
            Where `text` stands in the card's text; for messages.
        """
        try:
            return parse_number(text)
        except ValueError:
            pass
        try:
            return evaluate(cached_parse(text), self.names, self.functions)
        except NetlistError as error:
            raise located(error, card, text, at, self.names) from None

    def define(self, definitions: Mapping[str, Definition]) -> None:
        """Evaluate definitions that may use each other, in any order.

        A definition that names itself means the name in the scope around, if that has it.
        """
        trees: dict[str, Node] = {}
        needs: dict[str, list[str]] = {}
        for name, definition in definitions.items():
            try:
                self.names[name] = parse_number(definition.text)
                continue
            except ValueError:
                pass
            try:
                trees[name] = cached_parse(definition.text)
            except NetlistError as error:
                raise located(error, definition.card, definition.text, definition.at) from None
            used = free_names(trees[name], self.functions)
            if name in used and self.names.around is not None and name in self.names.around:
                used.discard(name)
            needs[name] = [other for other in used if other in definitions]
        for name in in_order(needs, definitions):
            definition = definitions[name]
            try:
                self.names[name] = evaluate(trees[name], self.names, self.functions)
            except NetlistError as error:
                raise located(error, definition.card, definition.text, definition.at, self.names) from None


def in_order(needs: Mapping[str, list[str]], definitions: Mapping[str, Definition]) -> list[str]:
    """The names, each after those it needs; without recursion, for chains of any length."""
    order: list[str] = []
    state: dict[str, int] = {}  # 1: being visited, 2: done
    for root in needs:
        stack = [(root, iter(needs[root]))] if root not in state else []
        state.setdefault(root, 1)
        while stack:
            name, rest = stack[-1]
            for other in rest:
                if other not in needs or state.get(other) == 2:
                    continue
                if state.get(other) == 1:
                    chain = [n for n, _ in stack]
                    loop = [*chain[chain.index(other) :], other]
                    definition = definitions[other]
                    cure = "A parameter can't depend on itself: " + " -> ".join(loop[:12])
                    raise definition.card.error(
                        f"parameter '{other}' is defined by itself", definition.at or None, cure
                    )
                state[other] = 1
                stack.append((other, iter(needs[other])))
                break
            else:
                state[name] = 2
                order.append(name)
                stack.pop()
    return order


def free_names(node: Node, functions: Mapping[str, Function]) -> set[str]:
    """Names an expression uses, also through the functions it calls."""
    names: set[str] = set()
    seen: set[str] = set()
    todo: list[tuple[Node, tuple[str, ...]]] = [(node, ())]
    while todo:
        node, bound = todo.pop()
        for part in walk(node):
            if isinstance(part, Name) and part.name not in bound:
                names.add(part.name)
            elif isinstance(part, Call) and part.function not in seen and part.function in functions:
                seen.add(part.function)
                function = functions[part.function]
                todo.append((function.body, function.arguments))
    return names


def located(
    error: NetlistError, card: Card, text: str = "", at: int | None = None, names: Names | None = None
) -> NetlistError:
    """The same error, with its place in the card: `text` was being read, `at` is where it stands."""
    if error.path is not None:
        return error
    if at is None and text:
        at = card.text.lower().find(text)
        at = None if at < 0 else at
    position = None if at is None else at + (error.column or 0)
    cure = error.cure
    if isinstance(error, UndefinedName) and cure is None:
        cure = suggest(error.name, names.every() if names is not None else (), f"Define it: .param {error.name}=...")
    result = card.error(error.what, position, cure)
    return result


def suggest(word: str, known, otherwise: str) -> str:
    """'Did you mean ...?' where a known name is close, else another sentence."""
    close = difflib.get_close_matches(word, list(known), 1)
    return f"Did you mean '{close[0]}'?" if close else otherwise
