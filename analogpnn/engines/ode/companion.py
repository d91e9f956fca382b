"""The companion circuit: what a stage of the integrator solves is an operating point.

A stage at time t asks for x with

    d q(x)/dt + A x + S i(C x) = b(t),    d q/dt = rate (q(x) - q*),   rate = 1/(gamma h)

so every charge q(v) stands as a current rate*q(v) beside the element's own, every flux as a voltage, a capacitance that
is no derivative of a charge as a current C(v) rate (v - v*), and everything the DC engine knows about matrices, ports
and limiting holds here too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse as sp

from analogpnn.circuit.circuit import Circuit, Group
from analogpnn.devices.device import Device
from analogpnn.devices.storage import RATE, Capacitance
from analogpnn.engines.fast.assembly import Linear, Structure, structure
from analogpnn.engines.fast.ports import Ports, ports
from analogpnn.engines.ode.charges import Link, card_charges, check_models
from analogpnn.engines.ode.coupling import mutual_fluxes

TYPICAL = "typical_slope"


@lru_cache(maxsize=256)
def companion_devices(device: Device) -> tuple[Device, Device | None]:
    """Devices whose current is ``rate`` times the charge (of a voltage law: the flux) of the given one.

    A nonlinear charge comes in two parts: ``typical * v`` for the linear matrix, and what is left. All in one it
    would be a huge current at a port whose linear surroundings don't know of it, and cancel.
    """
    rate = device.symbol(RATE)
    controls = ("i",) if device.is_voltage else device.controls
    parameters = {**device.parameters, RATE: 0.0}
    name, charge = f"{device.name}: charge", device.charge_expression
    whole = replace(device, name=name, current=charge * rate, voltage="", charge="", force={}, controls=controls,
                    parameters=parameters)  # fmt: skip
    if whole.is_affine or len(controls) != 1:
        return whole, None
    typical, v = device.symbol(TYPICAL), device.symbol(controls[0])
    parameters = {TYPICAL: 0.0, **parameters}
    return (
        Device(f"{name}, linear part", current=typical * v * rate, controls=controls, parameters=parameters),
        replace(whole, current=(charge - typical * v) * rate, parameters=parameters),
    )


def _companions(group: Group, ground: int) -> list[Group]:
    """The charges of a group as currents from n+ to n-, its fluxes as what is taken off the branch's row."""
    n = len(group.names)
    positive, negative = group.positive, group.negative
    reads = group.control_positive, group.control_negative
    if group.branch is not None:
        # Row of the branch: v(n+) - v(n-) - law - d flux/dt = 0, so the flux leaves it like a current at n-.
        positive, negative = np.full(n, ground), group.branch
        reads = group.branch[None, :], np.full((1, n), ground)
    found = [d for d in companion_devices(group.device) if d is not None]
    values = (*group.values, np.zeros(n))
    if len(found) == 2:
        values = (_typical(group), *values)
    return [
        replace(
            group, device=device, positive=positive, negative=negative, control_positive=reads[0],
            control_negative=reads[1], values=values, branch=None,
        )
        for device in found
    ]  # fmt: skip


def _typical(group: Group) -> np.ndarray:
    """d charge/d control at zero, or a little off where it vanishes there."""
    out = np.zeros(len(group.names))
    for at in (0.0, 1e-3, 1.0):
        slope = np.abs(group.device.charge_law(np.full(len(out), at), *group.values)[1])
        out = np.where((out == 0.0) & np.isfinite(slope), slope, out)
    return out


@dataclass(frozen=True, eq=False)
class Skeleton:
    """What depends on the circuit alone.

    Attributes
    ----------
    own : Structure
        The circuit itself; groups whose slopes depend on time count as nonlinear.
    whole : Structure
        With the companions of all charges after the circuit's own groups.
    ports : Ports
        Of `whole`.
    origins : tuple of (int or tuple of Link)
        For each companion: the group that it belongs to, or, found from cards, the parameters that it shares.
    capacitances : mapping
        Number of a group of `whole` -> the law of the voltage that the capacitance lies across.
    timed : tuple of int
        Groups whose laws name ``time``.
    """

    own: Structure
    whole: Structure
    ports: Ports
    origins: tuple[int | tuple[Link, ...], ...]
    capacitances: dict[int, Device]
    timed: tuple[int, ...]

    @property
    def circuit(self) -> Circuit:
        return self.own.circuit

    @property
    def first(self) -> int:
        """Number of the first companion group."""
        return len(self.circuit.groups)

    @cached_property
    def has_real_poles(self) -> bool:
        """Whether Jacobian and capacitance matrix are symmetric: two-terminal elements and grounded sources only."""
        return self.whole.symmetric

    @cached_property
    def charged(self) -> tuple[int, ...]:
        """Places among the nonlinear groups (as `Laws` counts them) that are companions: nonlinear charges."""
        return tuple(
            place for place, k in enumerate(self.whole.nonlinear) if k >= self.first and k not in self.capacitances
        )

    @cached_property
    def displaced(self) -> tuple[tuple[int, Device], ...]:
        """The same of capacitances that are no derivatives of charges, with the laws of their voltages."""
        return tuple(
            (place, self.capacitances[k]) for place, k in enumerate(self.whole.nonlinear) if k in self.capacitances
        )

    @cached_property
    def coupled(self) -> bool:
        """Whether nonlinear charges stand where laws depend on more than their own voltage.

        On the ports alone a charge is the small difference of a typical linear one and what is left; where the gain of
        a transistor multiplies that, Newton's method with kept matrices stalls. On all unknowns there is no difference.
        """
        return bool(self.displaced) or (bool(self.charged) and not self.ports.square)

    @cached_property
    def has_time_constants(self) -> bool:
        """Whether the right-hand side changes with time by more than the sources."""
        return any(k in self.own.affine for k in self.timed)

    def parameters(self, parameters: list[list[np.ndarray]], rate: float) -> list[list[np.ndarray]]:
        """Law parameters of `whole`, from the circuit's own."""
        out = [list(values) for values in parameters]  # laws set times in theirs
        for origin, group in zip(self.origins, self.whole.circuit.groups[self.first :]):
            values = list(group.values[:-1])
            if isinstance(origin, int):
                own = list(parameters[origin])
                values = values[: len(values) - len(own)] + own
            else:
                for link in origin:
                    # What comes before the law's own parameters is the companion's.
                    place = list(group.device.parameters).index(link.parameter)
                    values[place] = np.array(values[place])
                    values[place][link.places] = parameters[link.group][link.slot][link.sources]
            out.append([*values, np.full(len(group.names), rate)])
        return out

    def linear(self, parameters: list[list[np.ndarray]], rate: float) -> Linear:
        """The linear part A + rate C."""
        return Linear(self.whole, self.parameters(parameters, rate))

    def capacitance(self, parameters: list[list[np.ndarray]]) -> sp.csr_matrix:
        """C of the linear charges, (n + 1, n + 1); ground's row and column are empty."""
        values = self.linear(parameters, 1.0).values - self.linear(parameters, 0.0).values
        rows, columns = self.whole.triplets
        ground = self.circuit.n_unknowns
        keep = (values != 0.0) & (rows != ground) & (columns != ground)
        size = self.whole.n + 1
        return sp.csr_matrix((values[keep], (rows[keep], columns[keep])), shape=(size, size))


_known: WeakKeyDictionary[Circuit, dict[bool, Skeleton]] = WeakKeyDictionary()


def skeleton(circuit: Circuit, clamped: bool) -> Skeleton:
    """Number unknowns, ports and charges, once for a circuit."""
    found = _known.setdefault(circuit, {})
    if clamped not in found:
        found[clamped] = _build(circuit, clamped)
    return found[clamped]


def _build(circuit: Circuit, clamped: bool) -> Skeleton:
    check_models(circuit)
    own = structure(circuit, clamped)
    timed = tuple(k for k, g in enumerate(circuit.groups) if "time" in g.device.parameters)
    moving = {k for k in timed if _slopes_move(circuit.groups[k].device)}
    everything = range(len(circuit.groups))
    nonlinear = tuple(k for k in everything if k in moving or not circuit.groups[k].device.is_affine)
    own = replace(own, nonlinear=nonlinear, affine=tuple(k for k in everything if k not in nonlinear))
    origins: list[int | tuple[Link, ...]] = []
    extra: list[Group] = []
    capacitances: dict[int, Device] = {}
    first = len(circuit.groups)
    for k, group in enumerate(circuit.groups):
        if group.device.charge_expression != 0:
            extra += _companions(group, circuit.n_unknowns)
            origins += [k] * (len(extra) - len(origins))
    for group in mutual_fluxes(circuit):
        extra += _companions(group, circuit.n_unknowns)
        origins += [()] * (len(extra) - len(origins))
    for storage in card_charges(circuit):
        if isinstance(storage.law, Capacitance):
            capacitances[first + len(extra)] = storage.law.voltage
            none = np.zeros(len(storage.group.names))
            extra.append(replace(storage.group, values=(none, *storage.group.values, none)))
        else:
            extra += _companions(storage.group, circuit.n_unknowns)
        origins += [storage.links] * (len(extra) - len(origins))
    extended = replace(circuit, groups=(*circuit.groups, *extra))
    curved = tuple(first + k for k, g in enumerate(extra) if not g.device.is_affine)
    flat = tuple(first + k for k, g in enumerate(extra) if g.device.is_affine)
    whole = replace(own, circuit=extended, nonlinear=(*own.nonlinear, *curved), affine=(*own.affine, *flat))
    return Skeleton(own, whole, ports(whole), tuple(origins), capacitances, timed)


def _slopes_move(device: Device) -> bool:
    time = device.symbol("time")
    return any(time in slope.free_symbols for slope in device.slopes)
