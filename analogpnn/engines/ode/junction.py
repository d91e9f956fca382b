"""Charges of native cards that do nothing at an operating point: the diode's diffusion and depletion charge.

As in ngspice's dioload: q = TT i(v) + CJ0 times the depletion integral, linearised above FC VJ. Capacitances of
transistors are not here; a model that asks for them is refused rather than run without.
"""

from __future__ import annotations

import numpy as np

from analogpnn.circuit.circuit import Circuit, Group
from analogpnn.circuit.supported import NOT_IN_TRANSIENTS
from analogpnn.devices.device import Device
from analogpnn.devices.diode import BREAKDOWN_DIODE, DIODE
from analogpnn.errors import NetlistError
from analogpnn.units import KELVIN, T_NOMINAL

_DEPLETION = """cj*(v < edge ? vj*(1 - (1 - (v < edge ? v : 0)/vj)**(1 - mj))/(1 - mj)
    : f1 + (f3*(v - edge) + mj/(2*vj)*(v*v - edge*edge))/f2)"""
_FORWARD, _TAIL = "is*(exp(v/nvt) - 1)", "-is*(1 + (3*nvt/(2.718281828459045*v))**3)"
_PARAMETERS = ("tt", "is", "nvt", "cj", "vj", "mj", "edge", "f1", "f2", "f3")
DIODE_CHARGE = Device(
    "diode charge", current="0*v", charge=f"tt*(v >= -3*nvt ? {_FORWARD} : {_TAIL}) + {_DEPLETION}",
    parameters=dict.fromkeys(_PARAMETERS),
)  # fmt: skip
BREAKDOWN_CHARGE = Device(
    "breakdown diode charge", current="0*v",
    charge=f"tt*(v >= -3*nvt ? {_FORWARD} : v >= -bv ? {_TAIL} : -is*exp(-(bv + v)/nvtb)) + {_DEPLETION}",
    parameters=dict.fromkeys((*_PARAMETERS, "bv", "nvtb")),
)  # fmt: skip
_CHARGE_OF = {DIODE: DIODE_CHARGE, BREAKDOWN_DIODE: BREAKDOWN_CHARGE}

_REFERENCE = 300.15  # K, where the silicon formulas below are anchored


def check_models(circuit: Circuit) -> None:
    """Raise NetlistError where a card asks for capacitances that are not known here."""
    for card in circuit.flat.cards:
        if card.letter in "cl" and card.expression is not None:
            raise NetlistError(
                f"'{card.name}' depends on voltages or currents, which is not part of the transient here",
                path=card.path, line=card.line, text=card.text,
                cure="make it a device of your own with charge=, or use --engine ngspice",
            )  # fmt: skip
        if card.model is None:
            continue
        for name in NOT_IN_TRANSIENTS.get(card.letter, ()):
            if card.model.values.get(name, 0.0) != 0.0:
                raise NetlistError(
                    f"model '{card.model.name}': the capacitance that {name.upper()} asks for is not part of the "
                    "transient here",
                    path=card.path, line=card.line, text=card.text,
                    cure=f"write the capacitances as C cards and leave {name.upper()} out, or use --engine ngspice",
                )  # fmt: skip


def diode_charges(circuit: Circuit) -> list[Group]:
    """The charges of all diodes whose model has TT or CJO, one group for each kind of diode there is."""
    found: dict[Device, list] = {}
    for card in circuit.flat.cards:
        if card.letter != "d" or card.model is None or card.name not in circuit.places:
            continue
        g, k = circuit.places[card.name]
        group = circuit.groups[g]
        values = _values(circuit, card, group, k)
        if values is not None and group.device in _CHARGE_OF:
            place = (group.positive[k], group.negative[k], group.columns[k])
            found.setdefault(_CHARGE_OF[group.device], []).append((f"{card.name}#charge", place, values))
    return [_group(device, rows) for device, rows in found.items()]


def _group(device: Device, rows: list) -> Group:
    names, places, values = zip(*rows)
    positive, negative, columns = np.array(places).T
    columns_of = tuple(np.array([v[p] for v in values]) for p in device.parameters)
    return Group(device, names, columns, positive, negative, positive[None, :], negative[None, :], columns_of, None)


def _values(circuit: Circuit, card, group: Group, k: int) -> dict[str, float] | None:
    m = card.model.values
    cj, tt = m.get("cjo", m.get("cj0", m.get("cj", 0.0))), m.get("tt", 0.0)
    if not cj and not tt:
        return None
    law = {name: float(column[k]) for name, column in zip(group.device.parameters, group.values)}
    celsius = card.values.get("temp", circuit.temperature + card.values.get("dtemp", 0.0))
    tnom = m.get("tnom", circuit.flat.options.get("tnom", T_NOMINAL))
    vj, mj = m.get("vj", m.get("pb", 1.0)), m.get("m", m.get("mj", 0.5))
    fc = min(m.get("fc", 0.5), 0.95)
    vj, factor = _heated(vj, mj, celsius + KELVIN, tnom + KELVIN)
    area = card.values.get("area", 1.0) * card.values.get("m", 1.0)
    return law | {
        "tt": tt, "cj": cj * factor * area, "vj": vj, "mj": mj, "edge": fc * vj,
        "f1": vj * (1 - (1 - fc) ** (1 - mj)) / (1 - mj), "f2": (1 - fc) ** (1 + mj), "f3": 1 - fc * (1 + mj),
    }  # fmt: skip


def _heated(vj: float, mj: float, kelvin: float, nominal: float) -> tuple[float, float]:
    """Junction potential at temperature, and the factor of the junction capacitance (ngspice: diotemp.c)."""
    if kelvin == nominal:
        return vj, 1.0
    k_by_q = 1.38064852e-23 / 1.6021766208e-19

    def gap(t):
        return 1.16 - 7.02e-4 * t * t / (t + 1108.0)

    def shift(t):
        arg = -gap(t) / (2 * k_by_q * t) + 1.1150877 / (2 * k_by_q * _REFERENCE)
        return -2 * k_by_q * t * (1.5 * np.log(t / _REFERENCE) + arg)

    ratio, ratio_nominal = kelvin / _REFERENCE, nominal / _REFERENCE
    plain = (vj - shift(nominal)) / ratio_nominal
    hot = ratio * plain + shift(kelvin)
    old = (vj - plain) / plain
    new = (hot - plain) / plain
    factor = (1 + mj * (400e-6 * (kelvin - _REFERENCE) - new)) / (1 + mj * (400e-6 * (nominal - _REFERENCE) - old))
    return float(hot), float(factor)
