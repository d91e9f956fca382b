"""The diode's charge: TT times its current, and depletion of the junction's floor and side walls (ngspice: dioload.c).

    transit time    TT (1 + TTT1 dT + TTT2 dT**2)
    floor           CJO area, VJ, M (1 + TM1 dT + TM2 dT**2) of at most 0.9, FC
    side walls      CJSW PJ, PHP, MJSW, FCS

dT counts from TNOM. With TLEVC=1 capacitances grow by CTA, CTP and potentials fall by TPB, TPHP per kelvin above 27
Celsius, whatever TNOM is; with TLEVC=0 both follow silicon's band gap. Potentials are at most 1 V over FC.
(ngspice takes the floor's f1 for the side walls too: their charge jumps where their forward bias is linearised, and
its transient may stop there. Here it doesn't jump.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf

from analogpnn.devices import depletion
from analogpnn.devices.depletion import DEPLETION
from analogpnn.devices.device import Device
from analogpnn.devices.storage import Stored
from analogpnn.units import T_NOMINAL

_FORWARD, _TAIL = "is*(exp(v/nvt) - 1)", "-is*(1 + (3*nvt/(2.718281828459045*v))**3)"
DIFFUSION = Device(
    "diffusion charge", current="0*v", charge=f"tt*(v >= -3*nvt ? {_FORWARD} : {_TAIL})",
    parameters=dict.fromkeys(("tt", "is", "nvt")), units={"tt": "s", "is": "A", "nvt": "V"},
)  # fmt: skip
BREAKDOWN_DIFFUSION = Device(
    "diffusion charge with breakdown", current="0*v",
    charge=f"tt*(v >= -3*nvt ? {_FORWARD} : v >= -bv ? {_TAIL} : -is*exp(-(bv + v)/nvtb))",
    parameters=dict.fromkeys(("tt", "is", "nvt", "bv", "nvtb")),
    units={"tt": "s", "is": "A", "nvt": "V", "bv": "V", "nvtb": "V"},
)  # fmt: skip


def stored(
    model: Mapping[str, float], instance: Mapping[str, float], law: Mapping[str, float], *, celsius: float, tnom: float
) -> Iterator[Stored]:
    """All of it, between ``anode`` and ``cathode`` (of the junction, behind RS); `law`: the junction's parameters."""
    tnom, m = model.get("tnom", tnom), instance.get("m", 1.0)
    change = celsius - tnom

    def given(*names: str, default: float = 0.0) -> float:
        return next((model[name] for name in names if name in model), default)

    def heat(first: float, second: float) -> float:
        return 1.0 + first * change + second * change * change

    if tt := given("tt") * heat(given("ttt1"), given("ttt2")):
        device = BREAKDOWN_DIFFUSION if "bv" in law else DIFFUSION
        yield Stored(device, "anode", "cathode", {"tt": tt, **law})
    linear = given("tlevc") == 1

    def junction(farads: float, vj: float, mj: float, fc: float, slopes: depletion.SLOPES) -> Iterator[Stored]:
        fc = min(fc, 0.95)
        if farads:
            nominal, most = T_NOMINAL if linear else tnom, 1.0 / fc if fc else inf
            own = slopes if linear else None
            values = depletion.parameters(farads * m, vj, mj, fc, celsius, nominal, own, most)
            yield Stored(DEPLETION, "anode", "cathode", values)

    farads = given("cjo", "cj0", "cj") * instance.get("area", 1.0)
    mj = min(given("m", "mj", default=0.5) * heat(given("tm1"), given("tm2")), 0.9)
    slopes = given("cta", "ctc"), given("tpb")
    yield from junction(farads, given("vj", "pb", default=1.0), mj, given("fc", default=0.5), slopes)
    farads, mj = given("cjsw", "cjp") * instance.get("pj", 0.0), given("mjsw", default=0.33)
    slopes = given("ctp"), given("tphp")
    yield from junction(farads, given("php", default=1.0), mj, given("fcs", default=0.5), slopes)
