"""What a colleague would say about a netlist: everything at once, not the first mistake alone.

Each check looks at one thing and yields findings; what is wrong so that no circuit comes of it is an *error*, what is
most likely not meant is a *warning*, what is merely left over is a *note*.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from analogpnn.circuit import topology
from analogpnn.circuit.element import Conditions, Element
from analogpnn.circuit.elements import ExpressionDevices, expand
from analogpnn.circuit.local import has_force
from analogpnn.circuit.selection import Trainable, select_inputs, select_outputs, select_trainables
from analogpnn.devices.device import Device
from analogpnn.errors import IgnoredWarning, NetlistError
from analogpnn.expression.evaluate import BUILT_IN, CONSTANTS
from analogpnn.netlist.cards import Card
from analogpnn.netlist.directives import Directive
from analogpnn.netlist.flat import Flat, FlatCard
from analogpnn.netlist.flatten import flatten
from analogpnn.netlist.netlist import Netlist
from analogpnn.netlist.split import WORD
from analogpnn.netlist.structure import Body, Structure, structure
from analogpnn.units import T_NOMINAL

MOST = 50
"""Most findings of one kind that are listed."""


@dataclass(frozen=True)
class Finding:
    """One remark.

    Parameters
    ----------
    severity : str
        ``'error'``, ``'warning'`` or ``'note'``.
    path, line
        Where (line None: no single place).
    what, cure : str
        What is the matter, and what to do about it.
    """

    severity: str
    path: str
    line: int | None
    what: str
    cure: str = ""

    def __str__(self) -> str:
        place = f"{self.path}, line {self.line}" if self.line else self.path
        return f"{place}: {self.severity}: {self.what}" + (f"\n  {self.cure}" if self.cure else "")


def lint(
    source: str | Path | Netlist,
    params: Mapping[str, float] | None = None,
    *,
    devices: Iterable[Device] = (),
    allow_include: Iterable[str | Path] = (),
) -> tuple[Finding, ...]:
    """Look a netlist over.

    Parameters
    ----------
    source : path or Netlist
    params, devices, allow_include
        As for `Circuit.from_netlist`.

    Returns
    -------
    tuple of Finding
        Errors first, then in the order of lines.

    Examples
    --------
    >>> for finding in lint(Netlist.from_text("t\\n.param unused=1\\nV1 a 0 1\\nR1 a b 1M\\nR2 a 0 1k\\n")):
    ...     print(finding.severity, finding.line, finding.what)
    warning 2 parameter 'unused' is used nowhere
    warning 4 r1: 1M is 0.001 ohm (M is milli)
    warning 4 node 'b' has one terminal only: r1
    """
    try:
        netlist = source if isinstance(source, Netlist) else Netlist.from_file(source, allow_include=allow_include)
        parts = structure(netlist)
    except NetlistError as error:
        return (_of_error(error, str(getattr(source, "path", source))),)
    found = [*_parameters(netlist, parts), *_duplicates(parts.top), *_shadows(parts.top), *_leftovers(parts)]
    try:
        flat = flatten(netlist, params)
    except NetlistError as error:
        found.append(_of_error(error, netlist.path))
    else:
        found += [*_units(flat), *_circuit(netlist, flat, devices)]
    unique = {(f.line, f.what, f.path): f for f in found}
    order = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(unique.values(), key=lambda f: (order[f.severity] > 0, f.line or 0, order[f.severity])))


def _of_error(error: NetlistError, path: str) -> Finding:
    return Finding("error", str(error.path or path), error.line, error.what, error.cure or "")


def _at(card: Card, severity: str, what: str, cure: str = "") -> Finding:
    return Finding(severity, card.path, card.line, what, cure)


def _on(card: FlatCard, severity: str, what: str, cure: str = "") -> Finding:
    return Finding(severity, card.path, card.line, what, cure)


def _bodies(body: Body) -> Iterator[Body]:
    yield body
    for inner in body.bodies.values():
        yield from _bodies(inner)


_NAME = re.compile(r"[a-z_][\w.#]*", re.ASCII)


def _parameters(netlist: Netlist, parts: Structure) -> Iterator[Finding]:
    """Parameters that no other text names."""
    used: Counter[str] = Counter()
    for card in netlist.cards:
        used.update(_NAME.findall(card.text.lower()))
    for directive in netlist.directives:
        used.update(_NAME.findall(directive.text.lower()))
    for body in _bodies(parts.top):
        for name, definition in {**body.formals, **body.parameters}.items():
            if used[name] < 2:
                yield _at(definition.card, "warning", f"parameter '{name}' is used nowhere", "Delete it, or use it.")


def _duplicates(top: Body) -> Iterator[Finding]:
    """Elements of one name in one body."""
    for body in _bodies(top):
        first: dict[str, Card] = {}
        for element in body.elements:
            name = element.text.split(None, 1)[0]
            if not element.when and name in first:
                what = f"there are two elements called '{name}'"
                yield _at(element.card, "error", what, f"The first is at line {first[name].line}.")
            first.setdefault(name, element.card)


def _shadows(top: Body) -> Iterator[Finding]:
    """Names that hide others."""
    for body in _bodies(top):
        outer: set[str] = set()
        around = body.parent
        while around is not None:
            outer |= {*around.parameters, *around.formals}
            around = around.parent
        for name, definition in body.parameters.items():
            if name in outer:
                what = f"parameter '{name}' of subcircuit '{body.name}' hides the one outside"
                yield _at(definition.card, "warning", what, "Give one of the two another name.")
        for name, definition in {**body.formals, **body.parameters}.items():
            if name in CONSTANTS or name in ("time", "temper", "hertz"):
                what = f"parameter '{name}' hides the {'constant' if name in CONSTANTS else 'quantity'} of that name"
                yield _at(definition.card, "warning", what, "Give it another name.")
        for name in body.functions:
            if name in BUILT_IN:
                path, line = (body.card.path, body.card.line) if body.card else ("", None)
                yield Finding("warning", path, line, f"function '{name}' hides the built-in one", "Rename it.")


def _leftovers(parts: Structure) -> Iterator[Finding]:
    """Models and subcircuits that nothing uses."""
    words: set[str] = set()
    for body in _bodies(parts.top):
        for element in body.elements:
            words.update(WORD.findall(element.text)[1:])
    for body in _bodies(parts.top):
        for name, models in body.models.items():
            if name not in words and not models[0].card.source.included:
                yield _at(models[0].card, "note", f"model '{name}' is used nowhere")
        if body.card is not None and body.name not in words and not body.card.source.included:
            yield _at(body.card, "note", f"subcircuit '{body.name}' is used nowhere")


_LETTER = re.compile(r"[+-]?[\d.]+(?:e[+-]?\d+)?(?P<suffix>[A-Za-z]*)\Z")
_USUAL = {"r": (1e-3, 1e13, "ohm"), "c": (1e-18, 1.0, "F"), "l": (1e-15, 1e3, "H")}


def _units(flat: Flat) -> Iterator[Finding]:
    """Values that are most likely another number than was meant."""
    for card in flat.cards:
        value = card.values.get(card.letter)
        if card.letter in _USUAL and value is not None and card.expression is None:
            words = card.text.split()
            match = _LETTER.match(words[3]) if len(words) > 3 else None
            suffix, at = (match["suffix"], match.start("suffix")) if match else ("", 0)
            low, high, unit = _USUAL[card.letter]
            if card.letter == "r" and suffix[:1] == "M" and suffix[:3].lower() not in ("meg", "mil"):
                what = f"{card.name}: {words[3]} is {value:g} ohm (M is milli)"
                yield _on(card, "warning", what, f"A megohm is written {words[3][:at]}Meg.")
            elif card.letter == "c" and suffix == "F":  # 20f in small letters is meant
                what = f"{card.name}: {words[3]} is {value:g} F (F is femto)"
                yield _on(card, "warning", what, "Leave the unit out, or write for example 1uF.")
            elif value < 0:
                yield _on(card, "warning", f"{card.name}: a negative value, {value:g} {unit}")
            elif value and not low <= value <= high:
                yield _on(card, "warning", f"{card.name}: {value:g} {unit} is an unusual value", "Check its suffix.")
        if card.letter == "m":
            for name in ("w", "l"):
                size = card.values.get(name, 1e-6)
                if not 1e-9 <= size <= 1e-1:
                    what = f"{card.name}: {name.upper()}={size:g} m is an unusual size"
                    yield _on(card, "warning", what, "Sizes are in metres: W=10u.")
        if card.letter in "vi" and abs(card.values.get("dc", 0.0)) > 1e6:
            yield _on(card, "warning", f"{card.name}: {card.values['dc']:g} {'V' if card.letter == 'v' else 'A'}?")


def _circuit(netlist: Netlist, flat: Flat, devices: Iterable[Device]) -> Iterator[Finding]:
    """What needs the elements: connections and directives."""
    options = flat.options
    conditions = Conditions(
        options.get("temp", T_NOMINAL), options.get("tnom", T_NOMINAL), options.get("gmin", 1e-12), options
    )
    expressions, known = ExpressionDevices(), {device.name.lower(): device for device in devices}
    elements: list[Element] = []
    errors = []
    with warnings.catch_warnings(record=True) as ignored:
        warnings.simplefilter("always", IgnoredWarning)
        for card in flat.cards:
            try:
                elements += expand(card, conditions, expressions, known)
            except NetlistError as error:
                errors.append(error)
    yield from (_of_error(error, netlist.path) for error in errors)
    for what in dict.fromkeys(w.message.what for w in ignored if isinstance(w.message, IgnoredWarning)):
        yield Finding("warning", netlist.path, None, what, "Check its spelling, or leave it out.")
    if not elements:
        yield Finding("error", netlist.path, None, "no elements: there is no circuit in it")
        return
    yield from _lonely(flat)
    yield from _connections(elements, netlist.path)
    yield from _directives(flat, elements)


def _lonely(flat: Flat) -> Iterator[Finding]:
    """Nodes with one terminal."""
    terminals: dict[str, list[FlatCard]] = {}
    for card in flat.cards:
        senses = card.controls if card.letter in "egs" else ()
        for node in dict.fromkeys((*card.nodes, *senses)):
            terminals.setdefault(node, []).append(card)
    watched = {
        name for d in flat.directives if d.word == "output" for name in re.split(r"[(),]", " ".join(d.arguments))
    }
    for node, cards in terminals.items():
        if node != "0" and len(cards) == 1 and node not in watched:
            what = f"node '{node}' has one terminal only: {cards[0].name}"
            yield _on(cards[0], "warning", what, "Check the spelling of the node.")


def _connections(elements: list[Element], path: str) -> Iterator[Finding]:
    """Every node without a DC path to ground, every loop of voltage sources."""
    left = list(elements)
    for _ in range(MOST):
        try:
            topology.check(left, path)
            return
        except NetlistError as error:
            yield _of_error(error, path)
            closing = re.match(r"'(.+?)' closes a loop", error.what)
            node = re.match(r"node '(.+?)' has no DC path", error.what)
            if closing:
                left = [e for e in left if e.name != closing[1]]
            elif node:
                left = [e for e in left if node[1] not in _nodes(e)]
            else:
                return
            if not left:
                return


def _nodes(e: Element) -> set[str]:
    return {e.positive, e.negative, *(x for c in e.controls if c.kind == "v" for x in (c.a, c.b))}


def _directives(flat: Flat, elements: list[Element]) -> Iterator[Finding]:
    """Directives that match nothing, or whose bounds exclude the card's value."""
    numbers: dict[str, int] = {"0": 0}
    for e in elements:
        for node in _nodes(e):
            numbers.setdefault(node, len(numbers))
    inputs: tuple[str, ...] = ()
    for directive in flat.directives:
        for argument in directive.arguments if directive.word in ("input", "output", "train") else ():
            one = replace(flat, directives=(replace(directive, arguments=(argument,)),))
            try:
                if directive.word == "input":
                    inputs += select_inputs(one)
                elif directive.word == "output":
                    select_outputs(one, numbers)
                else:
                    yield from _forceless(directive, select_trainables(one, elements, inputs)[0], elements)
            except NetlistError as error:
                yield _of_error(error, directive.path)


def _forceless(directive: Directive, trainables: Iterable[Trainable], elements: list[Element]) -> Iterator[Finding]:
    """Trainables that no local rule can train."""
    devices = {e.name: e.device for e in elements}
    seen: set[tuple[Device, str]] = set()
    for t in trainables:
        law = devices[t.element], t.law_parameter
        if law not in seen and not has_force(*law):
            what = f"'{t.name}' has no force: local rules such as coupled learning can't train it"
            cure = "Leave it out, or train by in-silico, spsa or finite-differences."
            yield Finding("warning", directive.path, directive.line, what, cure)
        seen.add(law)
