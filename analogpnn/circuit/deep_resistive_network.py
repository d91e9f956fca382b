"""Deep resistive networks: layers of nodes, dense crossbars between them, a diode on every hidden node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from analogpnn.circuit.circuit import Circuit, Group
from analogpnn.circuit.generated import GeneratedFlat, GeneratedNetlist, Lazy
from analogpnn.circuit.selection import Trainable
from analogpnn.devices import diode, linear
from analogpnn.errors import NetlistError
from analogpnn.units import T_NOMINAL, format_number, thermal_voltage

MODEL = {"is": 1e-12, "n": 0.01, "rs": 1e-3}
"""The sharp diode that stands for an ideal one in SPICE."""
GMIN = 1e-12


def deep_resistive_network(
    layers: Sequence[int],
    *,
    gain: float = 1.0,
    bounds: tuple[float, float] | Sequence[tuple[float, float]] = (0.0, 1e3),
    bias: bool = True,
    start: str = "uniform",
    seed: int = 0,
) -> Circuit:
    """A deep resistive network with ideal diodes.

    Every input x drives two nodes, at +gain x and -gain x; every hidden node has an ideal diode to ground that keeps
    it at 0 V or above (first half of its layer) or at 0 V or below (second half); outputs are plain nodes. Conductances
    can't be negative and diodes don't amplify: the two signs of inputs and hidden nodes make up for the first,
    the input gain for the second.

    Trainables, in this order: the conductances layer by layer, row by row (from every node below to all nodes
    above), then the bias currents.

    Parameters
    ----------
    layers : sequence of int
        Inputs, hidden nodes of each layer, outputs: ``(784, 100, 10)``.
    gain : float
        Voltage gain of the inputs.
    bounds : (lower, upper), or one pair a layer
        Of the conductances [S].
    bias : bool
        A trainable current source at every free node, 0 A at first.
    start : {'uniform', 'positive'}
        Conductances at first [S]: uniform between -1/sqrt(n) and 1/sqrt(n), n the number of nodes below, what is
        negative made zero (as published: half of them start there); or uniform between 0 and 1/sqrt(n).
    seed : int
        Of the conductances at first.

    Returns
    -------
    Circuit
        Made directly; ``circuit.netlist.text`` writes it out as plain cards.

    References
    ----------
    B. Scellier, "A fast algorithm to simulate nonlinear resistive networks", ICML 2024 (arXiv:2402.11674).

    Examples
    --------
    >>> circuit = deep_resistive_network((2, 4, 1), gain=10)
    >>> circuit.n_inputs, circuit.n_outputs, circuit.n_trainable
    (2, 1, 25)
    >>> from analogpnn import Netlist
    >>> read = Circuit.from_netlist(Netlist.from_text(circuit.netlist.text))
    >>> bool(np.all(read.theta == circuit.theta)), read.nodes == circuit.nodes
    (True, True)
    """
    if len(layers) < 2 or any(int(n) != n or n < 1 for n in layers):
        raise NetlistError(f"layers can't be {list(layers)}", cure="inputs, hidden nodes, outputs: (784, 100, 10)")
    if start not in ("uniform", "positive"):
        raise NetlistError(f"start is 'uniform' or 'positive', not {start!r}")
    layers = [int(n) for n in layers]
    plan = _Plan(layers, float(gain), bias, _bounds(bounds, len(layers) - 1))
    rng = np.random.default_rng(seed)
    parts = []
    for (below, above), (low, high) in zip(plan.shapes, plan.bounds):
        most = 1 / np.sqrt(below)
        g = rng.uniform(-most if start == "uniform" else 0.0, most, below * above)
        parts.append(np.clip(g, max(low, 0.0), high))
    g = np.concatenate(parts)
    with np.errstate(divide="ignore"):
        for _ in range(4):
            g = 1.0 / (1.0 / g)  # what a card, which holds the resistance, can carry
    return plan.circuit(np.concatenate([g, np.zeros(plan.biases)]))


def _bounds(bounds, count: int) -> list[tuple[float, float]]:
    pairs = [bounds] * count if np.ndim(bounds[0]) == 0 else list(bounds)
    if len(pairs) != count or any(not 0 <= low < high for low, high in pairs):
        raise NetlistError(f"bounds can't be {bounds!r}", cure="bounds=(0, 1), or one pair for each layer")
    return [(float(low), float(high)) for low, high in pairs]


class _Plan:
    """Names, numbers and places of everything, from the sizes of the layers."""

    def __init__(self, layers: list[int], gain: float, bias: bool, bounds: list[tuple[float, float]]):
        self.layers, self.gain, self.bounds = layers, gain, bounds
        n = layers[0]
        self.names = [
            [f"p{k}" for k in range(1, n + 1)] + [f"n{k}" for k in range(1, n + 1)],
            *([f"h{l}_{k}" for k in range(1, w + 1)] for l, w in enumerate(layers[1:-1], 1)),
            [f"o{k}" for k in range(1, layers[-1] + 1)],
        ]
        self.nodes = (*(f"x{k}" for k in range(1, n + 1)), *(name for layer in self.names for name in layer))
        sizes = [len(layer) for layer in self.names]
        self.shapes = list(zip(sizes[:-1], sizes[1:]))
        self.first = (n + np.concatenate([[0], np.cumsum(sizes)[:-1]])).tolist()  # number of each layer's first node
        self.biases = sum(layers[1:]) if bias else 0
        self.hidden = sum(layers[1:-1])

    def circuit(self, theta: np.ndarray) -> Circuit:
        """The compiled circuit, as reading `text` would give it: names and netlist are lazy stand-ins."""
        n, weights = self.layers[0], sum(a * b for a, b in self.shapes)
        n_nodes = len(self.nodes)
        sources = (*(f"vx{k}" for k in range(1, n + 1)), *(f"e{name}" for name in self.names[0]))
        ground = n_nodes + len(sources)
        free = np.arange(self.first[1], n_nodes)
        theta = np.array(theta, dtype=float)
        conductances = np.zeros(len(theta), dtype=bool)
        conductances[:weights] = True
        elements = Lazy(
            (len(sources), lambda k: sources[k]),
            *self._resistors(),
            (self.biases, self._bias),
            (self.hidden, self._diode),
        )
        place = 0

        def columns(count: int) -> np.ndarray:
            nonlocal place
            place += count
            return np.arange(place - count, place)

        def none(count: int) -> np.ndarray:
            return np.zeros((0, count), dtype=np.intp)

        driven = np.concatenate([np.arange(n), np.arange(n)])
        ends = list(zip(self.shapes, self.first[:-1], self.first[1:]))
        low = np.concatenate([np.repeat(np.arange(a, a + below), above) for (below, above), a, _ in ends])
        high = np.concatenate([np.tile(np.arange(b, b + above), below) for (below, above), _, b in ends])
        zero = np.full
        groups = [
            Group(
                linear.VOLTAGE_SOURCE, sources[:n], columns(n), np.arange(n), zero(n, ground), none(n), none(n),
                (np.zeros(n),), n_nodes + np.arange(n),
            ),
            Group(
                linear.VCVS, sources[n:], columns(2 * n), n + np.arange(2 * n), zero(2 * n, ground), driven[None],
                zero((1, 2 * n), ground), (np.repeat([self.gain, -self.gain], n),), n_nodes + n + np.arange(2 * n),
            ),
            Group(
                linear.RESISTOR, Lazy(*self._resistors()), columns(weights), low, high, low[None], high[None],  # type: ignore[arg-type]
                (theta[:weights], np.ones(weights)), None,
            ),
        ]  # fmt: skip
        m = self.biases
        if m:
            groups.append(
                Group(
                    linear.CURRENT_SOURCE, Lazy((m, self._bias)), columns(m), zero(m, ground), free, none(m), none(m),  # type: ignore[arg-type]
                    (theta[weights:], np.ones(m)), None,
                )
            )  # fmt: skip
        if self.hidden:
            up = np.concatenate([np.arange(w) < w // 2 for w in self.layers[1:-1]])
            node, earth = free[: self.hidden], zero(self.hidden, ground)
            p, q = np.where(up, earth, node), np.where(up, node, earth)
            values = tuple(
                np.full(self.hidden, x) for x in (MODEL["is"], MODEL["n"] * thermal_voltage(T_NOMINAL), GMIN)
            )
            groups.append(
                Group(
                    diode.IDEAL_DIODE, Lazy((self.hidden, self._diode)), columns(self.hidden), p, q, p[None], q[None],  # type: ignore[arg-type]
                    values, None,
                )
            )  # fmt: skip
        trainable = Lazy(
            *((count, lambda k, f=name: _conductance(f(k))) for count, name in self._resistors()),
            (m, lambda k: Trainable(self._bias(k), self._bias(k), "dc", "dc", "dc", "A")),
        )
        netlist = GeneratedNetlist(
            f"deep resistive network {'-'.join(map(str, self.layers))}", self._head(), self._body,
            Lazy((weights, lambda k: _ohms(theta[k])), (m, lambda k: float(theta[weights + k]))),
            Lazy(*((count, lambda k, f=name: (f(k), "r")) for count, name in self._resistors()),
                 (m, lambda k: (self._bias(k), "dc"))),
        )  # fmt: skip
        bounds = np.empty((2, len(theta)))
        bounds[0, weights:], bounds[1, weights:] = -np.inf, np.inf
        at = 0
        for (below, above), pair in zip(self.shapes, self.bounds):
            bounds[:, at : at + below * above] = np.array(pair)[:, None]
            at += below * above
        theta.setflags(write=False)
        made = Circuit(
            netlist=netlist,  # type: ignore[arg-type]
            flat=GeneratedFlat(netlist),  # type: ignore[arg-type]
            nodes=self.nodes,
            elements=elements,  # type: ignore[arg-type]
            sources=sources,
            groups=tuple(groups),
            inputs=sources[:n],
            input_values=np.zeros(n),
            outputs=tuple((name, "0") for name in self.names[-1]),
            trainable=trainable,  # type: ignore[arg-type]
            theta=theta,
            bounds=bounds,
            temperature=T_NOMINAL,
            gmin=GMIN,
            notes=(),
        )
        # Known without looking at a million names.
        slots = [(2, 0, np.arange(weights), np.arange(weights))]
        if m:
            slots.append((3, 0, np.arange(m), weights + np.arange(m)))
        made.__dict__.update(
            train_slots=slots, input_slots=[(0, 0, np.arange(n), np.arange(n))], conductances=conductances, gates=(),
            force_scales=np.broadcast_to(1.0, theta.shape), again=partial(self.circuit, theta),
        )  # fmt: skip
        return made

    # -- names -----------------------------------------------------------------------------------------------

    def _resistors(self):
        """(count, place -> name) of each layer's resistors."""
        for layer, (below, above) in enumerate(self.shapes, 1):
            names = [name.rpartition("_")[2] for name in self.names[layer - 1]]  # 'p3', 'n3' or '3'

            def name(k: int, layer=layer, names=names, above=above) -> str:
                return f"r{layer}_{names[k // above]}_{k % above + 1}"

            yield below * above, name

    def _free(self, k: int) -> str:
        for layer in self.names[1:]:
            if k < len(layer):
                return layer[k]
            k -= len(layer)
        raise IndexError(k)

    def _bias(self, k: int) -> str:
        return f"ib_{self._free(k)}"

    def _diode(self, k: int) -> str:
        return f"d_{self._free(k)}"

    # -- text ------------------------------------------------------------------------------------------------

    def _head(self) -> tuple[str, ...]:
        lines = ["*@ input Vx*", "*@ output " + " ".join(f"v({name})" for name in self.names[-1])]
        for layer, (low, high) in enumerate(self.bounds, 1):
            lines.append(f"*@ train R{layer}_* min={format_number(low)} max={format_number(high)}")
        if self.biases:
            lines.append("*@ train Ib_*")
        return (*lines, "*@ ideal D_*") if self.hidden else tuple(lines)

    def _body(self, numbers: Sequence[float]) -> Iterator[str]:
        yield ".model ideal D(" + " ".join(f"{k.upper()}={format_number(v)}" for k, v in MODEL.items()) + ")"
        n = self.layers[0]
        yield from (f"Vx{k} x{k} 0 DC 0" for k in range(1, n + 1))
        for sign, gain in (("p", self.gain), ("n", -self.gain)):
            yield from (f"E{sign}{k} {sign}{k} 0 x{k} 0 {format_number(gain)}" for k in range(1, n + 1))
        values = iter(numbers)
        for layer, (count, name) in enumerate(self._resistors(), 1):
            below, above = self.names[layer - 1], self.names[layer]
            width = len(above)
            for k in range(count):
                yield f"{name(k).upper()} {below[k // width]} {above[k % width]} {next(values)!r}"
        for k in range(self.biases):
            yield f"{self._bias(k).capitalize()} 0 {self._free(k)} DC {next(values)!r}"
        for nodes in self.names[1:-1]:
            for k, node in enumerate(nodes):
                ends = f"0 {node}" if k < len(nodes) // 2 else f"{node} 0"
                yield f"D_{node} {ends} ideal"


def _conductance(name: str) -> Trainable:
    return Trainable(name, name, "r", "g", "G", "S")


def _ohms(g: float) -> float:
    return float(1.0 / g) if g > 1.0 / linear.OPEN else linear.OPEN
