"""The netlist flattened and compiled: what engines solve and rules train.

Unknowns of modified nodal analysis are numbered once and for all: first the node voltages, then the currents of
the branches whose law gives a voltage; ground is the number after the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from analogpnn.circuit import topology
from analogpnn.circuit.blocks import Blocks, find_blocks
from analogpnn.circuit.elements import Conditions, Element, ExpressionDevices, expand
from analogpnn.circuit.ideal import idealised
from analogpnn.circuit.reciprocity import force_scales
from analogpnn.circuit.selection import Trainable, select_inputs, select_outputs, select_trainables
from analogpnn.devices import linear
from analogpnn.devices.device import Device
from analogpnn.devices.linear import OPEN
from analogpnn.errors import NetlistError
from analogpnn.garbage import collector_paused
from analogpnn.netlist.flatten import Flat, flatten
from analogpnn.netlist.netlist import Netlist
from analogpnn.units import T_NOMINAL


@dataclass(frozen=True, eq=False)
class Group:
    """All elements of one device, as arrays.

    Parameters
    ----------
    device : Device
    names : tuple of str
    columns : ndarray, shape (n,)
        Their places among the circuit's elements.
    positive, negative : ndarray, shape (n,)
        Numbers of the unknowns at n+ and n-.
    control_positive, control_negative : ndarray, shape (n_controls, n)
        A control is the difference of these two unknowns (a branch current: minus ground).
    values : tuple of ndarray, shape (n,), one for each device parameter
    branch : ndarray, shape (n,), or None
        Numbers of the branch currents, for a voltage law.
    """

    device: Device
    names: tuple[str, ...]
    columns: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    control_positive: np.ndarray
    control_negative: np.ndarray
    values: tuple[np.ndarray, ...]
    branch: np.ndarray | None

    def controls(self, x: np.ndarray) -> list[np.ndarray]:
        """The control values, each (..., n), from unknowns x (..., n_unknowns + 1) with ground last."""
        return [x[..., p] - x[..., n] for p, n in zip(self.control_positive, self.control_negative)]


@dataclass(frozen=True, eq=False)
class Circuit:
    """An immutable circuit; training moves `theta`, never the circuit.

    Attributes
    ----------
    nodes : tuple of str
        Node names, ground left out; internal nodes as ngspice names them.
    elements : tuple of str
        Element names, in card order.
    sources : tuple of str
        Elements whose current is an unknown (V, E, H, L, B v=...).
    inputs : tuple of str
        Sources that data drive; `input_values` are the values on their cards [V or A].
    outputs : tuple of (str, str)
        Node pairs that carry answers.
    trainable : tuple of Trainable
    theta : ndarray, shape (n_trainable,)
        Values on the cards (conductances for resistors).
    bounds : ndarray, shape (2, n_trainable)
        Lower and upper bounds.

    Examples
    --------
    >>> text = '''divider
    ... *@ input V1
    ... *@ output v(out)
    ... *@ train R1 min=1u max=1m
    ... V1 in 0 1
    ... R1 in out 10k
    ... R2 out 0 10k
    ... '''
    >>> circuit = Circuit.from_netlist(Netlist.from_text(text))
    >>> circuit.nodes, circuit.inputs, circuit.outputs
    (('in', 'out'), ('v1',), (('out', '0'),))
    >>> circuit.theta
    array([0.0001])
    """

    netlist: Netlist
    flat: Flat
    nodes: tuple[str, ...]
    elements: tuple[str, ...]
    sources: tuple[str, ...]
    groups: tuple[Group, ...]
    inputs: tuple[str, ...]
    input_values: np.ndarray
    outputs: tuple[tuple[str, str], ...]
    trainable: tuple[Trainable, ...]
    theta: np.ndarray
    bounds: np.ndarray
    temperature: float
    gmin: float
    notes: tuple[str, ...]

    @classmethod
    @collector_paused()
    def from_netlist(
        cls,
        source: str | Path | Netlist,
        *,
        devices: Iterable[Device] = (),
        allow_include: Iterable[str | Path] = (),
        **params: float,
    ) -> Circuit:
        """Read, flatten and compile a netlist.

        Parameters
        ----------
        source : path or Netlist
        devices : iterable of Device
            Devices of your own, instantiated on cards ``X1 n+ n- name parameter=value``.
        allow_include : iterable of paths
            Folders outside the netlist's own from which ``.include`` may read.
        **params
            Values that replace those of ``.param`` cards.

        Raises
        ------
        NetlistError
            Naming file, line and cure.
        """
        netlist = source if isinstance(source, Netlist) else Netlist.from_file(source, allow_include=allow_include)
        flat = flatten(netlist, params)
        if flat.options.get("rshunt"):
            raise NetlistError(
                ".options rshunt puts a resistor from every node to ground; that is not known here",
                path=netlist.path, cure="leave it out, or write the resistors as cards",
            )  # fmt: skip
        celsius = flat.options.get("temp", T_NOMINAL)
        tnom, gmin = flat.options.get("tnom", T_NOMINAL), flat.options.get("gmin", 1e-12)
        conditions = Conditions(celsius, tnom, gmin, flat.options)
        known = {d.name.lower(): d for d in devices}
        expressions = ExpressionDevices()
        elements = [e for card in flat.cards for e in expand(card, conditions, expressions, known)]
        elements = idealised(elements, flat)
        if not elements:
            raise NetlistError("no elements: there is no circuit in it", path=netlist.path)
        topology.check(elements, netlist.path)
        return _compile(netlist, flat, elements, conditions)

    def __repr__(self) -> str:
        counts = f"{len(self.elements)} elements, {self.n_nodes} nodes, {self.n_trainable} trainable"
        return f"<Circuit {str(self.path)!r}: {counts}>"

    @property
    def title(self) -> str:
        return self.flat.title

    @property
    def path(self):
        return self.netlist.path

    @property
    def n_nodes(self) -> int:
        return len(self.nodes)

    @property
    def n_unknowns(self) -> int:
        return len(self.nodes) + len(self.sources)

    @property
    def n_inputs(self) -> int:
        return len(self.inputs)

    @property
    def n_outputs(self) -> int:
        return len(self.outputs)

    @property
    def n_trainable(self) -> int:
        return len(self.trainable)

    @property
    def initial(self) -> Mapping[str, float]:
        """Initial conditions from ``.ic`` [V]."""
        return self.flat.initial

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Node name -> number of its unknown; ground comes after the last."""
        return {**{n: k for k, n in enumerate(self.nodes)}, "0": self.n_unknowns}

    @cached_property
    def places(self) -> dict[str, tuple[int, int]]:
        """Element name -> (group, place in the group)."""
        return {name: (g, k) for g, group in enumerate(self.groups) for k, name in enumerate(group.names)}

    @cached_property
    def output_numbers(self) -> np.ndarray:
        """(2, n_outputs): the unknowns at n+ and n- of each output."""
        pairs = [[self.numbers[a], self.numbers[b]] for a, b in self.outputs]
        return np.array(pairs, dtype=np.intp).reshape(-1, 2).T

    @cached_property
    def train_slots(self) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
        """(group, parameter, places in the group, columns of theta), for every kind of trainable."""
        return _slots(self, [(t.element, t.law_parameter) for t in self.trainable])

    @cached_property
    def state_slots(self) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
        """The same for the elements of states, which share the parameters of their device."""
        if not self.states:
            return []
        kept = [
            (k, name, t.law_parameter) for k, t in enumerate(self.trainable) for name in self.states.get(t.element, ())
        ]
        found = _slots(self, [(name, parameter) for _, name, parameter in kept])
        columns = np.array([k for k, _, _ in kept], dtype=np.intp)
        return [(g, q, places, columns[of]) for g, q, places, of in found]

    @cached_property
    def states(self) -> dict[str, tuple[str, ...]]:
        """Element -> the elements of its states, for devices that have some."""
        out: dict[str, tuple[str, ...]] = {}
        for group in self.groups:
            for name in group.names if group.device.is_state else ():
                element = name.rpartition("#")[0]
                out[element] = (*out.get(element, ()), name)
        return out

    @cached_property
    def input_slots(self) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
        """(group, parameter, places in the group, columns of the inputs)."""
        return _slots(self, [(name, "dc") for name in self.inputs])

    @cached_property
    def gates(self) -> tuple[tuple[int, int, int, int, float], ...]:
        """(trainable, group, place, control, sign) where a trainable source holds a gate.

        A gate draws no current, so the source feels nothing itself; its force is the channel's.
        """
        found = []
        for k, t in enumerate(self.trainable):
            g, e = self.places[t.element]
            group = self.groups[g]
            if t.parameter != "dc" or group.branch is None or group.negative[e] != self.n_unknowns:
                continue
            node = group.positive[e]
            for h, other in enumerate(self.groups):
                for c, name in enumerate(other.device.controls):
                    if name in other.device.force:
                        found += [(k, h, int(j), c, 1.0) for j in np.flatnonzero(other.control_positive[c] == node)]
        return tuple(found)

    @cached_property
    def conductances(self) -> np.ndarray:
        """(n_trainable,): which trainables are conductances."""
        return np.array([t.quantity == "G" for t in self.trainable], dtype=bool)

    @cached_property
    def blocks(self) -> Blocks | None:
        """The layers of a layered network and the crossbars between them; None for any other circuit."""
        return find_blocks(self)

    @cached_property
    def force_scales(self) -> np.ndarray:
        """(n_trainable,): what an element's force counts at the outputs; see `reciprocity`."""
        return force_scales(self)

    def parameters(self, theta: np.ndarray, inputs: np.ndarray | None = None) -> list[list[np.ndarray]]:
        """Law parameters of every group: one array (..., n) for each parameter, theta and inputs put in."""
        bound = [list(group.values) for group in self.groups]
        _fill(bound, self.train_slots, theta)
        _fill(bound, self.state_slots, theta)
        if inputs is not None:
            _fill(bound, self.input_slots, inputs)
        return bound

    def clip(self, theta: np.ndarray) -> np.ndarray:
        """Theta within its bounds."""
        return np.clip(theta, self.bounds[0], self.bounds[1])

    def snap(self, theta: np.ndarray) -> np.ndarray:
        """Theta rounded (in the last bit) to what a netlist's text can carry.

        A resistor's card holds R = 1/G; the conductances that survive the way there and back are the fixed points
        of rounding twice. One that rounding takes over a bound goes to the next inside.
        """
        theta = np.array(theta, dtype=float)
        given = theta[..., self.conductances]
        low, high = self.bounds[:, self.conductances]
        g = _there_and_back(np.where(given <= 1.0 / OPEN, 0.0, given))
        for bound, sign in ((low, 1.0), (high, -1.0)):
            for ulps in range(1, 4):
                out = (sign * (g - bound) < 0) & (sign * (given - bound) >= 0)
                if not out.any():
                    break
                at = np.broadcast_to(bound, g.shape)[out]
                g[out] = _there_and_back(at + sign * ulps * np.spacing(at))
        theta[..., self.conductances] = g
        return theta

    def card_values(self, theta: np.ndarray) -> dict[tuple[str, str], float]:
        """(element, parameter) -> the number its card carries: resistance for a conductance."""
        theta = np.asarray(theta, dtype=float)
        card = theta.copy()
        with np.errstate(divide="ignore"):
            card[self.conductances] = np.minimum(1.0 / theta[self.conductances], OPEN)
        return {(t.element, t.parameter): value for t, value in zip(self.trainable, card.tolist())}

    def with_theta(self, theta: np.ndarray) -> Circuit:
        """The same circuit with other start values."""
        theta = np.array(theta, dtype=float)
        if theta.shape != self.theta.shape:
            raise NetlistError(f"theta has shape {theta.shape}, the circuit needs {self.theta.shape}")
        theta.setflags(write=False)
        other = replace(self, theta=theta)
        # What was worked out about the structure holds for any theta.
        other.__dict__.update({name: value for name, value in self.__dict__.items() if name in _STRUCTURE})
        return other

    def __reduce_ex__(self, protocol):
        # A circuit that was made, not read, holds functions and is made again where it is unpickled.
        again = self.__dict__.get("again")
        return super().__reduce_ex__(protocol) if again is None else (_made_again, (again, self.theta))


_STRUCTURE = {
    "numbers", "places", "output_numbers", "train_slots", "state_slots", "states", "input_slots", "gates",
    "force_scales", "conductances", "blocks", "again",
}  # fmt: skip


def _made_again(make: Callable[[], Circuit], theta: np.ndarray) -> Circuit:
    return make().with_theta(theta)


def _there_and_back(g: np.ndarray) -> np.ndarray:
    """Conductances that are the same after being written as resistances and read again."""
    with np.errstate(divide="ignore"):
        for _ in range(4):
            g = 1.0 / (1.0 / g)
    return g


def _slots(circuit: Circuit, wanted: list[tuple[str, str]]):
    """For each (group, parameter): places in the group and columns in the given array."""
    found: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
    for column, (name, parameter) in enumerate(wanted):
        g, place = circuit.places[name]
        q = list(circuit.groups[g].device.parameters).index(parameter)
        places, columns = found.setdefault((g, q), ([], []))
        places.append(place)
        columns.append(column)
    return [(g, q, np.array(p), np.array(c)) for (g, q), (p, c) in found.items()]


def _fill(bound, slots, values):
    values = np.asarray(values, dtype=float)
    for g, q, places, columns in slots:
        base = bound[g][q]
        full = np.array(np.broadcast_to(base, np.broadcast_shapes(base.shape, (*values.shape[:-1], base.shape[-1]))))
        full[..., places] = values[..., columns]
        bound[g][q] = full


def _compile(netlist: Netlist, flat: Flat, elements: list[Element], conditions: Conditions) -> Circuit:
    nodes: dict[str, int] = {}
    for e in elements:
        if e.device is linear.RESISTOR:  # a million of them need not be slow
            if e.positive != "0":
                nodes.setdefault(e.positive, len(nodes))
            if e.negative != "0":
                nodes.setdefault(e.negative, len(nodes))
            continue
        for node in (e.positive, e.negative, *(x for c in e.controls if c.kind == "v" for x in (c.a, c.b))):
            if node != "0":
                nodes.setdefault(node, len(nodes))
    sources = tuple(e.name for e in elements if e.device.is_voltage)
    branch = {name: len(nodes) + k for k, name in enumerate(sources)}
    ground = len(nodes) + len(sources)
    number = {**nodes, "0": ground}

    def control(e: Element, c) -> tuple[int, int]:
        if c.kind == "v":
            return number[c.a], number[c.b]
        if c.a not in branch:
            raise NetlistError(
                f"'{e.name}' measures the current of '{c.a}', which is not a voltage source",
                path=e.card.path, line=e.card.line, text=e.card.text,
                cure=f"put a 0 V source in series and measure that: Vsense a b 0; known: {' '.join(sources) or 'none'}",
            )  # fmt: skip
        return branch[c.a], ground

    members: dict[int, list[int]] = {}
    for k, e in enumerate(elements):
        members.setdefault(id(e.device), []).append(k)
    groups = []
    for places in members.values():
        group = [elements[k] for k in places]
        device = group[0].device
        positive = np.array([number[e.positive] for e in group], dtype=np.intp)
        negative = np.array([number[e.negative] for e in group], dtype=np.intp)
        if device is linear.RESISTOR:
            pairs = np.stack([positive, negative], axis=1)
        else:
            pairs = np.array([[control(e, c) for c in e.controls] for e in group], dtype=np.intp)
        pairs = pairs.reshape(len(group), len(device.controls), 2)
        values = []
        for name, default in device.parameters.items():
            column = [e.values.get(name, default) for e in group]
            for e, value in zip(group, column) if None in column else ():
                if value is None:
                    raise NetlistError(
                        f"'{e.name}' needs a value for '{name}'",
                        path=e.card.path, line=e.card.line, text=e.card.text, cure=f"write {name}=... on its card",
                    )  # fmt: skip
            values.append(np.array(column, dtype=float))
        groups.append(
            Group(
                device,
                tuple(e.name for e in group),
                np.array(places),
                positive,
                negative,
                pairs[:, :, 0].T.copy(),
                pairs[:, :, 1].T.copy(),
                tuple(values),
                np.array([branch[e.name] for e in group], dtype=np.intp) if device.is_voltage else None,
            )
        )
    inputs = select_inputs(flat)
    trainable, theta, bounds = select_trainables(flat, elements, inputs)
    driven = frozenset(inputs)
    dc = {e.name: e.values["dc"] for e in elements if e.name in driven}
    theta.setflags(write=False)
    return Circuit(
        netlist=netlist,
        flat=flat,
        nodes=tuple(nodes),
        elements=tuple(e.name for e in elements),
        sources=sources,
        groups=tuple(groups),
        inputs=inputs,
        input_values=np.array([dc[n] for n in inputs], dtype=float),
        outputs=select_outputs(flat, number),
        trainable=trainable,
        theta=theta,
        bounds=bounds,
        temperature=conditions.celsius,
        gmin=conditions.gmin,
        notes=flat.notes,
    )
