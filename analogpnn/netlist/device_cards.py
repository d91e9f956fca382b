"""Cards that name a model: D, M, Q, J, S, W; and the coupling K."""

from __future__ import annotations

from analogpnn.netlist.card_parts import flat_card, nodes_of
from analogpnn.netlist.flat import FlatCard
from analogpnn.netlist.instance import Instance
from analogpnn.netlist.structure import Element

_JUNCTION_DEVICE = frozenset("area areab areac m off ic icvbe icvce icvds icvgs temp dtemp".split())


def diode(element: Element, instance: Instance, notes: list[str]) -> FlatCard:
    """``D1 a k model [area] [off] [ic=v]``"""
    words, assigned = element.parts()
    nodes = nodes_of(element, instance, words, 2, "a model")
    values, extra = instance.values(element) if assigned else ({}, [])
    model = instance.model(words[3], element, 3, ("d",))
    _area_and_off(element, instance, words[4:], extra, values)
    return flat_card(element, instance, words, nodes, values, model=model)


def _area_and_off(element: Element, instance: Instance, words: list[str], extra, values: dict[str, float]) -> None:
    """Words behind the model: an area, and ``off``."""
    for word, at in [(word, None) for word in words] + list(extra):
        if word == "off":
            values["off"] = 1.0
        elif "area" in values:
            raise element.card.error(f"'{word}' is not expected here", at or element.text.find(word), None)
        else:
            values["area"] = instance.number(element, word, at)


def mosfet(element: Element, instance: Instance, notes: list[str]) -> FlatCard:
    """``M1 d g s b model [off] [w= l= ...]``"""
    words, assigned = element.parts()
    nodes = nodes_of(element, instance, words, 4, "a model")
    values, extra = instance.values(element) if assigned else ({}, [])
    model = instance.model(words[5], element, 5)
    for word, at in [(word, None) for word in words[6:]] + list(extra):
        if word != "off":
            at = element.text.rfind(word) if at is None else at
            raise element.card.error(f"'{word}' is not expected here", at, "Parameters are name=value.")
        values["off"] = 1.0
    if instance.scale != 1.0:
        for names, factor in ((("w", "l", "pd", "ps"), instance.scale), (("ad", "as"), instance.scale**2)):
            values |= {name: values[name] * factor for name in names if name in values}
    return flat_card(element, instance, words, nodes, values, model=model)


def bipolar(element: Element, instance: Instance, notes: list[str]) -> FlatCard:
    """``Q1 c b e [substrate] model [area] [off]``: the model is the first word after three nodes that is one."""
    words, assigned = element.parts()
    nodes_of(element, instance, words, 3, "a model")
    place = next((k for k in (4, 5) if k < len(words) and instance.find_model(words[k])), 4)
    nodes = tuple(instance.node(word) for word in words[1:place])
    values, extra = instance.values(element, _JUNCTION_DEVICE) if assigned else ({}, [])
    model = instance.model(words[place], element, place, ("npn", "pnp"))
    _area_and_off(element, instance, words[place + 1 :], extra, values)
    return flat_card(element, instance, words, nodes, values, model=model)


def jfet(element: Element, instance: Instance, notes: list[str]) -> FlatCard:
    """``J1 d g s model [area] [off]``"""
    words, assigned = element.parts()
    nodes = nodes_of(element, instance, words, 3, "a model")
    values, extra = instance.values(element, _JUNCTION_DEVICE) if assigned else ({}, [])
    model = instance.model(words[4], element, 4, ("njf", "pjf"))
    _area_and_off(element, instance, words[5:], extra, values)
    return flat_card(element, instance, words, nodes, values, model=model)


def switch(element: Element, instance: Instance, notes: list[str]) -> FlatCard:
    """``S1 a b c+ c- model [on|off]`` and ``W1 a b source model [on|off]``; 'on' is the state to start from."""
    words, _ = element.parts()
    by_current = words[0][0] == "w"
    place = 4 if by_current else 5
    nodes = nodes_of(element, instance, words, place - 1, "a model")
    model = instance.model(words[place], element, place, ("csw",) if by_current else ("sw",))
    values = {}
    for k, word in enumerate(words[place + 1 :], place + 1):
        if word not in ("on", "off"):
            raise element.error(f"'{word}' is not expected here", k, "A switch starts 'on' or 'off'.")
        values["on"] = float(word == "on")
    if model.values.get("vh", model.values.get("ih", 0.0)) < 0:
        notes.append(f"line {element.card.line}: {words[0]} has a negative hysteresis, whose sign is not looked at")
    controls = (instance.element(words[3]),) if by_current else nodes[2:]
    return flat_card(element, instance, words, nodes[:2], values, model=model, controls=controls)


def coupling(element: Element, instance: Instance, notes: list[str]) -> FlatCard:
    """``K1 L1 L2 ... k``: inductors that share their flux; nothing at an operating point."""
    words, _ = element.parts()
    if len(words) < 4:
        raise element.error(f"'{words[0]}' needs two inductors and a coefficient", 0, f"Write {words[0]} L1 L2 0.99")
    for k, word in enumerate(words[1:-1], 1):
        if word[0] != "l":
            raise element.error(f"'{word}' is no inductor", k, f"Write {words[0]} L1 L2 0.99")
    value = instance.number(element, words[-1])
    if not -1.0 <= value <= 1.0:
        raise element.error(f"a coupling of {value:g} has no meaning", len(words) - 1, "It lies between -1 and 1.")
    controls = tuple(instance.element(word) for word in words[1:-1])
    return flat_card(element, instance, words, (), {"k": value}, controls=controls)
