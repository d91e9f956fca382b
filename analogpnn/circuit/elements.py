"""From a flattened card to the elements it stands for: what each native SPICE card means.

Every element has one branch and one law. A card may stand for several: a diode with series resistance is a
resistor and a junction, a MOSFET is a channel, two bulk junctions and up to two resistors. Internal nodes are named
as ngspice names them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache

import sympy

from analogpnn.circuit import transistors
from analogpnn.circuit.element import Conditions, Element
from analogpnn.circuit.element import check_model as _check_model
from analogpnn.circuit.element import check_parameters as _check_parameters
from analogpnn.circuit.element import error as _error
from analogpnn.circuit.element import own as _own
from analogpnn.devices import diode, linear, mosfet
from analogpnn.devices.device import Device
from analogpnn.devices.states import lowered
from analogpnn.expression import Call, Chain, Conditional, Control, Name, Node, Number, Unary, to_sympy
from analogpnn.netlist.flatten import FlatCard
from analogpnn.units import KELVIN


def expand(
    card: FlatCard, conditions: Conditions, expressions: ExpressionDevices, devices: Mapping[str, Device]
) -> Iterable[Element]:
    """The elements that a card stands for.

    Raises
    ------
    NetlistError
        If a model or parameter is one whose meaning at an operating point is not known here.
    """
    if card.letter == "x":
        return _user_device(card, devices)
    if card.expression is not None:
        return _behavioural(card, card.expression, conditions, expressions)
    reader = _READERS.get(card.letter)
    if reader is None:
        raise _error(card, f"no device for '{card.name}'", f"known cards: {' '.join(sorted(KNOWN)).upper()}")
    try:
        return tuple(reader(card, conditions))
    except (ArithmeticError, ValueError):  # overflow, a division by zero, the root of something negative
        raise _error(
            card, f"the formulas of '{card.name}' have no value with these numbers at {conditions.of(card):g} Celsius",
            "check its parameters and those of its model, and .options temp and tnom",
        ) from None  # fmt: skip


class ExpressionDevices:
    """Devices made from expressions, one per distinct law, so that equal B sources form one group."""

    def get(self, tree: sympy.Expr, controls: int, names: tuple[str, ...], is_voltage: bool) -> Device:
        return _expression_device(tree, controls, names, is_voltage)


@lru_cache(maxsize=1024)
def _expression_device(tree: sympy.Expr, controls: int, names: tuple[str, ...], is_voltage: bool) -> Device:
    # one for all circuits: the functions generated from a law are compiled once
    return Device(
        f"behavioural {'voltage' if is_voltage else 'current'}",
        current="" if is_voltage else tree,
        voltage=tree if is_voltage else "",
        controls=tuple(f"c{k}" for k in range(controls)),
        parameters=dict.fromkeys(names),
    )


def lift_numbers(expression: Node) -> tuple[Node, dict[str, float]]:
    """The tree with ``number0``, ``number1``, ... for its numbers that are no integers, and their values.

    Sources that differ in their numbers only then share one law, compiled once.

    >>> from analogpnn.expression import parse
    >>> lift_numbers(parse("0.5*v(a)^2"))[1]
    {'number0': 0.5}
    """
    values: dict[str, float] = {}

    def lifted(node: Node) -> Node:
        if isinstance(node, Number) and node.value != int(node.value):
            name = f"number{len(values)}"
            values[name] = node.value
            return Name(name)
        if isinstance(node, Chain) and node.rest[0][0] != "^":
            return Chain(lifted(node.first), tuple((op, lifted(right)) for op, right in node.rest))
        if isinstance(node, Chain):  # a power's slope is simplest if the exponent is a number
            return Chain(lifted(node.first), node.rest)
        if isinstance(node, Call) and node.function not in ("pow", "pwr", "pwl"):
            return Call(node.function, tuple(map(lifted, node.arguments)), node.column)
        if isinstance(node, Unary):
            return Unary(node.operator, lifted(node.operand))
        if isinstance(node, Conditional):
            return Conditional(lifted(node.test), lifted(node.yes), lifted(node.no))
        return node

    return lifted(expression), values


def _factor(card: FlatCard, conditions: Conditions) -> float:
    """1 + tc1 dT + tc2 dT**2, with the model's coefficients unless the card has its own."""
    model = card.model.values if card.model else {}
    dt = conditions.of(card) - model.get("tnom", conditions.tnom)
    tc1 = card.values.get("tc1", card.values.get("tc", model.get("tc1", 0.0)))
    tc2 = card.values.get("tc2", model.get("tc2", 0.0))
    return 1.0 + tc1 * dt + tc2 * dt * dt


def _resistor(card: FlatCard, conditions: Conditions) -> Iterable[Element]:
    ohms = card.values.get("r")
    if ohms is None:
        raise _error(card, f"'{card.name}' has no resistance", "write it after the two nodes: R1 a b 10k")
    a, b = card.nodes[:2]
    if card.model is None and len(card.values) == 1 and 0 < ohms < linear.OPEN:
        return (Element(card.name, linear.RESISTOR, a, b, (Control("v", a, b),), {"g": 1.0 / ohms}, card),)
    # ngspice takes a short for 1 mOhm; m copies in parallel, temperature and scale multiply the resistance.
    factor = _factor(card, conditions) * card.values.get("scale", 1.0)
    m = card.values.get("m", 1.0) / factor
    g = 0.0 if ohms >= linear.OPEN else 1.0 / (ohms or 1e-3)
    return (Element(card.name, linear.RESISTOR, a, b, _own(card), {"g": g, "m": m}, card),)


def _capacitor(card: FlatCard, conditions: Conditions) -> Iterator[Element]:
    farads = card.values.get("c", 0.0) * card.values.get("m", 1.0) * _factor(card, conditions)
    a, b = card.nodes[:2]
    yield Element(card.name, linear.CAPACITOR, a, b, _own(card), {"c": farads}, card)


def _inductor(card: FlatCard, conditions: Conditions) -> Iterator[Element]:
    henries = card.values.get("l", 0.0) / card.values.get("m", 1.0) * _factor(card, conditions)
    a, b = card.nodes[:2]
    yield Element(card.name, linear.INDUCTOR, a, b, (), {"l": henries}, card)


def _source(card: FlatCard, _: Conditions) -> Iterator[Element]:
    a, b = card.nodes[:2]
    values = {"dc": card.values.get("dc", 0.0)}
    if card.letter == "v":
        yield Element(card.name, linear.VOLTAGE_SOURCE, a, b, (), values, card)
    else:
        values["m"] = card.values.get("m", 1.0)
        yield Element(card.name, linear.CURRENT_SOURCE, a, b, (), values, card)


def _controlled(card: FlatCard, _: Conditions) -> Iterator[Element]:
    by_current = card.letter in "fh"
    _check_parameters(card, "gain ic" if card.letter in "eh" else "gain m ic")
    control = Control("i", card.controls[0], "") if by_current else Control("v", *card.controls[:2])
    device = {"e": linear.VCVS, "g": linear.VCCS, "h": linear.CCVS, "f": linear.CCCS}[card.letter]
    values = {"gain": card.values["gain"]}
    if "m" in device.parameters:
        values["m"] = card.values.get("m", 1.0)
    a, b = card.nodes[:2]
    yield Element(card.name, device, a, b, (control,), values, card)


def _diode(card: FlatCard, conditions: Conditions) -> Iterator[Element]:
    if card.model is None or card.model.type != "d":
        raise _error(card, f"'{card.name}' needs a model of type D", ".model name D(IS=1e-14 N=1)")
    _check_model(card, card.model, diode.MODEL, diode.SILENT, diode.MISSING)
    level = card.model.values.get("level", 1)
    if level not in (1, 3):
        raise _error(card, f"model '{card.model.name}' is of level {level:g}; known here: 1 and 3")
    # Level 3 computes its area from w and l.
    _check_parameters(card, "area m pj off ic temp dtemp thermal" + (" w l lm lp wm wp" if level == 1 else ""))
    area, m = card.values.get("area", 1.0), card.values.get("m", 1.0)
    if not area * m > 0:
        raise _error(card, f"'{card.name}' has area={area:g} m={m:g}: its junction vanishes", "write area > 0")
    law, ohms = diode.parameters(
        card.model.values, area=area, m=m, celsius=conditions.of(card), tnom=conditions.tnom, gmin=conditions.gmin
    )
    anode, cathode = card.nodes[:2]
    if ohms:
        inner = f"{card.name}#internal"
        own = (Control("v", anode, inner),)
        yield Element(f"{card.name}#rs", linear.RESISTOR, anode, inner, own, {"g": 1.0 / ohms}, card)
        anode = inner
    device = diode.BREAKDOWN_DIODE if "bv" in law else diode.DIODE
    yield Element(card.name, device, anode, cathode, (Control("v", anode, cathode),), law, card)


_MOSFET = "w l m ad as pd ps nrd nrs off ic icvds icvgs icvbs temp dtemp"


def _mosfet(card: FlatCard, conditions: Conditions) -> Iterator[Element]:
    if card.model is None or card.model.type not in ("nmos", "pmos"):
        raise _error(card, f"'{card.name}' needs a model of type NMOS or PMOS", ".model name NMOS(LEVEL=1 VTO=0.7)")
    level = card.model.values.get("level", 1)
    if level != 1:
        raise _error(
            card, f"model '{card.model.name}' is of level {level:g}; the fast engine knows level 1",
            "fit a level-1 card, or run the deck in ngspice itself",
        )  # fmt: skip
    _check_model(card, card.model, mosfet.MODEL, mosfet.SILENT, set())
    _check_parameters(card, _MOSFET)
    model, sign = card.model.values, 1.0 if card.model.type == "nmos" else -1.0
    for end in ("rd", "rs"):
        if model.get(end) == 0 and model.get("rsh"):
            raise _error(
                card, f"model '{card.model.name}': {end.upper()}=0 beside RSH leaves that end open in ngspice",
                f"leave {end.upper()} out, then RSH counts; or leave RSH out",
            )  # fmt: skip
    # ngspice 39 knows DEFAS too, but forgets it.
    sizes = {k: conditions.options[f"def{k}"] for k in ("w", "l", "ad", "m") if f"def{k}" in conditions.options}
    p = mosfet.parameters(
        model, {**sizes, **card.values}, sign=sign, celsius=conditions.of(card), tnom=conditions.tnom,
        gmin=conditions.gmin,
    )  # fmt: skip
    drain, gate, source, bulk = card.nodes[:4]
    inner = {"drain": drain, "source": source}
    for end in inner:
        ohms = p.resistance[end]
        if ohms:
            outside, inner[end] = inner[end], f"{card.name}#{end}"
            own = (Control("v", outside, inner[end]),)
            name = f"{card.name}#r{end[0]}"
            yield Element(name, linear.RESISTOR, outside, inner[end], own, {"g": 1.0 / ohms}, card)
    d, s = inner["drain"], inner["source"]
    controls = tuple(Control("v", x, s) for x in (gate, d, bulk))
    yield Element(card.name, mosfet.CHANNEL, d, s, controls, p.channel, card)
    for end in ("drain", "source"):
        own = (Control("v", bulk, inner[end]),)
        name = f"{card.name}#b{end[0]}"
        yield Element(name, mosfet.BULK, bulk, inner[end], own, p.bulk[end], card)


def _behavioural(
    card: FlatCard, expression: Node, conditions: Conditions, expressions: ExpressionDevices
) -> Iterator[Element]:
    controls: list[Control] = []
    expression, numbers = lift_numbers(expression)
    tree = to_sympy(expression, controls)
    if card.letter in "cl":  # open and short at an operating point, whatever the value
        yield _reactance(card)
        return
    if card.letter == "r":
        across = Control("v", card.nodes[0], card.nodes[1])
        if across not in controls:
            controls.append(across)
        tree = sympy.Symbol(f"c{controls.index(across)}", real=True) / tree
    names = tuple(sorted(s.name for s in tree.free_symbols if not _is_control(s.name, len(controls))))
    given = {**card.values, **numbers}
    missing = [n for n in names if n not in given and n not in ("time", "temper", "hertz")]
    if missing:
        raise _error(card, f"'{missing[0]}' is not defined", f".param {missing[0]}=...")
    values = {n: given.get(n, conditions.celsius if n == "temper" else 0.0) for n in names}
    factor = _multiplier(card, conditions)
    if factor != 1.0:
        tree, names, values = sympy.Symbol("m", real=True) * tree, (*names, "m"), {**values, "m": factor}
    device = expressions.get(tree, len(controls), names, card.letter in "beh" and card.kind == "v")
    a, b = card.nodes[:2]
    yield Element(card.name, device, a, b, tuple(controls), values, card)


def _reactance(card: FlatCard) -> Element:
    a, b = card.nodes[:2]
    if card.letter == "c":
        return Element(card.name, linear.BEHAVIOURAL_CAPACITOR, a, b, _own(card), {}, card)
    return Element(card.name, linear.BEHAVIOURAL_INDUCTOR, a, b, (), {}, card)


def _multiplier(card: FlatCard, conditions: Conditions) -> float:
    """What ngspice's asrcload multiplies a formula by, voltage or current: m (1 + tc1 dT + tc2 dT**2).

    dT counts from 27 Celsius whatever tnom is; reciproctc and reciprocm turn the factors over.
    """
    v = card.values
    if card.letter not in "br" and (coefficient := next((n for n in ("tc1", "tc2") if n in v), None)):
        raise _error(card, f"'{card.name}' has no parameter '{coefficient}'", "only a B source has: write it as one")
    dt = conditions.of(card) + KELVIN - 300.15
    heat = 1.0 + v.get("tc1", 0.0) * dt + v.get("tc2", 0.0) * dt * dt
    m = v.get("m", 1.0)
    if v.get("reciproctc") == 1 or card.letter == "r":  # a resistance grows, so its current falls
        heat = 1.0 / heat
    return heat * (1.0 / m if v.get("reciprocm") == 1 else m)


def _is_control(name: str, count: int) -> bool:
    return name.startswith("c") and name[1:].isdigit() and int(name[1:]) < count


def _user_device(card: FlatCard, devices: Mapping[str, Device]) -> Iterator[Element]:
    device = devices.get(card.kind)
    if device is None:
        raise _error(
            card, f"no subcircuit and no device called '{card.kind}'",
            "define it with .subckt, .include its file, or pass devices=[...] to Circuit.from_netlist",
        )  # fmt: skip
    extra = [n for n in card.values if n not in device.parameters]
    if extra:
        raise _error(card, f"device '{card.kind}' has no parameter '{extra[0]}'",
                     f"parameters: {', '.join(device.parameters)}")  # fmt: skip
    controls: tuple[Control, ...]
    if device.controls == ("v",):
        controls = _own(card)
        if len(card.nodes) != 2:
            raise _error(card, f"device '{card.kind}' has two terminals, the card names {len(card.nodes)}")
    else:
        # X1 n+ n- a b ...: one further pair of nodes for each control of the law.
        pairs = card.nodes[2:]
        if len(pairs) != 2 * len(device.controls):
            raise _error(
                card,
                f"device '{card.kind}' needs 2 + {2 * len(device.controls)} nodes, the card names {len(card.nodes)}",
                f"X1 n+ n- {' '.join(f'{c}+ {c}-' for c in device.controls)} {card.kind}",
            )  # fmt: skip
        controls = tuple(Control("v", a, b) for a, b in zip(pairs[::2], pairs[1::2]))
    a, b = card.nodes[:2]
    if not device.states:
        yield Element(card.name, device, a, b, controls, dict(card.values), card)
        return
    branch, states = lowered(device)
    controls += tuple(Control("v", f"{card.name}#{state}", "0") for state in states)
    yield Element(card.name, branch, a, b, controls, dict(card.values), card)
    for state, law in states.items():
        node = f"{card.name}#{state}"
        yield Element(node, law, node, "0", controls, dict(card.values), card)


_READERS: dict[str, Callable[[FlatCard, Conditions], Iterable[Element]]] = {
    "r": _resistor, "c": _capacitor, "l": _inductor, "v": _source, "i": _source, "e": _controlled, "f": _controlled,
    "g": _controlled, "h": _controlled, "d": _diode, "m": _mosfet,
    "q": transistors.bipolar, "j": transistors.jfet, "s": transistors.switch, "w": transistors.switch,
    "k": transistors.coupling,
}  # fmt: skip
KNOWN = (*_READERS, "b", "x")
"""First letters of the cards that have a meaning here."""
