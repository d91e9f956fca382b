"""The charges of a bipolar transistor (Gummel and Poon): transit times and depletion, as in ngspice's bjtload.

    forward   TF If (1 + XTF (If/(If + ITF))**2 exp(vbc/(1.44 VTF))) / qb     for vbe > 0, TF If below
    reverse   TR Ir
    depletion base to emitter, base to collector (XCJC of it behind RB, the rest in front), substrate

With TLEVC=1 the capacitances grow by CTE, CTC, CTS and the potentials fall by TVJE, TVJC, TVJS per kelvin above TNOM;
with TLEVC=0 both follow silicon's band gap.

Excess phase (PTF) is a delay of the transport current and not here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analogpnn.devices import depletion
from analogpnn.devices.bjt import QB, TRANSPORT, junction_current
from analogpnn.devices.depletion import DEPLETION
from analogpnn.devices.device import Device, Junction
from analogpnn.devices.storage import Stored

FORWARD = Device(
    "forward transit charge",
    current="0*vbe + 0*vbc",
    where={
        "forward": junction_current("(p*vbe)", "is", "nfvt"),
        "high": "xtf*exp(p*vbc*ovtf)*(itf > 0 ? forward/(forward + itf) : 1)**2",
        "qb": QB,
    },
    charge="p*m*tf*forward*(p*vbe > 0 ? (1 + high)/qb : 1)",
    controls=("vbe", "vbc"),
    parameters={**TRANSPORT.parameters, "tf": None, "xtf": None, "ovtf": None, "itf": None},
    units={**TRANSPORT.units, "tf": "s", "ovtf": "1/V", "itf": "A"},
    junctions=TRANSPORT.junctions,
)
"""Between base and emitter; grows with the collector current, and with vbc where XTF and VTF say so."""

REVERSE = Device(
    "reverse transit charge",
    current="0*v",
    charge=f"p*m*tr*{junction_current('(p*v)', 'isc', 'nrvt')}",
    parameters={"tr": None, "isc": None, "nrvt": None, "p": None, "m": None},
    units={"tr": "s", "isc": "A", "nrvt": "V"},
    junctions=(Junction(0, "isc", "nrvt", "p"),),
)


def stored(
    model: Mapping[str, float],
    instance: Mapping[str, float],
    transport: Mapping[str, float],
    vertical: bool,
    *,
    celsius: float,
    tnom: float,
) -> Iterator[Stored]:
    """All charges of a transistor.

    Between ``base``, ``collector``, ``emitter`` (behind their resistances), ``outer`` (the base in front of RB) and
    ``substrate``.

    Parameters
    ----------
    transport : mapping
        Parameters of the transport's law.
    vertical : bool
        Whether the substrate is at the collector, else at the base.
    """
    tnom = model.get("tnom", model.get("tref", tnom))
    area, m, sign = instance.get("area", 1.0), transport["m"], transport["p"]
    wide, narrow = instance.get("areab", area), instance.get("areac", area)
    if not vertical:
        wide, narrow = narrow, wide
    if tf := model.get("tf", 0.0):
        vtf = model.get("vtf", 0.0)
        high = {"xtf": model.get("xtf", 0.0), "ovtf": 1 / (1.44 * vtf) if vtf else 0.0,
                "itf": model.get("itf", 0.0) * area}  # fmt: skip
        controls = (("base", "emitter"), ("base", "collector"))
        yield Stored(FORWARD, "base", "emitter", {"tf": tf, **high, **transport}, controls)
    if tr := model.get("tr", 0.0):
        yield Stored(REVERSE, "base", "collector", {"tr": tr, **transport})

    fc = min(model.get("fc", 0.5), 0.9999)
    slopes = {end: (model.get(f"ct{end}", 0.0), model.get(f"tvj{end}", 0.0)) for end in "ecs"}

    def junction(
        a: str, k: str, end: str, farads: float, vj: float, mj: float, edge: float, forward: bool
    ) -> Iterator[Stored]:
        if farads:
            linear = slopes[end] if model.get("tlevc") == 1 else None
            values = depletion.parameters(farads * m, vj, min(mj, 0.999), edge, celsius, tnom, linear)
            yield Stored(DEPLETION, *((a, k) if forward else (k, a)), values)

    npn = sign > 0
    vje, mje = model.get("vje", model.get("pe", 0.75)), model.get("mje", model.get("me", 0.33))
    yield from junction("base", "emitter", "e", model.get("cje", 0.0) * area, vje, mje, fc, npn)
    vjc, mjc = model.get("vjc", model.get("pc", 0.75)), model.get("mjc", model.get("mc", 0.33))
    cjc, inner = model.get("cjc", 0.0) * wide, model.get("xcjc", 1.0)
    yield from junction("base", "collector", "c", cjc * inner, vjc, mjc, fc, npn)
    yield from junction("outer", "collector", "c", cjc * (1.0 - inner), vjc, mjc, fc, npn)
    vjs, mjs = model.get("vjs", model.get("ps", 0.75)), model.get("mjs", model.get("ms", 0.0))
    cjs = model.get("cjs", model.get("csub", model.get("ccs", 0.0))) * narrow
    at = "collector" if vertical else "base"
    yield from junction("substrate", at, "s", cjs, vjs, mjs, 0.0, npn == vertical)
