"""The charge of a JFET: depletion at its gate, grading one half, as in ngspice's jfetload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analogpnn.devices import depletion
from analogpnn.devices.depletion import DEPLETION
from analogpnn.devices.storage import Stored


def stored(
    model: Mapping[str, float], instance: Mapping[str, float], sign: float, *, celsius: float, tnom: float
) -> Iterator[Stored]:
    """CGS and CGD, between ``gate`` and ``source``, ``drain``; `sign` is -1 for a p channel."""
    size = instance.get("area", 1.0) * instance.get("m", 1.0)
    fc, tnom = min(model.get("fc", 0.5), 0.95), model.get("tnom", tnom)
    for end in ("source", "drain"):
        if farads := model.get(f"cg{end[0]}", 0.0):
            a, k = ("gate", end) if sign > 0 else (end, "gate")
            values = depletion.parameters(farads * size, model.get("pb", 1.0), 0.5, fc, celsius, tnom)
            yield Stored(DEPLETION, a, k, values)
