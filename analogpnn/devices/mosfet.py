"""The level-1 MOSFET (Shichman and Hodges) as ngspice computes it at an operating point.

The card expands into a channel, two bulk junctions and two series resistors, each an element of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log, sqrt
from typing import NamedTuple

from analogpnn.devices.device import Device, Junction
from analogpnn.devices.silicon import at_reference, at_temperature, band_gap
from analogpnn.units import BOLTZMANN, CHARGE, KELVIN, thermal_voltage

_OVER = "max(0, over)"
_HALF = f"({_OVER} <= ds ? {_OVER}*(ds - {_OVER}/2) : ds**2/2)"
_GATE_FORCE = f"p*m*kp*w/leff*{_HALF}"
"""Integral of d i/d vgs over the channel voltage, sources of non-reciprocity (vbs, gs seen from s) held.

In triode d i/d vgs = beta vds, so the force is beta vds**2 / 2; beyond saturation it grows linearly.
An approximation: with its gate referred to ground the channel has no exact co-content.
"""

CHANNEL = Device(
    "mosfet channel",
    where={
        # Drain and source change places when the channel is reversed; p = +1 (NMOS) or -1 (PMOS) flips all signs.
        "turn": "p*vds >= 0 ? 1 : -1",
        "low": "p*vds >= 0 ? 0 : p*vds",
        "ds": "turn*p*vds",
        "gs": "p*vgs - low",
        "bs": "p*vbs - low",
        "body": "bs <= 0 ? sqrt(phi - (bs <= 0 ? bs : 0)) : max(0, sqrt(phi) - bs/(2*sqrt(phi)))",
        "over": "gs - (p*vto - gamma*sqrt(phi)) - gamma*body",
        "beta": "m*kp*w/leff*(1 + lambda*ds)",
    },
    current="p*turn*(over <= 0 ? 0 : over <= ds ? beta*over**2/2 : beta*ds*(over - ds/2))",
    controls=("vgs", "vds", "vbs"),
    parameters={
        "vto": None, "kp": None, "gamma": 0.0, "phi": 0.6, "lambda": 0.0, "w": None, "leff": None, "p": 1.0, "m": 1.0,
    },
    units={"vto": "V", "kp": "A/V^2", "w": "m", "leff": "m"},
    force={"vto": f"-({_GATE_FORCE})", "vgs": _GATE_FORCE},
    step=2.0,
)  # fmt: skip
"""Level-1 channel: i = KP W/Leff (1 + lambda vds) (vgs - vth - vds/2) vds in triode, square law in saturation.

Cut-off, saturation, triode; the threshold raised by the body effect.
"""

BULK = Device(
    "bulk junction",
    current="p*(p*v > -3*vt ? is*(exp(p*v/vt) - 1) : -is) + gmin*v",
    parameters={"is": None, "vt": None, "gmin": 1e-12, "p": 1.0},
    units={"is": "A", "vt": "V", "gmin": "S"},
    force={"is": "vt*(exp(p*v/vt) - 1) - p*v"},
    junctions=(Junction(0, "is", "vt", "p"),),
)
"""Bulk to drain or source. Constant below -3 Vt, unlike the diode's cubic tail: so ngspice has it."""

MODEL = {
    "vto": 0.0, "kp": 2e-5, "gamma": 0.0, "phi": 0.6, "lambda": 0.0, "rd": 0.0, "rs": 0.0, "rsh": 0.0, "is": 1e-14,
    "js": 0.0, "ld": 0.0, "tox": 0.0, "nsub": 0.0, "uo": 600.0, "u0": 600.0, "tpg": 1.0, "nss": 0.0, "tnom": 27.0,
    "level": 1,
}  # fmt: skip
SILENT = {
    "cbd", "cbs", "pb", "cgso", "cgdo", "cgbo", "cj", "mj", "cjsw", "mjsw", "fc", "kf", "af", "xj", "theta", "nlev",
    "gdsnoi", "vt0",
}  # fmt: skip


def process(model: Mapping[str, float], sign: float, tnom: float) -> dict[str, float]:
    """KP, GAMMA, PHI and VTO, computed from TOX and NSUB where the card gives those instead."""
    out: dict[str, float] = {k: model.get(k, d) for k, d in MODEL.items()}
    out["uo"] = model.get("uo", out["u0"])
    given = set(model)
    if "vto" not in given and "vt0" in given:
        out["vto"] = model["vt0"]
        given.add("vto")
    kelvin = tnom + KELVIN
    if not out["tox"]:
        return out
    cox = 3.9 * 8.854214871e-12 / out["tox"]
    if "kp" not in given:
        out["kp"] = out["uo"] * cox * 1e-4
    if not out["nsub"]:
        return out
    vt = BOLTZMANN * kelvin / CHARGE
    gap = band_gap(kelvin)
    if "phi" not in given:
        out["phi"] = max(0.1, 2 * vt * log(out["nsub"] * 1e6 / 1.45e16))
    fermi = sign * 0.5 * out["phi"]
    work = 3.2
    if out["tpg"] != 0:
        work = 3.25 + 0.5 * gap - sign * out["tpg"] * 0.5 * gap
    contact = work - (3.25 + 0.5 * gap + fermi)
    if "gamma" not in given:
        out["gamma"] = sqrt(2 * 11.70 * 8.854214871e-12 * CHARGE * out["nsub"] * 1e6) / cox
    if "vto" not in given:
        flat = contact - out["nss"] * 1e4 * CHARGE / cox
        out["vto"] = flat + sign * (out["gamma"] * sqrt(out["phi"]) + out["phi"])
    return out


class Parts(NamedTuple):
    """What a card stands for: law parameters of channel and bulk junctions, and the series resistances [ohm]."""

    channel: dict[str, float]
    bulk: dict[str, dict[str, float]]
    resistance: dict[str, float]


def parameters(
    model: Mapping[str, float],
    instance: Mapping[str, float],
    *,
    sign: float,
    celsius: float,
    tnom: float,
    gmin: float,
) -> Parts:
    """Law parameters of channel and junctions and the two series resistances, from card and model."""
    tnom = model.get("tnom", tnom)
    p = process(model, sign, tnom)
    m, w, l = instance.get("m", 1.0), instance.get("w", 1e-4), instance.get("l", 1e-4)
    vt = thermal_voltage(celsius)
    vto, kp, phi, saturation, density = p["vto"], p["kp"], p["phi"], p["is"], p["js"]
    if celsius != tnom:
        kelvin, nominal = celsius + KELVIN, tnom + KELVIN
        gap, gap_nominal = band_gap(kelvin), band_gap(nominal)
        hot_phi = at_temperature(at_reference(phi, nominal), kelvin)
        vbi = vto - sign * p["gamma"] * sqrt(phi) + 0.5 * (gap_nominal - gap) + sign * 0.5 * (hot_phi - phi)
        vto, phi = vbi + sign * p["gamma"] * sqrt(hot_phi), hot_phi
        kp /= (kelvin / nominal) ** 1.5
        grow = exp(-gap / vt + gap_nominal / thermal_voltage(tnom))
        saturation, density = saturation * grow, density * grow
    areas = instance.get("ad", 0.0), instance.get("as", 0.0)
    by_density = density and areas[0] and areas[1]
    drain, source = (density * a for a in areas) if by_density else (saturation, saturation)
    junction = {"vt": vt, "gmin": gmin, "p": sign}
    resistance = {}
    for end, name, squares in (("drain", "rd", "nrd"), ("source", "rs", "nrs")):
        ohms = p[name] if name in model and p[name] else p["rsh"] * instance.get(squares, 1.0)
        resistance[end] = ohms / m
    channel = {
        "vto": vto, "kp": kp, "gamma": p["gamma"], "phi": phi, "lambda": p["lambda"],
        "w": w, "leff": l - 2 * p["ld"], "p": sign, "m": m,
    }  # fmt: skip
    bulk = {"drain": {"is": m * drain, **junction}, "source": {"is": m * source, **junction}}
    return Parts(channel, bulk, resistance)
