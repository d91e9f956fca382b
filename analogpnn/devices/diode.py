"""The junction diode as ngspice computes it at an operating point."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log

from analogpnn.devices.device import Device, Junction
from analogpnn.units import KELVIN, thermal_voltage

# ngspice's dioload: Shockley's law down to -3 n Vt, a cubic tail below it, exponential breakdown below -bv,
# and gmin always in parallel (with 1e-14 A diodes in reverse, gmin carries most of the current).
DIODE = Device(
    "diode",
    current="""
        (v >= -3*nvt ? is*(exp(v/nvt) - 1)
         : v >= -bv ? -is*(1 + (3*nvt/(2.718281828459045*v))**3)
         : -is*exp(-(bv + v)/nvtb)) + gmin*v""",
    parameters={"is": None, "nvt": None, "gmin": 1e-12, "bv": 1e30, "nvtb": 1.0},
    units={"is": "A", "nvt": "V", "gmin": "S", "bv": "V", "nvtb": "V"},
    # Shockley's part of the co-content; the reverse tail adds less than Is * 3 nVt.
    force={"is": "nvt*(exp(v/nvt) - 1) - v"},
    junctions=(Junction(0, "is", "nvt"),),
)

MODEL = {
    "is": 1e-14, "js": 1e-14, "n": 1.0, "rs": 0.0, "eg": 1.11, "xti": 3.0, "bv": None, "ibv": 1e-3, "nbv": None,
    "tnom": None,
}  # fmt: skip
# These change nothing at an operating point.
SILENT = {
    "cjo", "cj0", "cj", "vj", "pb", "m", "mj", "tt", "fc", "fcs", "kf", "af", "cjp", "cjsw", "php", "mjsw", "level",
    "vp", "tm1", "tm2", "tt1", "tt2", "cta", "ctc", "ctp", "tcv", "trs", "trs1", "trs2", "fv_max", "bv_max", "id_max",
    "te_max", "pd_max", "rth0", "cth0", "tlev", "tlevc",
}  # fmt: skip


def parameters(
    model: Mapping[str, float], *, area: float, celsius: float, tnom: float, gmin: float
) -> tuple[dict[str, float], float]:
    """Law parameters and series resistance [ohm] from a ``.model D`` card.

    Saturation current at temperature T: IS (T/Tnom)**(XTI/N) exp((T/Tnom - 1) EG / (N Vt)).
    """
    value = {k: model.get(k, d) for k, d in MODEL.items()}
    n, vt = value["n"], thermal_voltage(celsius)
    saturation = model.get("is", model.get("js", MODEL["is"]))
    ratio = (celsius + KELVIN) / ((model.get("tnom", tnom)) + KELVIN)
    saturation *= area
    if ratio != 1.0:
        saturation *= exp((ratio - 1.0) * value["eg"] / (n * vt) + value["xti"] / n * log(ratio))
    law = {"is": saturation, "nvt": n * vt, "gmin": gmin}
    if value["bv"] is not None:
        nbv = value["nbv"] if value["nbv"] is not None else n
        law["bv"] = breakdown_voltage(value["bv"], value["ibv"] * area, saturation, nbv * vt)
        law["nvtb"] = nbv * vt
    return law, value["rs"] / area


def breakdown_voltage(bv: float, ibv: float, saturation: float, slope: float) -> float:
    """ngspice's matching of BV and IBV: the voltage at which the reverse exponential starts."""
    if ibv < saturation * bv / slope:
        return bv
    x = bv - slope * log(1.0 + ibv / saturation)
    for _ in range(25):
        x = bv - slope * log(ibv / saturation + 1.0 - x / slope)
        current = saturation * (exp((bv - x) / slope) - 1.0 + x / slope)
        if abs(current - ibv) <= 1e-3 * ibv:
            break
    return x
