"""A body in use: its nodes' and elements' flattened names, its numbers, its models."""

from __future__ import annotations

import re
from collections.abc import Iterable

from analogpnn.errors import NetlistError
from analogpnn.expression import Name, Node, Probe
from analogpnn.expression.evaluate import CONSTANTS, check_functions
from analogpnn.expression.tree import inline, transform, walk
from analogpnn.netlist.flat import Model
from analogpnn.netlist.parameters import Definition, Scope, cached_parse, located, suggest
from analogpnn.netlist.split import top_level_words
from analogpnn.netlist.structure import Body, Branch, Element, ModelText, When
from analogpnn.units import parse_number

FREE = ("time", "hertz")
"""Names in expressions that stay: they are quantities of an analysis."""
_TAKEN = frozenset("m tc tc1 tc2 temp dtemp ic ac r c l i v w gain area scale reciproctc reciprocm".split())
_RESERVED = re.compile(r"c\d+|number\d+", re.ASCII)  # what a law calls its controls and its numbers
_STARTS = {"m": ("icvgs", "icvbs"), "q": ("icvce",), "j": ("icvgs",)}
"""Keys of the second and third value of ``ic=``."""
LABELS = frozenset("mfg type vceo icrating iave vpk".split())
"""What LTspice's models say about the part, in words too; no equation uses it."""
_OPERATORS = "+-*/%^<>=!&|?:"


class Instance:
    """The netlist itself, or one use of a subcircuit.

    Parameters
    ----------
    body : Body
    scope : Scope
        Parameters and functions. Those of the circuit around are visible too: scoping is dynamic, as in
        ngspice.
    path : str
        Like ``'x1.x2'``; empty at the top.
    ports : dict
        Inner to flattened names of the nodes that come from outside.
    around : Instance or None
    multiplier : float
        Product of the m= of the instances around.
    """

    __slots__ = ("around", "body", "globals", "models", "multiplier", "nodes", "path", "prefix", "scale", "scope",
                 "taken")  # fmt: skip

    def __init__(self, body: Body, scope: Scope, path="", ports=None, around=None, multiplier=1.0, globals_=()):
        self.body, self.scope, self.path, self.around = body, scope, path, around
        self.nodes: dict[str, str] = {**(ports or {}), "0": "0", "gnd": "0"}  # inner to flattened names
        self.multiplier = multiplier
        self.globals = around.globals if around is not None else frozenset(globals_)
        self.scale: float = around.scale if around is not None else 1.0  # of lengths: .options scale
        self.prefix = path + "." if path else ""
        self.models: dict[str, Model] = {}
        self.taken: dict[Branch, bool] = {}

    def is_taken(self, when: When) -> bool:
        """Whether a card between ``.if`` and ``.endif`` counts in this instance."""
        for branch in when:
            if branch not in self.taken:
                taken = not any(self.definition(test) for test in branch.before)
                self.taken[branch] = taken and (branch.test is None or bool(self.definition(branch.test)))
            if not self.taken[branch]:
                return False
        return True

    def node(self, name: str) -> str:
        """The flattened name of a node: one string for all cards that name it, which is quick to look up later."""
        known = self.nodes.get(name)
        if known is None:
            known = self.nodes[name] = name if not self.path or name in self.globals else self.prefix + name
        return known

    def element(self, name: str) -> str:
        """The flattened name of an element, as ngspice has it: ``r.x1.r1``."""
        return f"{name[0]}.{self.prefix}{name}" if self.path else name

    def find_model(self, name: str) -> tuple[ModelText, Instance] | None:
        """A model by name, seen from here, and the instance whose parameters its values use.

        Models are scoped by the text (a subcircuit sees those of the text around its definition).
        """
        body: Body | None = self.body
        while body is not None:
            if name in body.models:
                owner: Instance | None = self
                while owner is not None and owner.body is not body:
                    owner = owner.around
                owner = owner or self
                for text in body.models[name]:
                    if not text.when or owner.is_taken(text.when):
                        return text, owner
            body = body.parent
        return None

    def model(self, name: str, element: Element, word: int, types: Iterable[str] = ()) -> Model:
        """The model of an element, evaluated."""
        found = self.find_model(name)
        if found is None:
            known = list(self.model_names())
            cure = suggest(name, known, f"Add .model {name} ..., or correct the name.")
            raise element.error(f"there is no .model '{name}'", word, cure)
        text, owner = found
        if types and text.type not in types:
            what = f"model '{name}' is of type {text.type}, not {' or '.join(types)}"
            raise element.error(what, word, f"It is defined at {text.card.path}, line {text.card.line}.")
        if name not in owner.models:
            owner.models[name] = _evaluated(text, owner)
        return owner.models[name]

    def model_names(self) -> Iterable[str]:
        body: Body | None = self.body
        while body is not None:
            yield from body.models
            body = body.parent

    def definition(self, definition: Definition) -> float:
        return self.scope.number(definition.text, definition.card, definition.at)

    def number(self, element: Element, text: str, at: int | None = None) -> float:
        """The value of a word or of an assignment's text."""
        try:
            return parse_number(text)
        except ValueError:
            return self.scope.number(text, element.card, at)

    def number_or_tree(self, element: Element, text: str, at: int | None = None) -> float | Node:
        """A number, or the tree of an expression of voltages, currents or time."""
        try:
            return parse_number(text)
        except ValueError:
            pass
        tree = self.tree(element, text, at)
        if any(isinstance(n, Probe) or (isinstance(n, Name) and n.name in FREE) for n in walk(tree)):
            return tree
        return self.scope.number(text, element.card, at)

    def tree(self, element: Element, text: str, at: int | None = None) -> Node:
        """An expression's tree, functions written out."""
        try:
            return inline(cached_parse(text), self.scope.functions)
        except NetlistError as error:
            raise located(error, element.card, text, at) from None
        except RecursionError:
            raise element.card.error("an expression is nested too deeply", at) from None

    def bind(self, tree: Node, element: Element, text: str, at: int | None = None) -> tuple[Node, dict[str, float]]:
        """An expression's tree with flattened nodes and sources, and the values of the names it uses.

        A parameter called like one of the element's own (m, r, ...) or like a constant (pi, e) gets a ``_``
        behind it, so that its value and the other have different keys.
        """
        names = self.scope.names
        values: dict[str, float] = {}
        new: dict[str, str] = {}
        used = {n.name for n in walk(tree) if isinstance(n, Name)}
        try:
            check_functions(tree)
        except NetlistError as error:
            raise located(error, element.card, text, at) from None
        for name in sorted(used - set(FREE)):
            if name in names:
                key = name
                while key in _TAKEN or key in CONSTANTS or _RESERVED.fullmatch(key) or (key != name and key in used):
                    key += "_"
                new[name] = key
                values[key] = names[name]
            elif name not in CONSTANTS:
                column = next(n.column for n in walk(tree) if isinstance(n, Name) and n.name == name)
                cure = suggest(name, names.every(), f"Define it: .param {name}=...")
                undefined = NetlistError(f"parameter '{name}' is not defined", column=column, cure=cure)
                raise located(undefined, element.card, text, at)

        def leaf(node: Node) -> Node:
            if isinstance(node, Name) and node.name in new:
                return Name(new[node.name], node.column)
            if isinstance(node, Probe):
                if node.kind == "i":
                    return Probe("i", self.element(node.a), "", node.column)
                return Probe("v", self.node(node.a), self.node(node.b), node.column)
            return node

        try:
            return transform(tree, leaf), values
        except RecursionError:
            raise element.card.error("an expression is nested too deeply", at) from None

    def values(
        self, element: Element, known: frozenset[str] | None = None, skip: Iterable[str] = ()
    ) -> tuple[dict[str, float], list[tuple[str, int]]]:
        """An element's ``name=value`` parameters.

        Parameters
        ----------
        known : frozenset of str, optional
            The names this kind of element has; others are refused.
        skip : iterable of str
            Names the caller reads itself.

        Returns
        -------
        dict of float
        list of (str, int)
            Words that stand between or behind the values (a flag like ``off``, a model), and where.
        """
        values: dict[str, float] = {}
        extra: list[tuple[str, int]] = []
        for name, text, at, value_at in element.parts()[1]:
            if known is not None and name not in known:
                cure = suggest(name, known, f"Known: {' '.join(sorted(known))}.")
                raise element.card.error(f"there is no parameter '{name}' here", at, cure)
            if not text:
                raise element.card.error(f"nothing stands after '{name}='", at, f"Write {name}=value.")
            if name in skip:
                continue
            if name in values:
                raise element.card.error(f"'{name}' is given twice", at, "Keep one of the two.")
            parts = [(text, 0)] if text.isalnum() else list(top_level_words(text))
            if len(parts) > 1 and (parts[1][0][0] in _OPERATORS or parts[0][0][-1] in _OPERATORS):
                parts = [(text, 0)]  # spaces inside an expression
            values[name] = self.number(element, parts[0][0], value_at)
            rest = parts[1:]
            if name == "tc":
                values["tc1"] = values.pop("tc")
                if rest:
                    values["tc2"] = self.number(element, rest[0][0], value_at + rest[0][1])
                    rest = rest[1:]
            elif name == "ic" and element.text[0] in _STARTS:
                for key, (word, offset) in zip(_STARTS[element.text[0]], rest):
                    if word[0].isdigit() or word[0] in "{'+-.":
                        values[key] = self.number(element, word, value_at + offset)
                        rest = rest[1:]
            extra += [(word, value_at + offset) for word, offset in rest]
        return values, extra


def _evaluated(text: ModelText, owner: Instance) -> Model:
    if text.stray:
        at = text.card.text.lower().find(text.stray)
        what = f"'{text.stray}' is no parameter of model '{text.name}'"
        raise text.card.error(what, at if at >= 0 else None, "Write name=value.")
    values = {}
    for name, value, at, value_at in text.assigned:
        if not value:
            raise text.card.error(f"nothing stands after '{name}='", at, f"Write {name}=value.")
        if name in LABELS:
            continue
        if name == "version" and not value.replace(".", "", 1).isdigit():
            continue  # 3.3.0 is no number, and no equation uses it
        values[name] = owner.scope.number(value, text.card, value_at)
    name = f"{owner.path}:{text.name}" if owner.path else text.name
    return Model(name, text.type, values, text.card.path, text.card.line)
