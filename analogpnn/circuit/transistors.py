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


def bipolar(card: FlatCard, conditions: Conditions) -> Iterator[Element]:
    """Transport current, base junctions, series resistances, substrate junction."""
    from analogpnn.devices import bjt  # its laws take a third of a second to read

    if card.model is None or card.model.type not in ("npn", "pnp"):
        raise error(card, f"'{card.name}' needs a model of type NPN or PNP", ".model name NPN(BF=100 IS=1e-15)")
    model = card.model.values
    level = model.get("level", 1)
    if level != 1:
        raise error(card, f"model '{card.model.name}' is of level {level:g}; known here: 1 (Gummel-Poon)")
    if "rco" not in model:  # without it ngspice looks at none of these
        model = {name: value for name, value in model.items() if name not in _QUASI_SATURATION}
    check_model(card, replace(card.model, values=model), bjt.MODEL, bjt.SILENT)
    if model.get("nkf", 0.5) != 0.5:
        raise error(card, f"model '{card.model.name}': NKF other than 0.5 is not known here")
    check_parameters(card, "area areab areac m off ic icvbe icvce temp dtemp")
    sign = 1.0 if card.model.type == "npn" else -1.0
    p = bjt.parameters(
        model, card.values, sign=sign, celsius=conditions.of(card), tnom=conditions.tnom, gmin=conditions.gmin
    )
    c, b, e = card.nodes[:3]
    if p.collector_resistance:
        c = f"{card.name}#collector"
        yield _resistance(card, "rc", card.nodes[0], c, p.collector_resistance)
    outer = b
    if p.base_resistance:
        b = f"{card.name}#base"
    if p.emitter_resistance:
        e = f"{card.name}#emitter"
        yield _resistance(card, "re", card.nodes[2], e, p.emitter_resistance)
    be, bc = Control("v", b, e), Control("v", b, c)
    if p.base_resistance and p.base is None:
        yield _resistance(card, "rb", outer, b, p.base_resistance)
    elif p.base is not None:
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
    if card.model is None or card.model.type not in ("njf", "pjf"):
        raise error(card, f"'{card.name}' needs a model of type NJF or PJF", ".model name NJF(VTO=-2 BETA=1e-4)")
    level = card.model.values.get("level", 1)
    if level != 1:
        raise error(card, f"model '{card.model.name}' is of level {level:g}; known here: 1")
    check_model(card, card.model, jfet_.MODEL, jfet_.SILENT)
    check_parameters(card, "area m off ic icvds icvgs temp dtemp")
    sign = 1.0 if card.model.type == "njf" else -1.0
    p = jfet_.parameters(
        card.model.values, card.values, sign=sign, celsius=conditions.of(card), tnom=conditions.tnom,
        gmin=conditions.gmin,
    )  # fmt: skip
    d, gate, s = card.nodes[:3]
    if p.drain_resistance:
        d = f"{card.name}#drain"
        yield _resistance(card, "rd", card.nodes[0], d, p.drain_resistance)
    if p.source_resistance:
        s = f"{card.name}#source"
        yield _resistance(card, "rs", card.nodes[2], s, p.source_resistance)
    yield Element(card.name, jfet_.CHANNEL, d, s, (Control("v", gate, s), Control("v", d, s)), p.channel, card)
    for end, node in (("gs", s), ("gd", d)):
        a, k = (gate, node) if sign > 0 else (node, gate)
        yield Element(f"{card.name}#{end}", diode.DIODE, a, k, (Control("v", a, k),), p.gate, card)


def switch(card: FlatCard, conditions: Conditions) -> Iterator[Element]:
    """Two conductances, chosen by a voltage or a current."""
    assert card.model is not None
    kind = card.model.type
    check_model(card, card.model, switches.MODEL[kind], set())
    law = switches.parameters(kind, card.model.values, on=card.values.get("on", 0.0) != 0, gmin=conditions.gmin)
    a, b = card.nodes[:2]
    chooses = Control("i", card.controls[0], "") if card.letter == "w" else Control("v", *card.controls[:2])
    yield Element(card.name, switches.SWITCH, a, b, (Control("v", a, b), chooses), law, card)


def coupling(card: FlatCard, conditions: Conditions) -> Iterator[Element]:
    """Coupled inductors: shorts at an operating point, coupled or not."""
    return iter(())
