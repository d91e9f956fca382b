"""The charges and capacitances of native cards, as groups beside the circuit's own.

What each kind of card stores is written in `devices`; here its terminals get their numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from analogpnn.circuit.circuit import Circuit, Group
from analogpnn.circuit.supported import NOT_IN_TRANSIENTS
from analogpnn.devices import diode, diode_charge, gate_charge, meyer
from analogpnn.devices.device import Device
from analogpnn.devices.storage import Capacitance, Stored
from analogpnn.errors import NetlistError
from analogpnn.netlist.flat import FlatCard
from analogpnn.units import T_NOMINAL


@dataclass(frozen=True, eq=False)
class Link:
    """Parameters of charges that are other elements' too: ``own[places] = parameters[group][slot][sources]``.

    parameter names it in the charge's law, slot counts in the other group's.
    """

    parameter: str
    places: np.ndarray
    group: int
    slot: int
    sources: np.ndarray


@dataclass(frozen=True, eq=False)
class Storage:
    """All charges of one law: a group whose device has a charge, or that of a `Capacitance`, and what they follow."""

    law: Device | Capacitance
    group: Group
    links: tuple[Link, ...]


def check_models(circuit: Circuit) -> None:
    """Raise NetlistError where a card asks for something over time that is not known here."""
    for card in circuit.flat.cards:
        if card.letter in "cl" and card.expression is not None:
            raise NetlistError(
                f"'{card.name}' depends on voltages or currents, which is not part of the transient here",
                path=card.path, line=card.line, text=card.text,
                cure="make it a device of your own with charge=, or use --engine ngspice",
            )  # fmt: skip
        if card.model is None:
            continue
        model = card.model.values
        if card.letter in "dq" and model.get("tlevc", 0.0) not in (0.0, 1.0):
            raise NetlistError(
                f"model '{card.model.name}': there is no TLEVC={model['tlevc']:g}",
                path=card.path, line=card.line, text=card.text, cure="0: silicon's own formulas; 1: linear ones",
            )  # fmt: skip
        for name in NOT_IN_TRANSIENTS.get(card.letter, ()):
            if model.get(name, 0.0) != 0.0 and model.get("tf", 0.0) != 0.0:  # the phase is a share of TF
                raise NetlistError(
                    f"model '{card.model.name}': what {name.upper()} asks for is not part of the transient here",
                    path=card.path, line=card.line, text=card.text,
                    cure=f"leave {name.upper()} out, or use --engine ngspice",
                )  # fmt: skip


def card_charges(circuit: Circuit) -> list[Storage]:
    """What all native cards store, one record for each law there is."""
    found: dict[Device | Capacitance, list] = {}
    for card in circuit.flat.cards:
        reader = _READERS.get(card.letter)
        if reader is None or card.model is None or card.name not in circuit.places:
            continue
        g, k = circuit.places[card.name]
        for numbers, item in reader(circuit, card, circuit.groups[g], k):
            found.setdefault(item.law, []).append((f"{card.name}#charge", numbers, item, g, k))
    return [_storage(circuit, law, rows) for law, rows in found.items()]


def _law(group: Group, k: int) -> dict[str, float]:
    return {name: float(column[k]) for name, column in zip(group.device.parameters, group.values)}


def _temperature(circuit: Circuit, card: FlatCard) -> dict[str, float]:
    celsius = card.values.get("temp", circuit.temperature + card.values.get("dtemp", 0.0))
    return {"celsius": celsius, "tnom": circuit.flat.options.get("tnom", T_NOMINAL)}


Found = Iterator[tuple[dict[str, int], Stored]]


def _diode(circuit: Circuit, card: FlatCard, group: Group, k: int) -> Found:
    assert card.model is not None
    if group.device not in (diode.DIODE, diode.BREAKDOWN_DIODE):
        return
    numbers = {"anode": group.positive[k], "cathode": group.negative[k]}
    heat = _temperature(circuit, card)
    for item in diode_charge.stored(card.model.values, card.values, _law(group, k), **heat):
        yield numbers, item


def _channel(circuit: Circuit, card: FlatCard, group: Group, k: int) -> dict[str, int]:
    return {"gate": group.control_positive[0, k], "drain": group.positive[k], "source": group.negative[k]}


def _mosfet(circuit: Circuit, card: FlatCard, group: Group, k: int) -> Found:
    assert card.model is not None
    numbers = _channel(circuit, card, group, k) | {"bulk": group.control_positive[2, k]}
    options = circuit.flat.options
    sizes = {name: options[f"def{name}"] for name in ("ad", "m") if f"def{name}" in options}
    heat = _temperature(circuit, card)
    for item in meyer.stored(card.model.values, {**sizes, **card.values}, _law(group, k), **heat):
        yield numbers, item


def _jfet(circuit: Circuit, card: FlatCard, group: Group, k: int) -> Found:
    assert card.model is not None
    numbers, sign = _channel(circuit, card, group, k), 1.0 if card.model.type == "njf" else -1.0
    for item in gate_charge.stored(card.model.values, card.values, sign, **_temperature(circuit, card)):
        yield numbers, item


def _bipolar(circuit: Circuit, card: FlatCard, group: Group, k: int) -> Found:
    from analogpnn.devices import base_charge  # its laws take a third of a second to read

    assert card.model is not None
    model, law = card.model.values, _law(group, k)
    numbers = {
        "base": group.control_positive[0, k], "collector": group.positive[k], "emitter": group.negative[k],
        "outer": circuit.numbers[card.nodes[1]],
        "substrate": circuit.numbers[card.nodes[3] if len(card.nodes) > 3 else "0"],
    }  # fmt: skip
    vertical = model["subs"] == 1 if "subs" in model else law["p"] > 0
    for item in base_charge.stored(model, card.values, law, vertical, **_temperature(circuit, card)):
        yield numbers, item


_READERS: dict[str, Callable[[Circuit, FlatCard, Group, int], Found]] = {
    "d": _diode, "m": _mosfet, "j": _jfet, "q": _bipolar,
}  # fmt: skip


def _storage(circuit: Circuit, law: Device | Capacitance, rows: list) -> Storage:
    names, numbers, items, groups, places = zip(*rows)
    pairs = [item.controls or ((item.positive, item.negative),) for item in items]
    reads = np.array([[[n[a], n[b]] for a, b in pair] for n, pair in zip(numbers, pairs)], dtype=np.intp)
    ends = np.array([[n[item.positive], n[item.negative]] for n, item in zip(numbers, items)], dtype=np.intp)
    columns = circuit.groups[groups[0]].columns
    group = Group(
        law if isinstance(law, Device) else law.companion, tuple(names), columns[:0], ends[:, 0], ends[:, 1],
        reads[:, :, 0].T.copy(), reads[:, :, 1].T.copy(),
        tuple(np.array([float(item.values[p]) for item in items]) for p in law.parameters), None,
    )  # fmt: skip
    return Storage(law, group, tuple(_links(circuit, tuple(law.parameters), np.array(groups), np.array(places))))


def _links(circuit: Circuit, parameters: tuple[str, ...], groups: np.ndarray, places: np.ndarray) -> Iterator[Link]:
    for g in np.unique(groups).tolist():
        mine = np.flatnonzero(groups == g)
        slots = {name: slot for slot, name in enumerate(circuit.groups[g].device.parameters)}
        for name in parameters:
            if name in slots:
                yield Link(name, mine, g, slots[name], places[mine])
