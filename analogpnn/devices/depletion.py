"""The depletion charge of a pn junction, as ngspice computes it for diodes and for the junctions of all transistors.

q = CJ VJ (1 - (1 - v/VJ)**(1 - MJ)) / (1 - MJ)      below FC VJ
dq/dv = CJ (1 - FC (1 + MJ) + MJ v/VJ) / (1 - FC)**(1 + MJ)    above: the tangent of the capacitance there
"""

from __future__ import annotations

from math import inf

from analogpnn.devices.device import Device
from analogpnn.devices.silicon import REFERENCE, at_reference, at_temperature
from analogpnn.units import KELVIN

DEPLETION = Device(
    "depletion charge", current="0*v",
    charge="""cj*(v < edge ? vj*(1 - (1 - (v < edge ? v : 0)/vj)**(1 - mj))/(1 - mj)
        : f1 + (f3*(v - edge) + mj/(2*vj)*(v*v - edge*edge))/f2)""",
    parameters=dict.fromkeys(("cj", "vj", "mj", "edge", "f1", "f2", "f3")),
    units={"cj": "F", "vj": "V", "edge": "V"},
)  # fmt: skip
"""Between anode and cathode; the substrate junction of a bipolar transistor is the case FC = 0."""


SLOPES = tuple[float, float]
"""What ``TLEVC=1`` asks for: relative change of a capacitance [1/K], fall of its junction's potential [V/K]."""


def parameters(
    cj: float,
    vj: float,
    mj: float,
    fc: float,
    celsius: float,
    tnom: float,
    slopes: SLOPES | None = None,
    most: float = inf,
) -> dict[str, float]:
    """Law parameters at a temperature, from those of the model at its nominal one.

    Parameters
    ----------
    cj : float
        Capacitance without bias, of the whole junction [F].
    vj, mj, fc : float
        Junction potential [V], grading coefficient, where the forward bias is linearised (share of vj).
    celsius, tnom : float
        [Celsius]
    slopes : (float, float), optional
        For ``TLEVC=1``: CJ (1 + slopes[0] dT) and VJ - slopes[1] dT; left out, silicon's own formulas.
    most : float
        Where VJ at the temperature is cut off [V].
    """
    if slopes is None:
        vj, factor = _heated(vj, mj, celsius + KELVIN, tnom + KELVIN)
    else:
        change = celsius - tnom
        vj, factor = vj - slopes[1] * change, 1.0 + slopes[0] * change
    vj = min(vj, most)
    return {
        "cj": cj * factor, "vj": vj, "mj": mj, "edge": fc * vj,
        "f1": vj * (1 - (1 - fc) ** (1 - mj)) / (1 - mj), "f2": (1 - fc) ** (1 + mj), "f3": 1 - fc * (1 + mj),
    }  # fmt: skip


def _heated(vj: float, mj: float, kelvin: float, nominal: float) -> tuple[float, float]:
    """Junction potential at temperature, and the factor of the junction capacitance (ngspice: diotemp.c)."""
    if kelvin == nominal:
        return vj, 1.0

    plain = at_reference(vj, nominal)
    hot = at_temperature(plain, kelvin)
    old, new = (vj - plain) / plain, (hot - plain) / plain
    factor = (1 + mj * (400e-6 * (kelvin - REFERENCE) - new)) / (1 + mj * (400e-6 * (nominal - REFERENCE) - old))
    return hot, factor
