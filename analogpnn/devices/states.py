"""Devices with states of their own: what a user writes as one law is several elements to the engines.

A state w is the voltage of an internal node: a capacitor of 1 F charged by dw/dt,

    dw/dt = rate(controls, states)      while time runs
    w = w0                              at an operating point, where time stands at zero

so a transient integrates it with the node voltages, and an operating point finds it where it starts. In ngspice it is
the same: a B source with a choice by `time`, and a capacitor.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import sympy

from analogpnn.devices.device import Device


@lru_cache(maxsize=256)
def lowered(device: Device) -> tuple[Device, dict[str, Device]]:
    """The law of the branch with its states as further controls, and for each state the law of its element.

    A state's element runs from its node to ground; its controls are those of the branch.

    Examples
    --------
    >>> drift = Device("drift", current="w*v", states={"w": "k*v"}, parameters={"k": None})
    >>> branch, states = lowered(drift)
    >>> branch.controls, states["w"].expression
    (('v', 'w'), Piecewise((-k*v, time > 0), (w - w0, True)))
    """
    controls = (*device.controls, *device.states)
    branch = replace(device, controls=controls, states={})
    time = device.symbol("time")
    states = {}
    for name, rate in device.states.items():
        start = device.symbol(name) - device.symbol(f"{name}0")
        law = sympy.Piecewise((-device._read(rate), time > 0), (start, True))
        states[name] = Device(
            f"{device.name}: {name}", current=law, controls=controls, charge=device.symbol(name),
            parameters={**device.parameters, "time": 0.0}, where=device.where, states={name: rate},
        )  # fmt: skip
    return branch, states
