"""Cards to bodies: what belongs to which subcircuit, before any number is known."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from analogpnn.errors import NetlistError
from analogpnn.expression import Function
from analogpnn.netlist.cards import Card, fold
from analogpnn.netlist.netlist import Netlist
from analogpnn.netlist.parameters import Definition, cached_parse, located, suggest
from analogpnn.netlist.split import (
    Assignment,
    assignments,
    top_level_words,
    word_position,
    words_and_assignments,
)

ANALYSES = frozenset(
    ".op .dc .tran .ac .print .plot .save .probe .measure .meas .four .fourier .noise .width .tf .sens .pz"
    " .disto .pss .sp .step .title .lin .hb .alter .data .csparam .backanno .wave".split()
)
"""Control cards that are kept as text: a netlist says what the circuit is, not what to do with it."""
CONDITIONALS = frozenset((".if", ".elseif", ".else", ".endif"))
MAX_CONDITIONS = 50
"""Deepest nesting of ``.if`` blocks."""
_FUNCTION = re.compile(r"\s*([a-z_][\w.#]*)\s*\(([^()]*)\)\s*(=(?!=))?\s*", re.ASCII)
_VOLTAGE = re.compile(r"v\s*\(\s*([^\s(),]+)\s*\)\s*=|\ball\s*=", re.ASCII)


@dataclass(slots=True, eq=False)
class Branch:
    """One branch of an ``.if`` block: taken if its `test` holds (None: ``.else``) and those `before` don't."""

    test: Definition | None
    before: tuple[Definition, ...] = ()


When = tuple[Branch, ...]
"""The branches around a card, the outermost first; all must be taken."""


@dataclass(slots=True, eq=False)
class Element:
    """An element's card, split once however often its subcircuit is used."""

    card: Card
    text: str  # in lower case
    when: When = ()
    split: tuple[list[str], list[Assignment]] | None = None

    def parts(self) -> tuple[list[str], list[Assignment]]:
        """Its words, and its assignments."""
        if self.split is None:
            try:
                split = words_and_assignments(self.text)
            except NetlistError as error:
                raise located(error, self.card, at=0) from None
            if not split[0]:
                raise self.card.error("an element's card starts with its name", 0, "Write for example R1 a b 1k")
            self.split = split
        return self.split

    def error(self, what: str, word: int | None = 0, cure: str | None = None) -> NetlistError:
        """An error at the k-th word."""
        return self.card.error(what, None if word is None else word_position(self.text, word), cure)


@dataclass(slots=True, eq=False)
class ModelText:
    """A ``.model`` card, its values not yet evaluated."""

    name: str
    type: str
    assigned: list[Assignment]
    card: Card
    stray: str = ""
    when: When = ()


@dataclass(slots=True, eq=False)
class Body:
    """What stands between ``.subckt`` and ``.ends``, or outside of all of these (then `name` is empty)."""

    name: str = ""
    card: Card | None = None
    parent: Body | None = None
    ports: tuple[str, ...] = ()
    formals: dict[str, Definition] = field(default_factory=dict)
    parameters: dict[str, Definition] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    models: dict[str, list[ModelText]] = field(default_factory=dict)  # several: of different branches of an .if
    bodies: dict[str, Body] = field(default_factory=dict)
    elements: list[Element] = field(default_factory=list)
    initial: list[tuple[str, Definition]] = field(default_factory=list)
    nodeset: list[tuple[str, Definition]] = field(default_factory=list)

    def bodies_visible(self) -> bool:
        """Whether any subcircuit can be meant here."""
        return bool(self.bodies) or (self.parent is not None and self.parent.bodies_visible())

    def find(self, name: str) -> Body | None:
        """The subcircuit of this name that is visible here."""
        body: Body | None = self
        while body is not None:
            if name in body.bodies:
                return body.bodies[name]
            body = body.parent
        return None


@dataclass(slots=True)
class Structure:
    """A netlist's cards, sorted."""

    top: Body = field(default_factory=Body)
    globals: set[str] = field(default_factory=set)
    options: list[list[tuple[str, Definition]]] = field(default_factory=list)
    ignored: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    when: When = ()  # the .if branches that are open
    opened: list[Card] = field(default_factory=list)  # the .if cards that are open


def structure(netlist: Netlist) -> Structure:
    """Sort the cards into bodies.

    Raises
    ------
    NetlistError
        For control cards that are malformed or have no meaning here; elements are looked at when used.
    """
    result = Structure()
    body = result.top
    for card in netlist.cards:
        text = fold(card.text)
        if text[0] != ".":
            body.elements.append(Element(card, text, result.when))
            continue
        word = text.split(None, 1)[0].partition("(")[0]
        try:
            if word in CONDITIONALS:
                _conditional(result, card, text, word)
            elif word in (".subckt", ".macro"):
                body = _open(body, card, text)
            elif word in (".ends", ".eom"):
                body = _close(body, card, text)
            elif word in _CARDS:
                _CARDS[word](result, body, card, text, len(word))
            elif word in ANALYSES:
                where = f"{card.line}" if not card.source.included else f"{card.path}:{card.line}"
                result.ignored.setdefault(word, []).append(where)
            else:
                raise _unknown(card, word)
        except NetlistError as error:
            raise located(error, card, at=0) from None
    if result.opened:
        raise result.opened[-1].error(".if is never closed", 0, "End the block with .endif")
    if body.parent is not None and body.card is not None:
        raise body.card.error(f".subckt '{body.name}' is never closed", 0, f"End it with .ends {body.name}")
    result.ignored.pop(".op", None)  # an operating point is found anyway
    for word, lines in result.ignored.items():
        some = ", ".join(lines[:8]) + (", ..." if len(lines) > 8 else "")
        result.notes.append(f"line{'s' if len(lines) > 1 else ''} {some}: {word} is kept as text and not acted on")
    return result


def _unknown(card: Card, word: str) -> NetlistError:
    known = [*_CARDS, *CONDITIONALS, ".subckt", ".ends", ".include", ".lib", ".end", *ANALYSES]
    otherwise = "Known: .param .func .model .subckt .ends .if .global .include .lib .options .temp .ic .nodeset .end"
    return card.error(f"there is no control card '{word}'", 0, suggest(word, known, otherwise))


def _conditional(result: Structure, card: Card, text: str, word: str) -> None:
    """``.if``, ``.elseif``, ``.else``, ``.endif``."""
    test = text[len(word) :].strip()
    definition = Definition(word, test, card, text.find(test, len(word))) if test else None
    if word == ".if":
        if definition is None:
            raise card.error(".if has no condition", 0, "Write .if (condition)")
        if len(result.opened) >= MAX_CONDITIONS:
            raise card.error(f"more than {MAX_CONDITIONS} .if blocks inside one another", 0)
        result.opened.append(card)
        result.when += (Branch(definition),)
        return
    if not result.opened:
        raise card.error(f"{word} without .if", 0, "Delete it, or open the block with .if (condition)")
    *outer, last = result.when
    if word == ".endif":
        result.opened.pop()
        result.when = tuple(outer)
        return
    if last.test is None:
        raise card.error(f"{word} after .else", 0, "The .else branch is the last of its block.")
    if word == ".elseif" and definition is None:
        raise card.error(".elseif has no condition", 0, "Write .elseif (condition)")
    result.when = (*outer, Branch(definition if word == ".elseif" else None, (*last.before, last.test)))


def _open(body: Body, card: Card, text: str) -> Body:
    words, given = words_and_assignments(text)
    words = [word for word in words[1:] if word != "params:"]
    if not words:
        raise card.error(".subckt has no name", 0, "Write .subckt name node node ... [parameter=default ...]")
    name, *ports = words
    if name in body.bodies:
        raise card.error(f".subckt '{name}' is defined twice", 0, f"The first is at line {_line(body.bodies[name])}.")
    if len(set(ports)) < len(ports):
        raise card.error(f".subckt '{name}' has a node twice", 0)
    formals = {a.name: Definition(a.name, _whole(a, card), card, a.value_at) for a in given}
    inner = Body(name, card, body, tuple(ports), formals)
    body.bodies[name] = inner
    return inner


def _line(body: Body) -> int:
    return body.card.line if body.card is not None else 0


def _close(body: Body, card: Card, text: str) -> Body:
    if body.parent is None:
        raise card.error(".ends without .subckt", 0, "Delete it, or put .subckt before the first of its cards.")
    words = text.split()
    if len(words) > 1 and words[1] != body.name:
        raise card.error(
            f".ends {words[1]} closes .subckt '{body.name}'",
            0,
            f"Write .ends {body.name} (opened at line {_line(body)})",
        )
    return body.parent


def _whole(a: Assignment, card: Card) -> str:
    if not a.value:
        raise card.error(f"nothing stands after '{a.name}='", a.at, f"Write {a.name}=value.")
    return a.value


def _param(result: Structure, body: Body, card: Card, text: str, start: int) -> None:
    function = _FUNCTION.match(text, start)
    if function and function[3]:
        _function(body, card, text, function)
        return
    if result.when:
        result.notes.append(f"line {card.line}: a .param inside .if counts whatever the condition says, as in ngspice")
    first, given = assignments(text, start)
    if not given or text[start:first].strip():
        raise card.error(".param has no name=value", start + 1, "Write .param name=value or .param name={expression}")
    for a in given:
        body.parameters[a.name] = Definition(a.name, _whole(a, card), card, a.value_at)  # the last one counts


def _func(result: Structure, body: Body, card: Card, text: str, start: int) -> None:
    function = _FUNCTION.match(text, start)
    if not function:
        raise card.error(".func has no name(arguments)", 0, "Write .func name(x,y) {expression}")
    _function(body, card, text, function)


def _function(body: Body, card: Card, text: str, match: re.Match) -> None:
    arguments = tuple(match[2].replace(",", " ").split())
    source = text[match.end() :].strip()
    if not source:
        raise card.error(f"function '{match[1]}' has no body", match.start(1), "Write .func name(x,y) {expression}")
    try:
        tree = cached_parse(source)
    except NetlistError as error:
        raise located(error, card, source, text.find(source, match.end())) from None
    body.functions[match[1]] = Function(match[1], arguments, tree)


def _model(result: Structure, body: Body, card: Card, text: str, start: int) -> None:
    match = re.compile(r"\s+([^\s(),={}'\"]+)\s+([^\s(),={}'\"]+)\s*").match(text, start)
    if not match:
        raise card.error(".model needs a name and a type", 0, "Write .model name type (parameter=value ...)")
    name, kind = match[1], match[2]
    assignments(text, start)  # for its complaint about brackets
    stop = len(text)
    begin = match.end()
    if text[begin:].startswith("(") and text.rstrip().endswith(")"):  # one bracket around all the parameters
        begin, stop = begin + 1, len(text.rstrip()) - 1
    first, given = assignments(text[:stop], begin)
    for other in body.models.get(name, ()):
        old = other.card
        if other.when != result.when:
            continue  # of another branch: which one counts is known when conditions have values
        if fold(old.text).split() == text.split():
            return
        raise card.error(
            f"model '{name}' is defined twice",
            match.start(1),
            f"The first is at {old.path}, line {old.line}.",
        )
    model = ModelText(name, kind, given, card, text[begin:first].strip(" ,\t"), result.when)
    body.models.setdefault(name, []).append(model)


def _global(result: Structure, body: Body, card: Card, text: str, start: int) -> None:
    result.globals.update(text[start:].replace(",", " ").split())


def _options(result: Structure, body: Body, card: Card, text: str, start: int) -> None:
    first, given = assignments(text, start)
    line = [(word, Definition(word, "1", card, at)) for word, at in top_level_words(text[start:first])]
    for a in given:
        value, *flags = top_level_words(_whole(a, card))
        line.append((a.name, Definition(a.name, value[0], card, a.value_at)))
        line += [(flag, Definition(flag, "1", card, a.value_at + at)) for flag, at in flags]
    result.options.append(line)


def _temp(result: Structure, body: Body, card: Card, text: str, start: int) -> None:
    words = list(top_level_words(text[start:].replace("=", " ")))
    if not words:
        raise card.error(".temp has no temperature", 0, "Write .temp 27 (degrees Celsius)")
    result.options.append([("temp", Definition("temp", words[0][0], card, start + words[0][1]))])


def _ic(result: Structure, body: Body, card: Card, text: str, start: int) -> None:
    marks = list(_VOLTAGE.finditer(text, start))
    if not marks or text[start : marks[0].start()].strip():
        raise card.error("no v(node)=value here", start, "Write .ic v(node)=value ... (.nodeset likewise)")
    target = body.initial if text.startswith(".ic") else body.nodeset
    for k, mark in enumerate(marks):
        raw = text[mark.end() : marks[k + 1].start() if k + 1 < len(marks) else len(text)]
        value = raw.strip(" \t,")
        if not value:
            raise card.error("nothing stands after '='", mark.start(), "Write v(node)=value")
        if mark[1]:
            at = mark.end() + len(raw) - len(raw.lstrip())
            target.append((mark[1], Definition(mark[1], value, card, at)))


_CARDS = {
    ".param": _param,
    ".func": _func,
    ".model": _model,
    ".global": _global,
    ".options": _options,
    ".option": _options,
    ".opt": _options,
    ".temp": _temp,
    ".ic": _ic,
    ".nodeset": _ic,
}
CONTROL_CARDS = tuple(_CARDS)
"""Control cards that are acted on, besides those that make blocks."""
