"""The diode's charge: TT times its current, and depletion (ngspice: dioload.c)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analogpnn.devices import depletion
from analogpnn.devices.depletion import DEPLETION
from analogpnn.devices.device import Device
from analogpnn.devices.storage import Stored

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
    """TT and CJO, between ``anode`` and ``cathode`` (of the junction, behind RS); `law`: its parameters."""
    tnom, m = model.get("tnom", tnom), instance.get("m", 1.0)
    if tt := model.get("tt", 0.0):
        device = BREAKDOWN_DIFFUSION if "bv" in law else DIFFUSION
        yield Stored(device, "anode", "cathode", {"tt": tt, **law})
    if farads := model.get("cjo", model.get("cj0", model.get("cj", 0.0))) * instance.get("area", 1.0) * m:
        vj, mj, fc = model.get("vj", model.get("pb", 1.0)), model.get("m", model.get("mj", 0.5)), model.get("fc", 0.5)
        values = depletion.parameters(farads, vj, mj, min(fc, 0.95), celsius, tnom)
        yield Stored(DEPLETION, "anode", "cathode", values)
