"""Bipolar transistors, JFETs and switches: the elements that their cards stand for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analogpnn.circuit.element import Conditions, Element, check_model, check_parameters, error
from analogpnn.devices import diode, linear
from analogpnn.devices import jfet as jfet_
from analogpnn.devices import switch as switches
from analogpnn.expression import Control
from analogpnn.netlist.flat import FlatCard

_QUASI_SATURATION = ("rco", "gamma", "vo", "qco", "quasimod")


def _resistance(card: FlatCard, part: str, outside: str, inside: str, ohms: float) -> Element:
    own = (Control("v", outside, inside),)
    return Element(f"{card.name}#{part}", linear.RESISTOR, outside, inside, own, {"g": 1.0 / ohms}, card)


def _series(card: FlatCard, terminal: int, inside: str, part: str, ohms: float) -> tuple[str, list[Element]]:
    """The node behind a terminal's series resistance, and that resistance; the terminal itself without one."""
    outside = card.nodes[terminal]
    if not ohms:
        return outside, []
    node = f"{card.name}#{inside}"
    return node, [_resistance(card, part, outside, node, ohms)]


def _sign(card: FlatCard, types: tuple[str, str], example: str, called: str = "") -> float:
    """1 for the first type of model, -1 for the second; refuses other types and levels."""
    if card.model is None or card.model.type not in types:
        raise error(card, f"'{card.name}' needs a model of type {' or '.join(types).upper()}", f".model name {example}")
    level = card.model.values.get("level", 1)
    if level != 1:
        raise error(card, f"model '{card.model.name}' is of level {level:g}; known here: 1{called}")
    return 1.0 if card.model.type == types[0] else -1.0


def bipolar(card: FlatCard, conditions: Conditions) -> Iterator[Element]:
    """Transport current, base junctions, series resistances, substrate junction."""
    from analogpnn.devices import bjt  # its laws take a third of a second to read

    sign = _sign(card, ("npn", "pnp"), "NPN(BF=100 IS=1e-15)", " (Gummel-Poon)")
    assert card.model is not None
    model = card.model.values
    if "rco" not in model:  # without it ngspice looks at none of these
        model = {name: value for name, value in model.items() if name not in _QUASI_SATURATION}
    check_model(card, replace(card.model, values=model), bjt.MODEL, bjt.SILENT, bjt.MISSING)
    if model.get("nkf", model.get("nk", 0.5)) != 0.5:
        raise error(card, f"model '{card.model.name}': NKF other than 0.5 is not known here")
    check_parameters(card, "area areab areac m off ic icvbe icvce temp dtemp")
    p = bjt.parameters(
        model, card.values, sign=sign, celsius=conditions.of(card), tnom=conditions.tnom, gmin=conditions.gmin
    )
    c, collector = _series(card, 0, "collector", "rc", p.collector_resistance)
    b, base = _series(card, 1, "base", "rb", p.base_resistance)
    e, emitter = _series(card, 2, "emitter", "re", p.emitter_resistance)
    be, bc = Control("v", b, e), Control("v", b, c)
    yield from (*collector, *emitter)
    if p.base is None:
        yield from base
    else:  # not a constant one
        outer = card.nodes[1]
        law = bjt.CROWDED_BASE_RESISTANCE if p.crowded else bjt.BASE_RESISTANCE
        yield Element(f"{card.name}#rb", law, outer, b, (Control("v", outer, b), be, bc), p.base, card)
    yield Element(card.name, bjt.TRANSPORT, c, e, (be, bc), p.transport, card)
    yield Element(f"{card.name}#be", bjt.BASE_JUNCTION, b, e, (be,), p.base_emitter, card)
    yield Element(f"{card.name}#bc", bjt.BASE_JUNCTION, b, c, (bc,), p.base_collector, card)
    substrate, inner = card.nodes[3] if len(card.nodes) > 3 else "0", c if p.vertical else b
    if substrate == inner:
        return
    # An N collector (or base) lies in a P substrate, and the other way round.
    a, k = (substrate, inner) if sign * (1.0 if p.vertical else -1.0) > 0 else (inner, substrate)
    if p.substrate["is"]:
        yield Element(f"{card.name}#sub", diode.DIODE, a, k, (Control("v", a, k),), p.substrate, card)
    elif p.substrate["gmin"]:
        yield _resistance(card, "sub", a, k, 1.0 / p.substrate["gmin"])


def jfet(card: FlatCard, conditions: Conditions) -> Iterator[Element]:
    """Channel, gate junctions, series resistances."""
    sign = _sign(card, ("njf", "pjf"), "NJF(VTO=-2 BETA=1e-4)")
    assert card.model is not None
    check_model(card, card.model, jfet_.MODEL, jfet_.SILENT, set())
    check_parameters(card, "area m off ic icvds icvgs temp dtemp")
    p = jfet_.parameters(
        card.model.values, card.values, sign=sign, celsius=conditions.of(card), tnom=conditions.tnom,
        gmin=conditions.gmin,
    )  # fmt: skip
    gate = card.nodes[1]
    d, drain = _series(card, 0, "drain", "rd", p.drain_resistance)
    s, source = _series(card, 2, "source", "rs", p.source_resistance)
    yield from (*drain, *source)
    yield Element(card.name, jfet_.CHANNEL, d, s, (Control("v", gate, s), Control("v", d, s)), p.channel, card)
    for end, node in (("gs", s), ("gd", d)):
        a, k = (gate, node) if sign > 0 else (node, gate)
        yield Element(f"{card.name}#{end}", diode.DIODE, a, k, (Control("v", a, k),), p.gate, card)


def switch(card: FlatCard, conditions: Conditions) -> Iterator[Element]:
    """Two conductances, chosen by a voltage or a current."""
    assert card.model is not None
    kind = card.model.type
    check_model(card, card.model, switches.MODEL[kind], set(), set())
    for name in ("ron", "roff"):
        if card.model.values.get(name) == 0:
            raise error(card, f"model '{card.model.name}' has {name}=0: a switch is never quite a short", f"{name}=1m")
    law = switches.parameters(kind, card.model.values, on=card.values.get("on", 0.0) != 0, gmin=conditions.gmin)
    a, b = card.nodes[:2]
    chooses = Control("i", card.controls[0], "") if card.letter == "w" else Control("v", *card.controls[:2])
    yield Element(card.name, switches.SWITCH, a, b, (Control("v", a, b), chooses), law, card)


def coupling(card: FlatCard, conditions: Conditions) -> Iterator[Element]:
    """Coupled inductors: shorts at an operating point, coupled or not."""
    return iter(())
