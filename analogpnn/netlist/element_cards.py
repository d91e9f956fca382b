"""One element's card, one flat card: what the words of each kind of element mean."""

from __future__ import annotations

import re

from analogpnn.errors import NetlistError
from analogpnn.expression import Node
from analogpnn.netlist import controlled_cards, device_cards
from analogpnn.netlist.card_parts import flat_card, nodes_of
from analogpnn.netlist.flat import FlatCard, Model
from analogpnn.netlist.instance import Instance
from analogpnn.netlist.parameters import suggest
from analogpnn.netlist.source_cards import read_source
from analogpnn.netlist.structure import Element
from analogpnn.units import parse_number

_UNSUPPORTED = dict(
    t="transmission lines", a="code models", n="Verilog-A devices", u="RC lines", y="lossy lines", o="lossy lines",
    z="MESFETs", p="coupled lines",
)  # fmt: skip
_PASSIVE = frozenset("m tc tc1 tc2 temp dtemp l w scale".split())
_PARAMETERS = {
    "r": _PASSIVE | {"r", "ac", "noisy", "noise"},
    "c": _PASSIVE | {"c", "ic"},
    "l": (_PASSIVE - {"w"}) | {"l", "ic", "nt"},
}
_VALUE_NAME = {"r": "resistance", "c": "capacitance", "l": "inductance"}
_RKM = re.compile(r"^[+-]?\d+(?:meg|[tgkmunpf])\d+$", re.ASCII)
SMALLEST_R = 1e-3
"""ngspice takes 1 mOhm for a resistance of zero [ohm]."""


def read_element(element: Element, instance: Instance, notes: list[str]) -> FlatCard:
    """The flat card of an element that is not a subcircuit.

    Raises
    ------
    NetlistError
    """
    letter = element.text[0]
    reader = _READERS.get(letter)
    if reader is None:
        raise _unsupported(element, letter)
    card = reader(element, instance, notes)
    if instance.multiplier != 1.0 and letter in "rcldmqjigfb" and not (letter == "b" and card.kind == "v"):
        if "m" in card.values:
            notes.append(f"line {card.line}: m of {card.name} and of its instance multiply; ngspice 39 drops one")
        card.values["m"] = card.values.get("m", 1.0) * instance.multiplier
    return card


def _unsupported(element: Element, letter: str) -> NetlistError:
    what = f"no device for '{element.card.text.split(None, 1)[0][:20]}'"
    if letter in _UNSUPPORTED:
        what += f": {_UNSUPPORTED[letter]} are not supported"
    known = " ".join(sorted(letter.upper() for letter in (*_READERS, "x")))
    return element.card.error(
        what, 0, f"known cards: {known}; a device of your own is instantiated as X1 h1 0 diode ..."
    )


def _passive(element: Element, instance: Instance, notes: list[str]) -> FlatCard:
    """R, C, L: a value, ``r=value``, an expression, a model name."""
    letter = element.text[0]
    words, assigned = element.parts()
    if len(words) == 4 and not assigned and words[3][0] in "123456789":
        value = _plain(words[3])
        if value is not None:  # by far the most common card
            card, name, node = element.card, words[0], instance.node
            return FlatCard(
                instance.element(name) if instance.path else name, letter, (node(words[1]), node(words[2])),
                {letter: value}, card.source.path, card.line, card.text,
            )  # fmt: skip
    nodes = nodes_of(element, instance, words, 2, "" if assigned or len(words) > 3 else "a value")
    values, extra = instance.values(element, _PARAMETERS[letter], (letter,)) if assigned else ({}, [])
    given: list[tuple[str, int | None]] = [(a.value, a.value_at) for a in assigned if a.name == letter]
    model: Model | None = None
    candidates: list[tuple[str, int | None]] = [(word, None) for word in words[3:]] + list(extra)
    for word, at in candidates:
        if word[0] not in "0123456789.+-{'" and (found := instance.find_model(word)) and model is None:
            model = instance.model(found[0].name, element, words.index(word) if at is None else 0)
        elif word not in ("noisy", "noise"):
            given.append((word, at))
    if len(given) > 1:
        word, at = given[1]
        at = element.text.find(word, element.text.find(given[0][0]) + len(given[0][0])) if at is None else at
        raise element.card.error(f"'{word}' is one value too many", at if at >= 0 else None, "Keep one value.")
    for name in ("l", "w"):
        if name in values and letter != "l":
            values[name] *= instance.scale
    expression: Node | None = None
    if given:
        text, at = given[0]
        if _RKM.search(text):
            notes.append(f"line {element.card.line}: {text} has digits after its suffix, which ngspice drops")
        if at is None and text[0].isalpha() and text not in instance.scope.names:
            _refuse_word(element, instance, text, words.index(text))
        given_value = instance.number_or_tree(element, text, at)
        if isinstance(given_value, float):
            values[letter] = given_value * values.pop("scale", 1.0)
        else:
            expression, bound = instance.bind(given_value, element, text, at)
            values |= bound
    elif model is not None:
        values[letter] = _from_model(element, letter, model, values)
    else:
        raise element.error(f"'{words[0]}' has no {_VALUE_NAME[letter]}", 0, f"Write {words[0]} node node value")
    if letter == "r" and expression is None and values["r"] == 0:
        values["r"] = SMALLEST_R
        notes.append(f"line {element.card.line}: {words[0]} is 0 ohm; taken as {SMALLEST_R} ohm, as in ngspice")
    return flat_card(element, instance, words, nodes, values, model=model, expression=expression)


def _plain(text: str) -> float | None:
    """A number without anything to remark on it, or None."""
    try:
        if text.isascii() and "_" not in text:
            return float(text)
    except ValueError:
        pass
    try:
        return None if _RKM.search(text) else parse_number(text)
    except ValueError:
        return None


def _refuse_word(element: Element, instance: Instance, text: str, k: int) -> None:
    known = [*instance.scope.names.every(), *instance.model_names()]
    cure = suggest(text, known, f"Define it: .param {text}=... or .model {text} ...")
    raise element.error(f"'{text}' is neither a number nor a parameter or model", k, cure)


def _from_model(element: Element, letter: str, model: Model, values: dict[str, float]) -> float:
    """The value by the model's geometry (ngspice: ressetup.c, captemp.c)."""
    p = model.values
    length = values.get("l", p.get("defl", p.get("l", 10e-6)))
    width = values.get("w", p.get("defw", p.get("w", 10e-6)))
    length, width = length - 2 * p.get("short", 0.0), width - 2 * p.get("narrow", 0.0)
    if letter == "r" and p.get("rsh"):
        if width == 0:
            raise element.error("the model makes this resistor's width 0", 0, "Give it w=..., or check narrow.")
        return p["rsh"] * length / width
    if letter == "c" and ("cj" in p or "cjsw" in p) and "l" in values:
        return p.get("cj", 0.0) * length * width + p.get("cjsw", 0.0) * 2 * (length + width)
    for name in {"r": ("r", "res"), "c": ("cap", "c"), "l": ("ind", "l")}[letter]:
        if name in p:
            return p[name]
    what = f"model '{model.name}' says nothing about this element's {_VALUE_NAME[letter]}"
    raise element.error(what, 0, "Give the element a value, or the model rsh=... and the element l=... w=...")


def _source(element: Element, instance: Instance, notes: list[str]) -> FlatCard:
    words, nodes, values, waveform = read_source(element, instance)
    return flat_card(element, instance, words, nodes, values, waveform=waveform)


_READERS = {
    "r": _passive,
    "c": _passive,
    "l": _passive,
    "v": _source,
    "i": _source,
    "d": device_cards.diode,
    "m": device_cards.mosfet,
    "q": device_cards.bipolar,
    "j": device_cards.jfet,
    "s": device_cards.switch,
    "w": device_cards.switch,
    "k": device_cards.coupling,
    "e": controlled_cards.voltage_controlled,
    "g": controlled_cards.voltage_controlled,
    "f": controlled_cards.current_controlled,
    "h": controlled_cards.current_controlled,
    "b": controlled_cards.behavioural,
}
LETTERS = (*_READERS, "x")
"""First letters of the cards that are read."""
