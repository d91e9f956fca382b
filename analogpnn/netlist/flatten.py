"""A netlist to its flat form: subcircuits expanded, every parameter a number, ngspice's flattened names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from analogpnn.errors import NetlistError
from analogpnn.expression import Probe
from analogpnn.expression.tree import walk
from analogpnn.garbage import collector_paused
from analogpnn.netlist.directives import Directive
from analogpnn.netlist.element_cards import read_element
from analogpnn.netlist.flat import Flat, FlatCard, Model
from analogpnn.netlist.instance import Instance
from analogpnn.netlist.netlist import Netlist
from analogpnn.netlist.parameters import Definition, Scope, suggest
from analogpnn.netlist.structure import Body, Element, Structure, structure
from analogpnn.units import T_NOMINAL, parse_number

__all__ = ["Directive", "Flat", "FlatCard", "Model", "flatten"]

MAX_ELEMENTS = 2_000_000
"""Most elements and instances a netlist may flatten to."""
MAX_DEPTH = 50
"""Deepest nesting of instances."""


@collector_paused()
def flatten(netlist: Netlist, params: Mapping[str, float] | None = None) -> Flat:
    """Expand subcircuits and evaluate parameters.

    Parameters
    ----------
    netlist : Netlist
    params : Mapping[str, float], optional
        Values for ``.param``s of the top level, in place of those in the text.

    Returns
    -------
    Flat

    Raises
    ------
    NetlistError
        Naming the line: for what is undefined, doubly defined, malformed, or recursive.

    Examples
    --------
    >>> flat = flatten(Netlist.from_text('''two dividers
    ... .param k=2
    ... .subckt divider a b r=1k
    ... R1 a b {r}
    ... R2 b 0 {k*r}
    ... .ends
    ... V1 in 0 1
    ... X1 in p divider
    ... X2 in q divider r=2k
    ... '''), {"k": 3})
    >>> [(c.name, *c.nodes, *c.values.values()) for c in flat.cards][:3]
    [('v1', 'in', '0', 1.0), ('r.x1.r1', 'in', 'p', 1000.0), ('r.x1.r2', 'p', '0', 3000.0)]
    """
    parts = structure(netlist)
    return _Flattening(netlist, parts).flat({name.lower(): float(v) for name, v in (params or {}).items()})


class _Flattening:
    def __init__(self, netlist: Netlist, parts: Structure):
        self.netlist, self.parts = netlist, parts
        self.cards: list[FlatCard] = []
        self.notes = [*netlist.notes, *parts.notes]
        self.initial: dict[str, float] = {}
        self.nodeset: dict[str, float] = {}
        self.count = 0
        self.owners: dict[str, Element] = {}

    def flat(self, params: dict[str, float]) -> Flat:
        top = self.parts.top
        scope = Scope()
        scope.functions.update(top.functions)
        scope.names["temper"] = self.temperature()
        unknown = [name for name in params if name not in top.parameters]
        if unknown:
            cure = suggest(unknown[0], top.parameters, f"It has: {' '.join(sorted(top.parameters)) or 'none'}.")
            raise NetlistError(f"the netlist has no .param '{unknown[0]}'", path=self.netlist.path, cure=cure)
        scope.names.update(params)
        scope.define({name: d for name, d in top.parameters.items() if name not in params})
        instance = Instance(top, scope, globals_=self.parts.globals)
        options = self.options(instance)
        instance.scale = options.pop("scale", 1.0)
        scope.names["temper"] = options.get("temp", scope.names["temper"])
        self.check_size(top)
        self.expand(instance, ())
        self.check_references()
        return Flat(
            title=self.netlist.title,
            cards=tuple(self.cards),
            directives=self.netlist.directives,
            options=options,
            initial=self.initial,
            nodeset=self.nodeset,
            notes=tuple(self.notes),
            path=self.netlist.path,
        )

    def temperature(self) -> float:
        """The temperature for ``temper`` in parameters, as far as it is a plain number."""
        for line in reversed(self.parts.options):
            for name, definition in line:
                if name == "temp":
                    try:
                        return parse_number(definition.text)
                    except ValueError:
                        return T_NOMINAL
        return T_NOMINAL

    def options(self, instance: Instance) -> dict[str, float]:
        """Numeric options: of several cards the last counts, within one card the first (as in ngspice)."""
        options: dict[str, float] = {}
        for line in self.parts.options:
            seen: set[str] = set()
            for name, definition in line:
                if name in seen:
                    continue
                seen.add(name)
                if definition.text[0].isalpha() and definition.text not in instance.scope.names:
                    note = f"line {definition.card.line}: option {name}={definition.text} is kept as text"
                    self.notes.append(note)
                    continue
                options[name] = instance.definition(definition)
        return options

    def check_size(self, top: Body) -> None:
        """Refuse before the work what would grow too large: two of two of two ..."""
        sizes: dict[int, int] = {}

        def size(body: Body, depth: int) -> int:
            if id(body) not in sizes:
                sizes[id(body)] = 0  # while it is open: that it contains itself is complained about later
                total = len(body.elements)
                for element in body.elements if depth < MAX_DEPTH else ():
                    if element.text[0] == "x" and not element.when and body.bodies_visible():
                        words = [word for word in element.parts()[0] if word != "params:"]
                        inner = body.find(words[-1])
                        total += size(inner, depth + 1) if inner is not None else 0
                sizes[id(body)] = total
            return sizes[id(body)]

        total = size(top, 0)
        if total > MAX_ELEMENTS:
            raise NetlistError(
                f"the netlist flattens to {total:.3g} elements, more than {MAX_ELEMENTS} elements",
                path=self.netlist.path, cure="Use fewer instances, or make the subcircuits smaller.",
            )  # fmt: skip

    def expand(self, instance: Instance, open_: tuple[str, ...]) -> None:
        """Add the cards of a body in use."""
        elements = instance.body.elements
        self.count += len(elements)
        if self.count > MAX_ELEMENTS:
            cure = "Use fewer, or make the subcircuits smaller."
            raise elements[0].card.error(f"the netlist flattens to more than {MAX_ELEMENTS} elements", 0, cure)
        for element in elements:
            if element.when and not instance.is_taken(element.when):
                continue
            if element.text[0] == "x":
                self.expand_instance(element, instance, open_)
            else:
                self.add(read_element(element, instance, self.notes), element)
            if not instance.path:
                element.split = None  # it won't be asked again: a million of them needn't keep their words
        for target, wanted in ((self.initial, instance.body.initial), (self.nodeset, instance.body.nodeset)):
            for node, definition in wanted:
                target[instance.node(node)] = instance.definition(definition)

    def add(self, card: FlatCard, element: Element) -> None:
        first = self.owners.setdefault(card.name, element)
        if first is not element:
            where = f"line {first.card.line}"
            if first.card.path != element.card.path:
                where = f"{first.card.path}, {where}"
            cure = f"The first is at {where}: {first.card.text[:80]}"
            raise element.error(f"there are two elements called '{card.name}'", 0, cure)
        self.cards.append(card)

    def expand_instance(self, element: Element, instance: Instance, open_: tuple[str, ...]) -> None:
        words, assigned = element.parts()
        words = [word for word in words if word != "params:"]
        if len(words) < 2:
            cure = f"Write: {words[0]} node node ... name [parameter=value ...]"
            raise element.error(f"'{words[0]}' names no subcircuit", 0, cure)
        name, outer = words[-1], words[1:-1]
        body = instance.body.find(name)
        values, extra = instance.values(element) if assigned else ({}, [])
        if extra:
            raise element.card.error(f"'{extra[0][0]}' is not expected here", extra[0][1], "Write name=value.")
        nodes = tuple([instance.node(node) for node in outer])
        if body is None:
            source = element.card
            flat_name = instance.element(words[0])
            if instance.multiplier != 1.0:
                values["m"] = values.get("m", 1.0) * instance.multiplier
            card = FlatCard(
                flat_name, "x", nodes, values, kind=name, path=source.path, line=source.line, text=source.text
            )
            self.add(card, element)
            return
        if len(nodes) != len(body.ports):
            what = f"'{words[0]}' has {len(nodes)} nodes, subcircuit '{name}' has {len(body.ports)}"
            raise element.error(what, 1, f"It is defined as: {_header(body)}")
        if name in open_ or len(open_) >= MAX_DEPTH:
            loop = " -> ".join([*open_[-8:], name])
            what = f"subcircuit '{name}' contains itself" if name in open_ else "subcircuits nest too deeply"
            raise element.error(what, 0, f"{loop}: a subcircuit can't be part of its own text.")
        multiplier = instance.multiplier
        if multiplier != 1.0:
            line = element.card.line
            self.notes.append(
                f"line {line}: {words[0]} is multiplied by the m of its instance; ngspice 39 drops that m"
            )
        if "m" in values and "m" not in body.formals:
            multiplier *= values.pop("m")
        path = instance.prefix + words[0]
        scope = self.scope_of(body, values, instance, element)
        inner = Instance(body, scope, path, dict(zip(body.ports, nodes)), instance, multiplier)
        self.expand(inner, (*open_, name))

    def scope_of(self, body: Body, values: dict[str, float], around: Instance, element: Element) -> Scope:
        """The parameters inside an instance: its own values, the defaults of others, the local ``.param``s.

        Values of the instance also replace local ``.param``s, as in ngspice.
        """
        scope = around.scope.inner()
        scope.functions.update(body.functions)
        definitions: dict[str, Definition] = {**body.formals, **body.parameters}
        for name in values:
            if name not in definitions:
                known = " ".join(definitions) or "none"
                at = next(a.at for a in element.parts()[1] if a.name == name)
                cure = suggest(name, definitions, f"Its parameters: {known}.")
                raise element.card.error(f"subcircuit '{body.name}' has no parameter '{name}'", at, cure)
        scope.names.update(values)
        if len(definitions) > len(values):
            scope.define({name: d for name, d in definitions.items() if name not in values})
        return scope

    def check_references(self) -> None:
        """Every controlling node and source exists."""
        readers = [card for card in self.cards if card.controls or card.expression is not None]
        if not readers:
            return
        nodes = {node for card in self.cards for node in card.nodes} | {"0"}
        open_ended = any(card.letter == "x" for card in self.cards)  # a user's device may have nodes inside
        for card in readers:
            if card.letter == "k":
                for name in card.controls:
                    self.check_inductor(card, name)
            elif card.letter in "fhw":
                for name in card.controls:
                    self.check_source(card, name)
            elif not open_ended:
                self.check_nodes(card, card.controls, nodes)
            if card.expression is None:
                continue
            for probe in walk(card.expression):
                if isinstance(probe, Probe) and probe.kind == "i":
                    self.check_source(card, probe.a)
                elif isinstance(probe, Probe) and not open_ended:
                    self.check_nodes(card, (probe.a, probe.b), nodes)

    def check_nodes(self, card: FlatCard, used: Iterable[str], nodes: set[str]) -> None:
        for node in used:
            if node not in nodes:
                cure = suggest(node, nodes, "Connect something to it, or correct the name.")
                raise self.owners[card.name].error(
                    f"'{card.name}' reads node '{node}', which does not exist", None, cure
                )

    def check_inductor(self, card: FlatCard, name: str) -> None:
        if name not in self.owners:
            cure = suggest(name, [c.name for c in self.cards if c.letter == "l"], "Name two L cards.")
            raise self.owners[card.name].error(f"'{card.name}' couples '{name}', which does not exist", None, cure)

    def check_source(self, card: FlatCard, source: str) -> None:
        if source not in self.owners:
            known = [c.name for c in self.cards if c.letter == "v"]
            cure = suggest(source, known, "Put a source of 0 V in series to measure a current: Vm a b 0")
            what = f"'{card.name}' reads the current of '{source}', which does not exist"
            raise self.owners[card.name].error(what, None, cure)


def _header(body: Body) -> str:
    return body.card.text[:100] if body.card is not None else ""
