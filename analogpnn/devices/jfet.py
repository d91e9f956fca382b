"""The junction field-effect transistor (Shichman and Hodges, with Parker and Skellern's B) as ngspice computes it.

The card expands into a channel, two gate junctions and the resistances that are not zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log
from typing import NamedTuple

from analogpnn.devices.device import Device
from analogpnn.units import KELVIN, thermal_voltage

CHANNEL = Device(
    "jfet channel",
    where={
        # Drain and source change places when the channel is reversed; p = +1 (NJF) or -1 (PJF) flips all signs.
        "turn": "p*vds >= 0 ? 1 : -1",
        "ds": "turn*p*vds",
        "over": "p*vgs - (p*vds >= 0 ? 0 : p*vds) - vto",
        "triode": "ds*(ds*(bfac*ds - b) + over*(2*b + 3*bfac*(over - ds)))",
    },
    current="p*m*turn*(over <= 0 ? 0 : beta*(1 + lambda*ds)*(over >= ds ? triode : over**2*(b + bfac*over)))",
    controls=("vgs", "vds"),
    parameters={"vto": None, "beta": None, "lambda": 0.0, "b": 1.0, "bfac": 0.0, "p": 1.0, "m": 1.0},
    units={"vto": "V", "beta": "A/V^2", "lambda": "1/V"},
    step=2.0,
)
"""BETA (1 + LAMBDA vds) (2 (vgs - VTO) - vds) vds in triode, BETA (1 + LAMBDA vds) (vgs - VTO)**2 beyond (B = 1)."""

MODEL = {
    "vto": -2.0, "vt0": -2.0, "beta": 1e-4, "lambda": 0.0, "rd": 0.0, "rs": 0.0, "is": 1e-14, "pb": 1.0, "b": 1.0,
    "tnom": 27.0, "tcv": 0.0, "vtotc": 0.0, "bex": 0.0, "betatce": 0.0, "xti": 0.0, "eg": 1.11, "n": 1.0,
}  # fmt: skip
SILENT = {
    "cgs", "cgd", "fc", "kf", "af", "nlev", "gdsnoi", "level", "vgs_max", "vgd_max", "vds_max", "pd_max", "te_max",
}  # fmt: skip


class Parts(NamedTuple):
    """What a card stands for: law parameters of channel and gate junctions, and the series resistances [ohm]."""

    channel: dict[str, float]
    gate: dict[str, float]
    drain_resistance: float
    source_resistance: float


def parameters(
    model: Mapping[str, float],
    instance: Mapping[str, float],
    *,
    sign: float,
    celsius: float,
    tnom: float,
    gmin: float,
) -> Parts:
    """Law parameters of channel and gate junctions and the two series resistances, from card and model."""
    value: dict[str, float] = {k: model.get(k, d) for k, d in MODEL.items()}
    area, m = instance.get("area", 1.0), instance.get("m", 1.0)
    nominal = model.get("tnom", tnom)
    change, ratio = celsius - nominal, (celsius + KELVIN) / (nominal + KELVIN)
    vt = thermal_voltage(celsius)
    vto = model.get("vto", value["vt0"])
    bfac = (1.0 - value["b"]) / (value["pb"] - vto) if value["b"] != 1.0 else 0.0
    vto += model["vtotc"] * change if "vtotc" in model else -value["tcv"] * change
    beta = value["beta"]
    beta *= 1.01 ** (model["betatce"] * change) if "betatce" in model else ratio ** value["bex"]
    saturation = value["is"] * exp((ratio - 1.0) * value["eg"] / vt + value["xti"] * log(ratio)) * area
    channel = {
        "vto": vto,
        "beta": beta * area,
        "lambda": value["lambda"],
        "b": value["b"],
        "bfac": bfac,
        "p": sign,
        "m": m,
    }
    gate = {"is": m * saturation, "nvt": vt, "gmin": m * gmin}
    return Parts(channel, gate, value["rd"] / area / m, value["rs"] / area / m)
