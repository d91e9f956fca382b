"""What an element can measure of itself: the only thing a learning rule gets to see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analogpnn.circuit.block_force import measured
from analogpnn.circuit.layered_point import LayeredPoint
from analogpnn.circuit.operating_point import OperatingPoint
from analogpnn.devices.device import Device
from analogpnn.errors import NetlistError


@dataclass(frozen=True, eq=False)
class Local:
    """One record per trainable, the trainable axis last, the batch in front.

    Parameters
    ----------
    voltage : ndarray, shape (..., n_trainable)
        Voltage v(n+) - v(n-) across the trainable's element [V].
    current : ndarray, shape (..., n_trainable)
        Current through it, from n+ to n- [A].
    force : ndarray, shape (..., n_trainable)
        d(co-content)/d(theta) [W per unit of theta]; v**2 / 2 for a conductance.
    """

    voltage: np.ndarray
    current: np.ndarray
    force: np.ndarray


def measure(op: OperatingPoint) -> Local:
    """What the trainables' elements measure at an operating point.

    The force on a conductance is v**2/2, on a parameter of another two-terminal law the integral of
    d i/d(parameter) over the branch voltage, on a source's voltage the current it delivers. A source that holds a gate
    feels what the device declares for its channel. Behind or before a bidirectional amplifier all forces are scaled
    by the constant gain correction `Circuit.force_scales`.

    Raises
    ------
    NetlistError
        For a trainable whose device has no co-content and declares no force.
    """
    if isinstance(op, LayeredPoint):
        return Local(*measured(op))  # type: ignore[arg-type]  # they behave as arrays
    circuit, x = op.circuit, op.unknowns
    shape = (*x.shape[:-1], circuit.n_trainable)
    voltage, current, force = (np.empty(shape, dtype=x.dtype) for _ in range(3))  # complex under a complex nudge
    for g, q, places, columns in circuit.train_slots:
        group = circuit.groups[g]
        values = [v[..., places] for v in op.parameters[g]]
        controls = [c[..., places] for c in group.controls(x)]
        v = x[..., group.positive[places]] - x[..., group.negative[places]]
        voltage[..., columns] = v
        if group.branch is not None:
            current[..., columns] = x[..., group.branch[places]]
            if not has_force(group.device, list(group.device.parameters)[q]):
                raise NetlistError(f"'{group.names[places[0]]}' has no force: train it by the exact adjoint gradient")
            force[..., columns] = -current[..., columns]
            continue
        current[..., columns] = group.device.law(*controls, *values)[0]
        name = list(group.device.parameters)[q]
        law = group.device.force_function(name)
        if law is None:
            own = f"{group.names[places[0]]}.{name}"
            raise NetlistError(
                f"'{own}': device '{group.device.name}' has no co-content and declares no force",
                cure=f'declare it, Device(..., force={{"{name}": "..."}}), or train by the exact adjoint gradient',
            )
        force[..., columns] = law(*(controls or [v]), *values)[0]
    for k, g, place, c, sign in circuit.gates:
        group = circuit.groups[g]
        law = group.device.force_function(group.device.controls[c])
        controls = [u[..., place] for u in group.controls(x)]
        force[..., k] += sign * law(*controls, *(v[..., place] for v in op.parameters[g]))[0]
    return Local(voltage, current, force * circuit.force_scales)


def has_force(device: Device, parameter: str) -> bool:
    """Whether a local rule has anything to go by."""
    if device.is_voltage:
        return not device.controls and parameter == "dc"
    try:
        return device.force_law(parameter) is not None
    except NetlistError:  # no primitive found
        return False
