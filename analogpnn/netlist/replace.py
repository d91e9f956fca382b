"""The same netlist text with other numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from analogpnn.errors import NetlistError
from analogpnn.netlist.cards import Card
from analogpnn.netlist.netlist import Netlist
from analogpnn.netlist.parameters import suggest
from analogpnn.netlist.source_cards import KEYWORDS
from analogpnn.netlist.split import WORD, Assignment, top_level_words
from analogpnn.netlist.structure import Body, Element, ModelText, Structure, structure
from analogpnn.units import format_number

_CURE = "Export it as a deck instead (--to deck), which is written from the flattened circuit."
_LENGTHS = ("w", "l", "ad", "as", "pd", "ps")
_FLAGS = ("off", "noisy", "noise")
_INSTANCE = {
    "m": frozenset("m w l ad as pd ps nrd nrs temp dtemp off ic icvds icvgs icvbs delvto".split()),
    "d": frozenset("area m pj off ic temp dtemp".split()),
    "q": frozenset("area areab areac m off ic icvbe icvce temp dtemp".split()),
    "j": frozenset("area m off ic icvds icvgs temp dtemp".split()),
    "s": frozenset(("on",)),
    "w": frozenset(("on",)),
}


def replaced(netlist: Netlist, values: Mapping[tuple[str, str], float]) -> str:
    """The text of a netlist with other numbers in it; see `Netlist.with_values`."""
    parts = structure(netlist)
    elements = {element.text.split(None, 1)[0].partition("(")[0]: element for element in parts.top.elements}
    doubled = set()
    if any(element.when for element in parts.top.elements):
        names = [element.text.split(None, 1)[0] for element in parts.top.elements]
        doubled = {name for name, count in Counter(names).items() if count > 1}
    edits: list[tuple[int, int, str]] = []
    for (name, parameter), value in values.items():
        element = elements.get(name.lower())
        if element is None:
            what = f"'{name}' is not an element of the netlist's own text"
            if "." in name:
                what += ": it is inside a subcircuit, whose text other instances share"
            close = suggest(name.lower(), elements, "") if "." not in name else ""
            raise NetlistError(what, path=netlist.path, cure=close or _CURE)
        if name.lower() in doubled:
            raise element.error(f"'{name}' stands in several branches of an .if", 0, _CURE)
        card, start, end, text = _edit(element, parameter.lower(), format_number(value), parts)
        if card.source.included:
            raise card.error(f"'{name}' is in an included file, which is not rewritten", 0, _CURE)
        for k, (begin, stop) in enumerate(card.spans(start, end) if end > start else [_point(card, start)]):
            edits.append((begin, stop, "" if k else text))
    edits.sort()
    source, pieces, position = netlist.text, [], 0
    for begin, stop, text in edits:
        if begin < position:
            raise NetlistError("two values for one place of the netlist", path=netlist.path)
        pieces += [source[position:begin], text]
        position = stop
    return "".join([*pieces, source[position:]])


def _point(card: Card, at: int) -> tuple[int, int]:
    """An insertion at a position of a card, as a range of the source's text."""
    start, offset, _ = max(piece for piece in card.pieces if piece[0] <= at)
    return offset + at - start, offset + at - start


def _edit(element: Element, parameter: str, text: str, parts: Structure) -> tuple[Card, int, int, str]:
    """Card, range in its text, and the new text for one value."""
    letter, card = element.text[0], element.card
    if letter == "m" and parameter in _LENGTHS and any(name == "scale" for line in parts.options for name, _ in line):
        raise element.error("this element's lengths are scaled by .options scale", 0, _CURE)
    given = element.parts()[1]
    if letter in "vi" and parameter == "dc":
        return (card, *_dc(list(WORD.finditer(element.text)), text))
    for a in given:
        if a.name == parameter:
            return card, a.value_at, a.value_at + _first(a), text
    # the words that are no part of an assignment, and where they stand
    stop = given[0].at if given else len(element.text)
    words = [(word[0], word.start()) for word in WORD.finditer(element.text, 0, stop)]
    words += [(word, a.value_at + at) for a in given for word, at in list(top_level_words(a.value))[1:]]
    place = None
    if letter in "rcl" and parameter == letter:
        if any(a.name == "scale" for a in given):
            raise element.error("this element's value is scaled by scale=", 0, _CURE)
        place = next((w for w in words[3:] if w[0] not in parts.top.models and w[0] not in _FLAGS), None)
    elif parameter == "gain" and letter in "efgh":
        place = words[k] if len(words) > (k := 5 if letter in "eg" else 4) else None
    elif letter == "d" and parameter == "area":
        place = next((w for w in words[4:] if w[0] not in _FLAGS), None)
    if place is not None:
        return card, place[1], place[1] + len(place[0]), text
    if letter in _INSTANCE and parameter not in _INSTANCE[letter]:
        model = {"m": 5, "d": 3, "j": 4, "s": 5, "w": 4}.get(letter, 4)
        if letter == "q" and words[4][0] not in parts.top.models and len(words) > 5:
            model = 5  # a substrate node in between
        return _of_model(element, words[model][0], parameter, text, parts)
    return card, len(card.text), len(card.text), f" {parameter}={text}"


def _first(a: Assignment) -> int:
    """Length of an assignment's value, without the words behind it."""
    return len(next(iter(top_level_words(a.value)), ("", 0))[0])


def _dc(words, text: str) -> tuple[int, int, str]:
    """A source's DC value: after DC, or right after the nodes; put there if there is none."""
    for k, word in enumerate(words[3:], 3):
        if word[0] == "dc":
            if k + 1 < len(words) and words[k + 1][0] not in KEYWORDS:
                return words[k + 1].start(), words[k + 1].end(), text
            return word.end(), word.end(), " " + text
    if len(words) > 3 and words[3][0] not in KEYWORDS:
        return words[3].start(), words[3].end(), text
    return words[2].end(), words[2].end(), f" DC {text}"


def _of_model(element: Element, name: str, parameter: str, text: str, parts: Structure) -> tuple[Card, int, int, str]:
    found = parts.top.models.get(name, [])
    if len(found) != 1:
        where = "stands in several branches of an .if" if found else "is not in the text"
        raise element.error(f"the model of this element {where}: '{name}'", 0, _CURE)
    model: ModelText = found[0]
    users = [e for e in _elements(parts.top) if name in WORD.findall(e.text)]
    if len(users) > 1:
        what = f"'{parameter}' belongs to model '{name}', which other elements use too"
        raise element.error(what, 0, f"Give each element a .model of its own, or: {_CURE}")
    for a in model.assigned:
        if a.name == parameter:
            return model.card, a.value_at, a.value_at + _first(a), text
    end = len(model.card.text.rstrip())
    closed = model.card.text.rstrip().endswith(")") and "(" in model.card.text
    end -= 1 if closed else 0
    return model.card, end, end, f" {parameter}={text}"


def _elements(body: Body) -> Iterator[Element]:
    yield from body.elements
    for inner in body.bodies.values():
        yield from _elements(inner)
