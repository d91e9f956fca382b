"""The capacitances of a level-1 MOSFET: Meyer's at the gate, overlaps, and the bulk junctions' depletion charge.

Meyer's model (RCA Review 32, 42 (1971)) divides the oxide's capacitance between source, drain and bulk. The three
capacitances depend on all voltages and are no derivatives of one charge, so charge is not conserved around a cycle;
ngspice adds C dv from step to step, and here C(v) dv/dt is integrated, which is the limit of that for short steps.

With over = vgs - von, sat = max(over, 25 mV), in units of COX = EPSOX/TOX W Leff (ngspice: DEVqmeyer in devsup.c):

    full   2/3 above threshold, falling to 0 at over = -phi/2
    cgs    full (1 - ((sat - vds)/(2 sat - vds))**2) in triode, full beyond
    cgd    full (1 - (sat/(2 sat - vds))**2) in triode, 0 beyond
    cgb    0 above threshold, rising to 1 at over = -phi
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analogpnn.devices import depletion
from analogpnn.devices.depletion import DEPLETION
from analogpnn.devices.device import Device
from analogpnn.devices.mosfet import CHANNEL
from analogpnn.devices.storage import Capacitance, Stored

OXIDE = 3.9 * 8.854214871e-12
"""Permittivity of the gate oxide, ngspice's digits [F/m]."""


_SHARES = {
    # The channel's own names: seen from the source, or from the drain where that is the lower of the two.
    **{name: CHANNEL.where[name] for name in ("turn", "low", "ds", "gs", "bs", "body", "over")},
    "sat": "over > 0.025 ? over : 0.025",
    "full": "over > 0 ? 2/3 : over > -phi/2 ? 2/3 + over/(0.75*phi) : 0",
    "near": "ds >= sat ? 1 : 1 - ((sat - ds)/(2*sat - ds))**2",
    "far": "ds >= sat ? 0 : 1 - (sat/(2*sat - ds))**2",
}


def _gate(end: str, across: str, share: str) -> Capacitance:
    return Capacitance(
        f"gate to {end}", f"cox*w*leff*m*({share})", across, ("vgs", "vds", "vbs"),
        ("cox", "w", "leff", "m", "vto", "gamma", "phi", "p"), _SHARES,
    )  # fmt: skip


GATE_SOURCE = _gate("source", "vgs", "full*(turn > 0 ? near : far)")
GATE_DRAIN = _gate("drain", "vgs - vds", "full*(turn > 0 ? far : near)")
GATE_BULK = _gate("bulk", "vgs - vbs", "over > 0 ? 0 : over > -phi ? -over/phi : 1")

OVERLAP = Device("gate overlap", current="0*v", charge="c*w*m*v", parameters=dict.fromkeys(("c", "w", "m")),
                 units={"c": "F/m", "w": "m"})  # fmt: skip
BULK_OVERLAP = Device("gate-bulk overlap", current="0*v", charge="c*leff*m*v",
                      parameters=dict.fromkeys(("c", "leff", "m")), units={"c": "F/m", "leff": "m"})  # fmt: skip


def stored(
    model: Mapping[str, float],
    instance: Mapping[str, float],
    channel: Mapping[str, float],
    *,
    celsius: float,
    tnom: float,
) -> Iterator[Stored]:
    """All that a transistor stores, between ``gate``, ``drain``, ``source`` and ``bulk``.

    Parameters
    ----------
    model, instance : mapping
        Values of the model and of the card.
    channel : mapping
        Parameters of the channel's law.
    celsius, tnom : float
        The card's temperature, and the one at which the model was measured [Celsius].
    """
    tnom = model.get("tnom", tnom)
    shared = {name: channel[name] for name in ("w", "leff", "m")}
    for end in ("source", "drain"):
        if per_metre := model.get(f"cg{end[0]}o", 0.0):
            yield Stored(OVERLAP, "gate", end, {"c": per_metre, **shared})
    if per_metre := model.get("cgbo", 0.0):
        yield Stored(BULK_OVERLAP, "gate", "bulk", {"c": per_metre, **shared})
    if tox := model.get("tox", 0.0):
        values = {"cox": OXIDE / tox, **channel}
        for law, end in ((GATE_SOURCE, "source"), (GATE_DRAIN, "drain"), (GATE_BULK, "bulk")):
            yield Stored(law, "gate", end, values, (("gate", "source"), ("drain", "source"), ("bulk", "source")))
    m, fc, vj = instance.get("m", 1.0), model.get("fc", 0.5), model.get("pb", 0.8)
    for end in ("drain", "source"):
        bottom = model.get(f"cb{end[0]}", model.get("cj", 0.0) * instance.get(f"a{end[0]}", 0.0))
        side = model.get("cjsw", 0.0) * instance.get(f"p{end[0]}", 0.0)
        for farads, grading in ((bottom, model.get("mj", 0.5)), (side, model.get("mjsw", 0.5))):
            if farads:
                a, k = ("bulk", end) if channel["p"] > 0 else (end, "bulk")
                yield Stored(DEPLETION, a, k, depletion.parameters(farads * m, vj, grading, fc, celsius, tnom))
