"""Switches: two conductances, and a voltage or current that chooses."""

from __future__ import annotations

from collections.abc import Mapping

from analogpnn.devices.device import Device

SWITCH = Device(
    "switch",
    current="v*(c > threshold ? gon : goff)",
    controls=("v", "c"),
    parameters={"gon": None, "goff": None, "threshold": 0.0},
    units={"gon": "S", "goff": "S"},
)
"""Abrupt at its threshold, as in ngspice; within the hysteresis it keeps the state that it starts from."""

MODEL = {
    "sw": {"vt": 0.0, "vh": 0.0, "ron": 1.0, "roff": None},
    "csw": {"it": 0.0, "ih": 0.0, "ron": 1.0, "roff": None},
}


def parameters(kind: str, model: Mapping[str, float], *, on: bool, gmin: float) -> dict[str, float]:
    """Conductances and threshold: vt + vh for a switch that starts off, vt - vh for one that starts on."""
    at, width = (model.get(name, 0.0) for name in (("vt", "vh") if kind == "sw" else ("it", "ih")))
    ron, roff = model.get("ron", 1.0), model.get("roff")
    return {
        "gon": 1.0 / ron,
        "goff": gmin if roff is None else 1.0 / roff,
        "threshold": at + (-abs(width) if on else abs(width)),
    }
