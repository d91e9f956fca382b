"""The junction diode as ngspice computes it at an operating point."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log

from analogpnn.devices.device import Device, Junction
from analogpnn.units import KELVIN, thermal_voltage

# ngspice's dioload: Shockley's law down to -3 n Vt, a cubic tail below it, exponential breakdown below -bv,
# and gmin always in parallel (with 1e-14 A diodes in reverse, gmin carries most of the current).
_FORWARD = "is*(exp(v/nvt) - 1)"
_TAIL = "-is*(1 + (3*nvt/(2.718281828459045*v))**3)"
_BREAKDOWN = "-is*exp(-(bv + v)/nvtb)"
_COMMON = {"is": None, "nvt": None, "gmin": 1e-12}
_UNITS = {"is": "A", "nvt": "V", "gmin": "S", "bv": "V", "nvtb": "V"}
# Shockley's part of the co-content; the reverse tail adds less than Is * 3 nVt.
_FORCE = {"is": "nvt*(exp(v/nvt) - 1) - v"}

DIODE = Device(
    "diode",
    current=f"(v >= -3*nvt ? {_FORWARD} : {_TAIL}) + gmin*v",
    parameters=_COMMON,
    units=_UNITS,
    force=_FORCE,
    junctions=(Junction(0, "is", "nvt"),),
)
BREAKDOWN_DIODE = Device(
    "breakdown diode",
    current=f"(v >= -3*nvt ? {_FORWARD} : v >= -bv ? {_TAIL} : {_BREAKDOWN}) + gmin*v",
    parameters={**_COMMON, "bv": None, "nvtb": None},
    units=_UNITS,
    force=_FORCE,
    junctions=(Junction(0, "is", "nvt"),),
)
"""The same with a breakdown voltage: a device of its own, so that others don't pay for its exponential."""

IDEAL_DIODE = Device(
    "ideal diode", DIODE.current, parameters=_COMMON, units=_UNITS, force=_FORCE, junctions=DIODE.junctions
)
"""No drop or no current (complementarity) where the layered engine solves it, else the sharp diode of its model."""

MODEL = {
    "is": 1e-14, "js": 1e-14, "n": 1.0, "rs": 0.0, "trs": 0.0, "trs1": 0.0, "trs2": 0.0, "eg": 1.11, "xti": 3.0,
    "bv": None, "ibv": 1e-3, "nbv": None, "tcv": 0.0, "tlev": 0, "tnom": None, "level": 1,
}  # fmt: skip
# These change nothing at an operating point.
SILENT = {
    "cjo", "cj0", "cj", "vj", "pb", "m", "mj", "tt", "fc", "fcs", "kf", "af", "cjp", "cjsw", "php", "mjsw",
    "vp", "tm1", "tm2", "tt1", "tt2", "ttt1", "ttt2", "cta", "ctc", "ctp", "tpb", "tphp", "fv_max", "bv_max", "id_max",
    "te_max", "pd_max", "rth0", "cth0", "tlevc",
}  # fmt: skip
MISSING = {
    "ik", "ikf", "ikr", "isr", "jsw", "jtun", "jtunsw", "keg", "lm", "lp", "nr", "ns", "ntun", "tref", "tvj", "wm",
    "wp", "xm", "xoi", "xom", "xp", "xtitun", "area", "pj",
}  # fmt: skip
"""Parameters that ngspice knows and that are missing here."""
SMALLEST = 1e-28
"""ngspice's ``epsmin``: smaller saturation currents are taken for this one [A]."""


def parameters(
    model: Mapping[str, float], *, area: float, m: float = 1.0, celsius: float, tnom: float, gmin: float
) -> tuple[dict[str, float], float]:
    """Law parameters and series resistance [ohm] from a ``.model D`` card.

    Saturation current at temperature T: IS (T/Tnom)**(XTI/N) exp((T/Tnom - 1) EG / (N Vt)).
    """

    def value(name: str, default: float) -> float:
        return model.get(name, default)

    n, vt = value("n", 1.0), thermal_voltage(celsius)
    tnom = value("tnom", tnom)
    ratio, dt = (celsius + KELVIN) / (tnom + KELVIN), celsius - tnom
    saturation = max(value("is", value("js", 1e-14)), SMALLEST) * area * m
    if ratio != 1.0:
        saturation *= exp((ratio - 1.0) * value("eg", 1.11) / (n * vt) + value("xti", 3.0) / n * log(ratio))
    law = {"is": saturation, "nvt": n * vt, "gmin": gmin}
    if "bv" in model:
        shift = value("tcv", 0.0) * dt
        bv = model["bv"] - shift if value("tlev", 0) == 0 else model["bv"] * (1.0 - shift)
        ibv = value("ibv", 1e-3) * m * (area if value("level", 1) == 3 else 1.0)
        slope = value("nbv", n) * vt
        law |= {"bv": breakdown_voltage(bv, ibv, saturation, slope, vt), "nvtb": slope}
    heat = 1.0 + value("trs1", value("trs", 0.0)) * dt + value("trs2", 0.0) * dt * dt
    return law, value("rs", 0.0) * heat / (area * m)


def breakdown_voltage(bv: float, ibv: float, saturation: float, slope: float, vt: float) -> float:
    """ngspice's matching of BV and IBV: the voltage at which the reverse exponential starts.

    ngspice's diotemp, its loop run to the end (there it stops at reltol).
    """
    if ibv < saturation * bv / vt:
        return bv
    x = bv - slope * log(1.0 + ibv / saturation)
    for _ in range(25):
        x = bv - slope * log(ibv / saturation + 1.0 - x / vt)
    return x
